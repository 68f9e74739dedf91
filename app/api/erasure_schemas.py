"""Receipts over the wire."""

from __future__ import annotations

from datetime import datetime

from app.api.schemas import Public
from app.service.erasure import Reason


class ReceiptPublic(Public):
    """``counts``: rows that went, by kind. It names nobody."""

    receipt_id: str
    collection: str
    reason: Reason
    counts: dict[str, int]
    erased_at: datetime
