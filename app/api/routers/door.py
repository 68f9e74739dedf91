"""What the door of a collection does, and the names it may show."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import StringConstraints

from app import errors
from app.api.access import CallerNow, InCollection
from app.api.bodies import documented, json_only
from app.api.dependencies import RunningNow
from app.api.door_schemas import CollectionUpdate, DoorPublic, NamePublic, NamesPublic
from app.api.problems import problems
from app.api.schemas import Id
from app.service import door
from app.service.loading import load_finder

router = APIRouter(tags=["door"])

_KNOWN = (errors.CollectionNotFound, errors.StoreError, errors.Overloaded)
Letters = Annotated[str, StringConstraints(min_length=2, max_length=50, strip_whitespace=True)]


@router.get("/door", summary="The rules of a door", responses=problems(*_KNOWN))
async def show_door(running: RunningNow, collection: InCollection) -> DoorPublic:
    """All that a kiosk needs to know of its collection."""
    return DoorPublic.model_validate(await running.pool.run(door.show_door, running.parts, collection))


@router.get("/door/names", summary="Names to choose from", responses=problems(*_KNOWN, errors.MethodRefused))
async def list_names(
    running: RunningNow,
    collection: InCollection,
    letters: Annotated[Letters, Query(description="What the visitor typed: the beginning of a word of the name.")],
) -> NamesPublic:
    """At most ten, and only where the door signs in by `list`."""
    found = await running.pool.run(door.names, running.parts, collection, letters)
    return NamesPublic(names=[NamePublic(subject_id=subject_id, name=name) for subject_id, name in found])


_WEIGHTS: Final = "application/octet-stream"


@router.get(
    "/door/finder",
    summary="What a kiosk finds faces with",
    response_class=Response,
    responses={
        200: {"content": {_WEIGHTS: {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "It is the one of `If-None-Match`."},
        **problems(*_KNOWN, errors.WeightsError),
    },
)
async def show_finder(
    running: RunningNow,
    collection: InCollection,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of the file that is there.")] = None,
) -> Response:
    """The detector's first two networks, a safetensors file of float32: a kiosk looks for faces itself, and sends
    pictures only once one is near and sharp."""
    file = await running.pool.run(load_finder, running.parts.settings)
    headers = {"ETag": f'"{hashlib.sha256(file).hexdigest()}"', "Cache-Control": "private, no-cache"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(file, media_type=_WEIGHTS, headers=headers)


@router.patch(
    "/collections/{name}",
    summary="Change a collection's rules",
    openapi_extra=documented(CollectionUpdate, multipart=False, example={"door": {"reentry_seconds": 300}}),
    responses=problems(*_KNOWN, errors.NotSealed, errors.BodyTooLarge, errors.UnsupportedMediaType),
)
async def change_collection(
    name: Annotated[Id, Path()],
    running: RunningNow,
    caller: CallerNow,
    body: Annotated[CollectionUpdate, Depends(json_only(CollectionUpdate))],
) -> DoorPublic:
    """Rules that are left out stay as they are."""
    caller.require_collection(name)
    changes = body.door.model_dump(mode="json", exclude_unset=True)
    return DoorPublic.model_validate(await running.pool.run(door.change, running.parts, name, changes))
