"""The live board, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app import errors
from app.api.access import InCollection
from app.api.board_schemas import EventPublic
from app.api.dependencies import RunningNow
from app.api.problems import problems
from app.service import board
from app.service.parts import Parts

router = APIRouter(tags=["visits"])

LOOK_SECONDS: Final = 1.0
LIFE_SECONDS: Final = 300.0
"""Then the stream ends and the board comes back with ``Last-Event-ID``: so a revoked key sees no more than this."""


class Seats:
    """How many boards may listen at once, in this process. Used from one event loop."""

    def __init__(self, most: int) -> None:
        self._free = most

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Raises ``Overloaded``."""
        if self._free == 0:
            raise errors.Overloaded("As many boards listen as may listen", retry_after=1)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


Number = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=2**62, description="Go on after this event.")]


async def _start(
    running: RunningNow,
    collection: InCollection,
    last: Number = None,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="The same, for the first connection.")] = None,
) -> int:
    """The event after which the stream begins. Asked before the first byte: a refusal is still a problem then."""
    newest = await run_in_threadpool(board.last_number, running.parts, collection)
    wanted = last if last is not None else after
    return newest if wanted is None else wanted


async def _seat(request: Request, _: Annotated[int, Depends(_start)]) -> AsyncIterator[None]:
    seats: Seats = request.app.state.seats
    async with seats.taken():
        yield


@router.get(
    "/board/events",
    summary="What happens at the door, live",
    response_class=EventSourceResponse,
    responses=problems(errors.CollectionNotFound, errors.StoreError, errors.Overloaded),
    dependencies=[Depends(_seat)],
)
async def stream_events(
    request: Request, running: RunningNow, collection: InCollection, start: Annotated[int, Depends(_start)]
) -> AsyncIterator[ServerSentEvent]:
    """First `ready`, whose id is where the stream begins: read `/visits?open=true` after it, and nothing is missed.
    Then every event as `EventPublic`, its kind as the event's name. The stream ends after some minutes; a browser
    comes back by itself with `Last-Event-ID`."""
    yield ServerSentEvent(event="ready", id=str(start), data={"collection": collection}, retry=2000)
    number, ends = start, time.monotonic() + LIFE_SECONDS
    while True:
        for one in await _next(running.parts, collection, number):
            number = one.number
            yield ServerSentEvent(event=one.type, id=str(number), data=EventPublic.model_validate(one))
        if time.monotonic() >= ends or request.app.state.leaving():
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _next(parts: Parts, collection: str, number: int) -> list[board.EventView]:
    try:
        return await run_in_threadpool(board.events_after, parts, collection, number)
    except errors.StoreError:
        return []  # the database is away for a moment; the board waits for it
    except errors.CollectionNotFound:
        return []  # deleted while the board looked on; the next connection is told so
