"""Keys, and which of them is asking."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from app import errors
from app.api.access import CallerNow
from app.api.bodies import documented, json_only
from app.api.dependencies import RunningNow
from app.api.key_schemas import KeyCreate, KeyListPublic, KeyMadePublic, KeyPublic, KeyRotate, WhoPublic
from app.api.problems import problems
from app.service import keys

router = APIRouter(tags=["keys"])

KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}$")]

_STORE = (errors.StoreError, errors.Overloaded)
_BODY = (errors.BodyTooLarge, errors.UnsupportedMediaType)


@router.get("/whoami", summary="What this key may do", responses=problems(errors.StoreError))
async def whoami(caller: CallerNow) -> WhoPublic:
    """For pages that show only what they may ask for."""
    collections = None if caller.collections is None else sorted(caller.collections)
    return WhoPublic(key_id=caller.key_id, scopes=sorted(caller.scopes), collections=collections)


@router.get("/keys", summary="List keys", responses=problems(*_STORE))
async def list_keys(running: RunningNow) -> KeyListPublic:
    """Without their secrets, which nobody has; those revoked and expired too."""
    found = await running.pool.run(keys.list_keys, running.parts.database)
    return KeyListPublic(keys=[KeyPublic.model_validate(one) for one in found])


@router.post(
    "/keys",
    status_code=201,
    summary="Make a key",
    openapi_extra=documented(
        KeyCreate,
        multipart=False,
        example={"name": "door tablet", "scopes": ["kiosk"], "collections": ["default"], "lifetime_days": 90},
    ),
    responses=problems(*_STORE, *_BODY),
)
async def create_key(
    running: RunningNow, body: Annotated[KeyCreate, Depends(json_only(KeyCreate))], response: Response
) -> KeyMadePublic:
    """The answer is the only place where it can be read."""
    lifetime = None if body.lifetime_days is None else timedelta(days=body.lifetime_days)
    made = await running.pool.run(
        keys.create_key,
        running.parts.database,
        body.name,
        body.scopes,
        body.collections,
        lifetime,
        running.parts.caller,
    )
    response.headers["Location"] = f"/keys/{made.view.key_id}"
    return _made(made)


@router.post(
    "/keys/{key_id}/rotate",
    status_code=201,
    summary="Replace a key",
    openapi_extra=documented(KeyRotate, multipart=False, example={"grace_hours": 24}),
    responses=problems(*_STORE, *_BODY, errors.KeyNotFound, errors.KeyRevoked),
)
async def rotate_key(
    key_id: KeyId, running: RunningNow, body: Annotated[KeyRotate, Depends(json_only(KeyRotate))]
) -> KeyMadePublic:
    """Another key for the same; the old one ends at once, or after `grace_hours`."""
    grace = timedelta(hours=body.grace_hours)
    parts = running.parts
    return _made(await running.pool.run(keys.rotate_key, parts.database, key_id, grace, parts.caller))


@router.delete("/keys/{key_id}", summary="Revoke a key", responses=problems(*_STORE, errors.KeyNotFound))
async def revoke_key(key_id: KeyId, running: RunningNow) -> KeyPublic:
    """Refused from the next request on. It stays in the list."""
    parts = running.parts
    return KeyPublic.model_validate(await running.pool.run(keys.revoke_key, parts.database, key_id, parts.caller))


def _made(made: keys.MadeKey) -> KeyMadePublic:
    return KeyMadePublic(**KeyPublic.model_validate(made.view).model_dump(), key=made.key)
