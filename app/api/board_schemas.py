"""Events over the wire, the same to boards and webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.api.schemas import Public
from app.service.outbox import Kind


class EventPublic(Public):
    """``data`` is the visit as `GET /visits/{visit_id}` shows it, or names the subject."""

    event_id: str
    type: Kind
    created_at: datetime
    data: dict[str, Any]
