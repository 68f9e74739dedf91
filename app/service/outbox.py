"""What happened, for those who want to be told: written in the transaction of what it reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.ids import uuid7
from app.store.models import now
from app.store.outbox_models import Delivery, Event, Webhook

Kind = Literal[
    "visit.checked_in",
    "visit.checked_out",
    "visit.review",
    "visit.corrected",
    "subject.registered",
    "subject.merged",
    "subject.erased",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


def report(
    session: Session,
    collection: int,
    kind: Kind,
    data: dict[str, Any],
    subject: int | None = None,
    visit: int | None = None,
) -> None:
    """The caller holds the lock of the collection (row id). ``data`` is JSON; no vector, no picture is in it."""
    event = Event(
        public_id=str(uuid7()),
        collection_id=collection,
        subject_id=subject,
        visit_id=visit,
        kind=kind,
        data=data,
        created_at=now(),
    )
    session.add(event)
    session.flush()
    for webhook in session.scalars(select(Webhook).where(Webhook.collection_id == collection, Webhook.enabled)):
        if not webhook.kinds or kind in webhook.kinds:
            session.add(Delivery(webhook_id=webhook.id, event_id=event.id, state="pending", due_at=event.created_at))


def plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601 text."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value
