"""Threads for what blocks: the engine, the gallery, SQL. Bounded, and so is the queue before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from app.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """Runs at most ``threads`` calls at once and lets ``waiting`` more wait. Used from one event loop."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="frontalis")
        self._room = threads + waiting

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of ``call`` from one of the threads. Raises ``Overloaded`` at once when the queue is full."""
        if self._room == 0:
            raise Overloaded(retry_after=1)
        future = self._executor.submit(call, *args, **kwargs)
        self._room -= 1
        # Not in a finally here: a client that went away does not stop the thread.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        return await asyncio.wrap_future(future)

    def _leave(self) -> None:
        self._room += 1

    def close(self) -> None:
        """Wait for what runs; what still waits is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)
