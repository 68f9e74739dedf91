"""The audit log, to be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from app.store import audit
from app.store.database import Database
from app.store.models import now
from app.store.secret import write_whole

log = structlog.get_logger("frontalis.audit")

NOTE: Final = "audit-checked.json"
"""In the data folder, beside the database and not in it."""


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


@dataclass(frozen=True, slots=True)
class Checked:
    """When the log was last held against itself: so many ``acts`` held; ``broken`` None, or the first that did not."""

    at: datetime
    acts: int
    broken: int | None


def verify_acts(database: Database, folder: Path, expected: str | None = None) -> audit.Verdict:
    """Whether no act was altered, removed or inserted (``audit.verify``); ``folder`` is told. Raises ``StoreError``."""
    with database.reading() as session:
        found = audit.verify(session, expected)
    told = {"at": now().isoformat(), "acts": found.acts, "broken": found.broken}
    try:
        write_whole(folder / NOTE, json.dumps(told).encode())
    except OSError as error:  # the verdict matters more than the note of it
        log.warning("the check of the audit log was not noted", error=type(error).__name__)
    return found


def last_check(folder: Path) -> Checked | None:
    """What ``verify_acts`` noted last; None where it never did, or the note cannot be read."""
    try:
        told = json.loads((folder / NOTE).read_text("utf-8"))
        return Checked(datetime.fromisoformat(told["at"]), int(told["acts"]), told["broken"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
