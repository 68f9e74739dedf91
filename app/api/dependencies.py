"""What handlers are given."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.api.metrics import Metrics
from app.api.pool import Pool
from app.errors import ForeignOrigin, Unauthorized
from app.service.parts import Parts
from app.settings import Settings, is_loopback


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """What lives from start to stop of the server."""

    parts: Parts
    pool: Pool
    secret: bytes


_bearer = HTTPBearer(auto_error=False, description="The key of FRONTALIS_API_KEY.")
_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key, for those who cannot send Bearer."
)


def _running(request: Request) -> Running:
    running: Running = request.app.state.running
    return running


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _request_id(request: Request) -> str:
    return str(request.state.request_id)


RunningNow = Annotated[Running, Depends(_running)]
MetricsNow = Annotated[Metrics, Depends(_metrics)]
RequestId = Annotated[str, Depends(_request_id)]


def require_key(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> None:
    """Raises ``Unauthorized``; without a key in the settings, ``ForeignOrigin`` for other people's pages."""
    settings: Settings = request.app.state.settings
    if settings.api_key is None:
        _require_this_machine(request)
        return
    given = bearer.credentials if bearer else header or ""
    if not hmac.compare_digest(given.encode(), settings.api_key.get_secret_value().encode()):
        raise Unauthorized


def _require_this_machine(request: Request) -> None:
    # Listening on loopback keeps other machines out, not web pages that the browser here has open: they may
    # post to us across origins, or point a name of theirs at 127.0.0.1.
    hosts = [urlsplit(f"//{request.headers.get('host', '')}").hostname, *_origins(request)]
    if any(host is None or not is_loopback(host) for host in hosts):
        raise ForeignOrigin("Without FRONTALIS_API_KEY only http://127.0.0.1 and http://localhost are served")


def _origins(request: Request) -> list[str | None]:
    origin = request.headers.get("origin")
    return [] if origin is None else [urlsplit(origin).hostname]
