"""What happened, written with it in one transaction; and who is told, with how far that got."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.store.models import Base, Collection, RowId, Utc, now
from app.store.vectors import Secret


class Event(Base):
    """Something that happened in a collection. Its numbers are committed in order, because whoever writes one
    holds the collection's lock. It goes with the subject or the visit that it tells of."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "collection_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(36), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("visits.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now, index=True)
    collection: Mapped[Collection] = relationship()


class Webhook(Base):
    """Somebody who is told. ``kinds``: of which events; empty: of all. ``secret`` signs what is sent."""

    __tablename__ = "webhooks"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(36), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str] = mapped_column("signing_secret", Secret("webhooks.signing_secret"), nullable=True)
    kinds: Mapped[list[str]] = mapped_column(JSON)
    enabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class Delivery(Base):
    """One event for one webhook. ``state``: pending, delivered, dead. ``due_at``: not tried again before.

    ``attempts`` counts those begun; ``status`` is the last HTTP status, ``reason`` why the last one failed.
    """

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "state", "due_at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(Utc, default=now)
    status: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(64))
    updated_at: Mapped[datetime] = mapped_column(Utc, default=now, onupdate=now)
    event: Mapped[Event] = relationship()
    webhook: Mapped[Webhook] = relationship()
