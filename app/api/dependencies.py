"""What handlers are given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request

from app.api.access import caller_of
from app.api.metrics import Metrics
from app.api.pool import Pool
from app.service.parts import Parts


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """What lives from start to stop of the server."""

    parts: Parts
    pool: Pool
    secret: bytes


def _running(request: Request) -> Running:
    running: Running = request.app.state.running
    caller = caller_of(request)
    return running if caller is None else replace(running, parts=replace(running.parts, caller=caller))


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _request_id(request: Request) -> str:
    return str(request.state.request_id)


RunningNow = Annotated[Running, Depends(_running)]
MetricsNow = Annotated[Metrics, Depends(_metrics)]
RequestId = Annotated[str, Depends(_request_id)]
