"""Collections."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from app import errors
from app.api.access import CallerNow
from app.api.bodies import documented, json_only
from app.api.dependencies import RunningNow
from app.api.problems import problems
from app.api.schemas import CollectionCreate, CollectionListPublic, CollectionPublic, Id
from app.service import collections

router = APIRouter(prefix="/collections", tags=["collections"])


def _named(caller: CallerNow, name: Annotated[Id, Path()]) -> str:
    caller.require_collection(name)
    return name


Named = Annotated[str, Depends(_named)]


@router.get("", summary="List collections", responses=problems(errors.StoreError, errors.Overloaded))
async def list_collections(running: RunningNow, caller: CallerNow) -> CollectionListPublic:
    """All that the key is for, by name."""
    found = await running.pool.run(collections.list_collections, running.parts)
    return CollectionListPublic(
        collections=[CollectionPublic.model_validate(one) for one in found if caller.sees(one.name)]
    )


@router.post(
    "",
    status_code=201,
    summary="Make a collection",
    openapi_extra=documented(CollectionCreate, multipart=False, example={"name": "spring-fair"}),
    responses=problems(
        errors.CollectionExists,
        errors.TooManyCollections,
        errors.StoreError,
        errors.Overloaded,
        errors.BodyTooLarge,
        errors.UnsupportedMediaType,
    ),
)
async def create_collection(
    running: RunningNow, body: Annotated[CollectionCreate, Depends(json_only(CollectionCreate))], response: Response
) -> CollectionPublic:
    """Empty; its first template pins the model."""
    made = await running.pool.run(collections.create_collection, running.parts, body.name)
    response.headers["Location"] = f"/collections/{made.name}"
    return CollectionPublic.model_validate(made)


@router.get(
    "/{name}",
    summary="Show a collection",
    responses=problems(errors.CollectionNotFound, errors.StoreError, errors.Overloaded),
)
async def show_collection(name: Named, running: RunningNow) -> CollectionPublic:
    """Its model and its size."""
    return CollectionPublic.model_validate(await running.pool.run(collections.show_collection, running.parts, name))


@router.delete(
    "/{name}",
    status_code=204,
    summary="Delete a collection",
    responses=problems(errors.CollectionNotFound, errors.GalleryError, errors.StoreError, errors.Overloaded),
)
async def delete_collection(name: Named, running: RunningNow) -> None:
    """With everybody in it. `default` is emptied instead: it is always there."""
    await running.pool.run(collections.delete_collection, running.parts, name)
