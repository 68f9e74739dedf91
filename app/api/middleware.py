"""Around every request: an id, a bound on the body, headers, one line in the log, the counters."""

from __future__ import annotations

import asyncio
import time
import traceback
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.limiter import Limits, client_of
from app.api.metrics import Metrics
from app.api.problems import problem
from app.errors import BodyTooLarge, FrontalisError, RateLimited, TooSlow
from app.store.ids import uuid7

BODY_SECONDS: Final = 30.0
BODY_RATE: Final = 64 * 2**10
"""Bytes a second that a client must manage after that."""

_PAGE: Final = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OVER_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}


class Edge:
    """Outermost of ours. Nothing that a request carries reaches the log: route, status, code and id only."""

    def __init__(self, app: ASGIApp, metrics: Metrics, limits: Limits, max_body_bytes: int) -> None:
        self._app, self._metrics, self._limits, self._max_body = app, metrics, limits, max_body_bytes
        self._log = structlog.get_logger("frontalis.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status = str(uuid7()), time.perf_counter(), 0
        scope.setdefault("state", {})["request_id"] = request_id

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Content-Security-Policy"] = _PAGE
                for name, value in (_HEADERS | (_OVER_TLS if scope["scheme"] == "https" else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._limits.knock(client_of(scope))
            _require_small(Headers(scope=scope), self._max_body)
            await self._app(scope, _bounded(receive, self._max_body), sending)
        except (RateLimited, BodyTooLarge, TooSlow) as refusal:
            await problem(request_id, refusal)(scope, receive, sending)
        except Exception as error:
            # The text of a foreign exception may hold anything: its type and place must do.
            frames = traceback.extract_tb(error.__traceback__)
            places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-6:]]
            self._log.error("failed", request_id=request_id, error=type(error).__name__, where=places)
            if status:
                raise
            await problem(request_id, FrontalisError())(scope, receive, sending)
        finally:
            self._count(Request(scope), request_id, status, time.perf_counter() - started)

    def _count(self, request: Request, request_id: str, status: int, seconds: float) -> None:
        route = getattr(request.scope.get("route"), "path", "none")
        self._metrics.requests.labels(request.method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        self._log.info(
            "request",
            request_id=request_id,
            method=request.method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
        )


def _require_small(headers: Headers, limit: int) -> None:
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _refusal(limit)


def _bounded(receive: Receive, limit: int) -> Receive:
    """Counts what arrives: a body without a length, or with a false one, ends at the limit too.

    And one that trickles ends when its time is up: ``BODY_SECONDS``, and one more for each ``BODY_RATE`` bytes.
    """
    seen, whole, started = 0, False, time.monotonic()

    async def receiving() -> Message:
        nonlocal seen, whole
        if whole:  # what comes after the body is the client's going away, for which a stream may wait all day
            return await receive()
        try:
            left = started + BODY_SECONDS + seen / BODY_RATE - time.monotonic()
            message = await asyncio.wait_for(receive(), max(0.0, left))
        except TimeoutError:
            raise TooSlow from None
        seen += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if seen > limit:
            raise _refusal(limit)
        return message

    return receiving


def _refusal(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {limit} bytes", limit=limit)
