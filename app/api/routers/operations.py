"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import errors
from app.api.dependencies import MetricsNow, RunningNow
from app.api.problems import problems
from app.api.schemas import HealthPublic, ReadyPublic

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


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)
async def metrics(metrics: MetricsNow) -> Response:
    """No label holds an id."""
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
