"""Who is told of a collection's events: set by an administrator, never by what a request carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from app.errors import TooManyWebhooks, WebhookNotFound
from app.service.outbox import Kind
from app.service.parts import Parts
from app.service.signing import new_secret
from app.service.targets import resolve
from app.store import audit, ledger, queries
from app.store.ids import uuid7
from app.store.models import now
from app.store.outbox_models import Delivery, Event, Webhook

MOST = 20
"""Webhooks of one collection."""
State = Literal["pending", "delivered", "dead"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class WebhookView:
    """``secret`` is there only where it was made just now. ``kinds`` empty: of all events."""

    webhook_id: str
    url: str
    kinds: list[Kind]
    enabled: bool
    pending: int
    dead: int
    created_at: datetime
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    event_id: str
    type: str
    state: State
    attempts: int
    status: int | None
    reason: str | None
    due_at: datetime
    created_at: datetime
    row: int


def add_webhook(parts: Parts, collection: str, url: str, kinds: Sequence[Kind]) -> WebhookView:
    """Raises ``CollectionNotFound``, ``TargetRefused``, ``TooManyWebhooks``."""
    resolve(url, parts.settings.webhook_private_targets)
    with parts.database.writing() as session:
        owner = queries.collection_named(session, collection, lock=True)
        held = session.scalar(select(func.count()).select_from(Webhook).where(Webhook.collection_id == owner.id)) or 0
        if held >= MOST:
            raise TooManyWebhooks(limit=MOST)
        row = Webhook(
            public_id=str(uuid7()),
            collection_id=owner.id,
            url=url,
            secret=new_secret(),
            kinds=list(kinds),
            enabled=True,
            created_at=now(),
        )
        session.add(row)
        session.flush()
        audit.record(session, parts.caller.key_id, "webhook.created", collection, webhook=row.public_id)
        return _view(session, row, row.secret)


def list_webhooks(parts: Parts, collection: str) -> list[WebhookView]:
    """Oldest first. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        owner = queries.collection_named(session, collection)
        rows = session.scalars(select(Webhook).where(Webhook.collection_id == owner.id).order_by(Webhook.id))
        return [_view(session, row) for row in rows]


def change_webhook(parts: Parts, collection: str, webhook_id: str, changes: dict[str, Any]) -> WebhookView:
    """``changes`` may hold ``url``, ``kinds``, ``enabled`` and ``rotate_secret`` (true).

    Raises ``CollectionNotFound``, ``WebhookNotFound``, ``TargetRefused``.
    """
    if "url" in changes:
        resolve(changes["url"], parts.settings.webhook_private_targets)
    with parts.database.writing() as session:
        row = _webhook(session, collection, webhook_id)
        row.url = changes.get("url", row.url)
        row.kinds = changes.get("kinds", row.kinds)
        row.enabled = changes.get("enabled", row.enabled)
        fresh = new_secret() if changes.get("rotate_secret") else None
        row.secret = fresh or row.secret
        session.flush()
        ids = {"webhook": webhook_id, "changed": sorted(changes)}
        audit.record(session, parts.caller.key_id, "webhook.changed", collection, **ids)
        return _view(session, row, fresh)


def delete_webhook(parts: Parts, collection: str, webhook_id: str) -> None:
    """With what was not delivered yet. Raises ``CollectionNotFound``, ``WebhookNotFound``."""
    with parts.database.writing() as session:
        row = _webhook(session, collection, webhook_id)
        session.delete(row)
        audit.record(session, parts.caller.key_id, "webhook.deleted", collection, webhook=webhook_id)
        ledger.note(session, "webhooks", [row.id])


def list_deliveries(
    parts: Parts, collection: str, webhook_id: str, state: State | None, before: int | None, limit: int
) -> list[DeliveryView]:
    """The next ``limit``, newest first, older than row ``before``. Raises ``WebhookNotFound``."""
    with parts.database.reading() as session:
        row = _webhook(session, collection, webhook_id)
        query = select(Delivery).options(joinedload(Delivery.event)).where(Delivery.webhook_id == row.id)
        if state is not None:
            query = query.where(Delivery.state == state)
        if before is not None:
            query = query.where(Delivery.id < before)
        found = session.scalars(query.order_by(Delivery.id.desc()).limit(limit))
        return [
            DeliveryView(
                one.event.public_id,
                one.event.kind,
                one.state,  # type: ignore[arg-type]
                one.attempts,
                one.status,
                one.reason,
                one.due_at,
                one.event.created_at,
                one.id,
            )
            for one in found
        ]


def send_again(parts: Parts, collection: str, webhook_id: str, events: Sequence[str] | None) -> int:
    """Dead deliveries (of these events, or all) begin anew. Answers how many. Raises ``WebhookNotFound``."""
    with parts.database.writing() as session:
        row = _webhook(session, collection, webhook_id)
        dead = (Delivery.webhook_id == row.id) & (Delivery.state == "dead")
        if events is not None:
            dead = dead & Delivery.event_id.in_(select(Event.id).where(Event.public_id.in_(list(events))))
        fresh = {"state": "pending", "attempts": 0, "due_at": now(), "updated_at": now()}
        ids = list(session.scalars(select(Delivery.id).where(dead)))
        session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(fresh))
        ids_told = {"webhook": webhook_id, "events": len(ids)}
        audit.record(session, parts.caller.key_id, "webhook.resent", collection, **ids_told)
        return len(ids)


def _webhook(session: Session, collection: str, public_id: str) -> Webhook:
    owner = queries.collection_named(session, collection)
    query = select(Webhook).where(Webhook.collection_id == owner.id, Webhook.public_id == public_id)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise WebhookNotFound(f"There is no webhook {public_id!r}", webhook_id=public_id)
    return row


def _view(session: Session, row: Webhook, secret: str | None = None) -> WebhookView:
    query = select(Delivery.state, func.count()).where(Delivery.webhook_id == row.id).group_by(Delivery.state)
    counts = {one[0]: one[1] for one in session.execute(query)}
    return WebhookView(
        row.public_id,
        row.url,
        row.kinds,  # type: ignore[arg-type]
        row.enabled,
        counts.get("pending", 0),
        counts.get("dead", 0),
        row.created_at,
        secret,
    )
