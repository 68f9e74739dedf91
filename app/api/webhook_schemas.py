"""Webhooks over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from annotated_types import Len
from pydantic import Field, StringConstraints

from app.api.schemas import Create, Id, Public
from app.service.outbox import Kind
from app.service.webhooks import State

Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Kinds = Annotated[list[Kind], Len(0, 20)]
EventId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class WebhookCreate(Create):
    url: Url = Field(description="https, on the public net.")
    kinds: Kinds = Field(default=[], description="Of which events; empty: of all.")
    collection: Id = "default"


class WebhookUpdate(Create):
    """What is left out stays."""

    url: Url = ""
    kinds: Kinds = Field(default=[])
    enabled: bool = True
    rotate_secret: Literal[True] = Field(default=True, description="A new secret, shown in the answer.")


class WebhookPublic(Public):
    """``secret`` is shown where it was made just now, else null. ``pending`` and ``dead``: deliveries."""

    webhook_id: str
    url: str
    kinds: list[Kind]
    enabled: bool
    pending: int
    dead: int
    created_at: datetime
    secret: str | None


class WebhookListPublic(Public):
    webhooks: list[WebhookPublic]


class DeliveryPublic(Public):
    """``status`` is the last HTTP status, ``reason`` why the last attempt failed; tried again at ``due_at``."""

    event_id: str
    type: Kind
    state: State
    attempts: int
    status: int | None
    reason: str | None
    due_at: datetime
    created_at: datetime


class DeliveryPagePublic(Public):
    """Newest first. ``next_cursor`` is null on the last page."""

    deliveries: list[DeliveryPublic]
    next_cursor: str | None


class ResendCreate(Create):
    event_ids: Annotated[list[EventId], Len(1, 500)] | None = Field(
        default=None, description="Dead deliveries of these events; without: all dead ones."
    )


class ResentPublic(Public):
    resent: int
