"""The audit log, to be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.store import audit
from app.store.database import Database


@dataclass(frozen=True, slots=True)
class ActView:
    """One thing done: ``who`` is a key's id, ``ids`` what it was done to, ``digest`` the chain's up to here."""

    number: int
    at: datetime
    who: str
    act: str
    collection: str | None
    ids: dict[str, Any]
    digest: str


def list_acts(
    database: Database, before: int | None, limit: int, act: str | None = None, collection: str | None = None
) -> list[ActView]:
    """The next ``limit`` acts, newest first, below number ``before``. Raises ``StoreError``."""
    with database.reading() as session:
        return [
            ActView(row.number, row.at, row.who, row.act, row.collection, row.ids, row.digest)
            for row in audit.acts_before(session, before, limit, act, collection)
        ]


def verify_acts(database: Database, expected: str | None = None) -> audit.Verdict:
    """Whether no act was altered, removed or inserted (``audit.verify``). Raises ``StoreError``."""
    with database.reading() as session:
        return audit.verify(session, expected)
