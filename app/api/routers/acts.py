"""The audit log."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query

from app import errors
from app.api import cursors
from app.api.audit_schemas import ActPagePublic, ActPublic, VerdictPublic
from app.api.dependencies import RunningNow
from app.api.problems import problems
from app.api.schemas import Id
from app.service import acts

router = APIRouter(tags=["audit"])

_SCOPE: Final = "audit"


@router.get(
    "/audit",
    summary="Who did what",
    responses=problems(errors.StoreError, errors.Overloaded, errors.BadCursor),
)
async def list_acts(
    running: RunningNow,
    act: Annotated[
        str | None,
        Query(
            pattern=r"^[a-z_]{1,32}(\.[a-z_]{1,31})?$",
            description="Of one kind only (`subject.erased`), or one group (`subject`).",
        ),
    ] = None,
    collection: Annotated[Id | None, Query(description="Of one collection only.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> ActPagePublic:
    """The latest first: ids, times and keys, never a name, a picture or a vector."""
    before = int(cursors.read(running.secret, _SCOPE, cursor)) if cursor else None
    found = await running.pool.run(acts.list_acts, running.parts.database, before, limit + 1, act, collection)
    page = found[:limit]
    return ActPagePublic(
        acts=[ActPublic.model_validate(one) for one in page],
        next_cursor=cursors.sign(running.secret, _SCOPE, str(page[-1].number)) if len(found) > limit else None,
    )


@router.get("/audit/verify", summary="Is the audit log whole", responses=problems(errors.StoreError, errors.Overloaded))
async def verify_acts(
    running: RunningNow,
    expect: Annotated[
        str | None, Query(pattern="^[0-9a-f]{64}$", description="A digest of this log that you wrote down elsewhere.")
    ] = None,
) -> VerdictPublic:
    """Reads all of it. Who owns the database can write another log from any point on: write the digest down where
    nobody here can write, and ask with it the next time."""
    found = await running.pool.run(acts.verify_acts, running.parts.database, running.parts.settings.data_dir, expect)
    return VerdictPublic.model_validate(found)
