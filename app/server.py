"""How uvicorn is set up: TLS, proxies, and patience with clients that have ends."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.settings import Settings

HEADER_BYTES: Final = 16 * 2**10
"""Request line and headers together; more is answered 400 and hung up on."""
HEADER_SECONDS: Final = 15.0
"""In which they have to arrive whole."""
CONNECTIONS: Final = 2000
"""Open at once; more are answered 503."""


class PatientProtocol(H11Protocol):
    """Hangs up on a client that opens a connection and does not get its headers out: uvicorn waits for ever."""

    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Idle: what came is at most a part of a request's head.
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._overdue is None:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._overdue = self.loop.call_later(HEADER_SECONDS, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def configured(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """A server of ``app`` as the settings ask."""
    tls: dict[str, Any] = {}
    if settings.tls_cert is not None:
        tls = {"ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key}
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=PatientProtocol,
        ws="none",
        h11_max_incomplete_event_size=HEADER_BYTES,
        limit_concurrency=CONNECTIONS,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
        **tls,
    )
