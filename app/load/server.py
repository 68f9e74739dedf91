"""The real service in a process of its own, as `frontalis serve` sets it up, for whoever measures it."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import uvicorn

from app.api import logs
from app.errors import ConfigurationError
from app.main import create_app
from app.server import configured
from app.settings import Settings

_UNLIMITED: Final = {"rate_limit": 1_000_000, "address_rate_limit": 1_000_000}
"""What is refused for being too much is no measurement."""
_ALONE: Final = {
    "host": "127.0.0.1",
    "port": 0,
    "database_url": "",
    "api_key": None,
    "tls_cert": None,
    "tls_key": None,
    "log_level": "error",
}


@dataclass(frozen=True, slots=True)
class Served:
    """``process`` is its id."""

    address: str
    process: int


def apart(given: Settings, data: Path) -> Settings:
    """The operator's model, threads and limits, with a database of its own in ``data`` and no door to pass."""
    weights = given.data_dir.absolute() / "weights"
    if weights.is_dir():
        (data / "weights").symlink_to(weights, target_is_directory=True)
    return given.model_copy(update={"data_dir": data, **_ALONE, **_UNLIMITED})


@contextmanager
def served(settings: Settings, core: int | None = None) -> Iterator[Served]:
    """Ready for requests, on a free port of this machine; ``core``: with all its threads on this processor alone.

    Raises ``ConfigurationError`` where it does not start.
    """
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(settings, theirs), name="frontalis-served", daemon=True)
    with _kept_to(core):
        process.start()
    theirs.close()
    try:
        try:
            port = ours.recv()
        except EOFError:
            raise ConfigurationError("The service did not start") from None
        assert process.pid is not None  # it has started
        yield Served(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.join()


class _Telling(uvicorn.Server):
    """Tells the port once requests are answered."""

    def __init__(self, config: uvicorn.Config, tell: Connection) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell.send(self.servers[0].sockets[0].getsockname()[1])


def _serve(settings: Settings, tell: Any) -> None:
    """Until asked to stop, or until whoever measures is gone, however they went."""
    logs.configure(settings.log_level)
    app = create_app(settings)
    server = _Telling(configured(settings, app), tell)
    app.state.leaving = lambda: server.should_exit

    def outlive_nobody() -> None:
        with suppress(EOFError, OSError):
            tell.recv()
        server.should_exit = True

    threading.Thread(target=outlive_nobody, daemon=True).start()
    server.run()


@contextmanager
def _kept_to(core: int | None) -> Iterator[None]:
    """What this thread starts meanwhile stays on one processor. Systems that cannot raise ``ConfigurationError``."""
    if core is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigurationError("This system cannot keep a process to one processor")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
