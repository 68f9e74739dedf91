"""The live board: events of one collection behind a number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from app.service.outbox import Kind
from app.service.parts import Parts
from app.store import queries
from app.store.outbox_models import Event

MOST: Final = 200
"""Events answered at once."""


@dataclass(frozen=True, slots=True)
class EventView:
    """``number`` is what a board goes on from; ``event_id`` is what webhooks call the event."""

    number: int
    event_id: str
    type: Kind
    created_at: datetime
    data: dict[str, Any]


def last_number(parts: Parts, collection: str) -> int:
    """Of the newest event, 0 without one. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        owner = queries.collection_named(session, collection)
        return session.scalar(select(func.max(Event.id)).where(Event.collection_id == owner.id)) or 0


def events_after(parts: Parts, collection: str, number: int) -> list[EventView]:
    """The next ``MOST``, oldest first. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        owner = queries.collection_named(session, collection)
        query = select(Event).where(Event.collection_id == owner.id, Event.id > number)
        found = session.scalars(query.order_by(Event.id).limit(MOST))
        return [
            EventView(row.id, row.public_id, row.kind, row.created_at, row.data)  # type: ignore[arg-type]
            for row in found
        ]
