"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import errors
from app.api.dependencies import MetricsNow, RunningNow
from app.api.health_schemas import HealthFiguresPublic, health_figures
from app.api.problems import problems
from app.api.schemas import HealthPublic, ReadyPublic
from app.service.health import health as measured
from app.service.machine import facts

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="The process answers")
async def health() -> HealthPublic:
    """Always 200 while the process lives."""
    return HealthPublic()


@router.get("/readyz", summary="Requests will be served", responses=problems(errors.GalleryError, errors.StoreError))
async def ready(running: RunningNow) -> ReadyPublic:
    """503 while the index is rebuilt or the database does not answer."""
    running.parts.index.require_ready()
    await running.pool.run(running.parts.database.ping)
    engine = running.parts.engine
    return ReadyPublic(model_id=engine.model_id, attributes=sorted(engine.attributes))


@router.get("/health", summary="How it is doing", responses=problems(errors.Overloaded))
async def show_health(running: RunningNow, metrics: MetricsNow) -> HealthFiguresPublic:
    """What an operator should know, and what needs a look: figures, no names but those of keys. 200 also where the
    database does not answer and the key is the one of the settings: `concerns` says so."""
    found = await running.pool.run(measured, running.parts)
    machine = facts(running.parts.settings)
    return health_figures(running.parts, found, version("frontalis"), machine, metrics.answered())


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)
async def metrics(metrics: MetricsNow) -> Response:
    """No label holds an id."""
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
