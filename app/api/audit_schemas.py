"""What the audit log answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.api.schemas import Public


class ActPublic(Public):
    """One thing done: ``who`` is a key's id, ``ids`` what it was done to. ``digest``: of the chain up to here."""

    number: int
    at: datetime
    who: str
    act: str
    collection: str | None
    ids: dict[str, Any]
    digest: str


class ActPagePublic(Public):
    acts: list[ActPublic]
    next_cursor: str | None


class VerdictPublic(Public):
    """``broken`` null: all ``acts`` hold, and the chain ends with ``digest``. Else the number of the first that does
    not, and why."""

    acts: int
    digest: str
    broken: int | None
    reason: str
