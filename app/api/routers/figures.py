"""What holds at the present size of a collection."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app import errors
from app.api.access import CallerNow
from app.api.dependencies import RunningNow
from app.api.problems import problems
from app.api.schemas import Id, Rate, ThresholdPublic
from app.service import thresholds

router = APIRouter(tags=["collections"])


@router.get(
    "/collections/{name}/threshold",
    summary="The threshold at the present size",
    responses=problems(errors.CollectionNotFound, errors.StoreError, errors.Overloaded),
)
async def show_threshold(
    name: Annotated[Id, Path()],
    running: RunningNow,
    caller: CallerNow,
    fpir: Annotated[Rate | None, Query(description="Wanted false-positive identification rate; else that set.")] = None,
) -> ThresholdPublic:
    """What identify would hold scores against now."""
    caller.require_collection(name)
    found = await running.pool.run(thresholds.limit_now, running.parts, name, fpir)
    return ThresholdPublic.model_validate(found)
