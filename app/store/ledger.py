"""What went for good, in a file beside the database: a backup from before must not bring it back.

A line a transaction: which rows of which table, and the receipt of an erasure. Numbers of rows are never used again
(``backup.GAP``), so that a line means the same for every backup of the database it names. It is written before the
commit, and taken back where that fails: a crash in between leaves a line too many, never one too few.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from app.errors import StoreError
from app.store.audit_models import Act
from app.store.database import LEDGER, UNDONE
from app.store.erasure_models import Receipt
from app.store.models import Base, now

NAME: Final = "gone.jsonl"
KEYS: Final = "api_keys"
TABLES: Final = ("collections", "subjects", "templates", "subject_codes", "webhooks", KEYS)
_BATCH: Final = 500
_RECEIPT: Final = Base.metadata.tables[Receipt.__tablename__]


@dataclass(frozen=True, slots=True)
class Line:
    """``chain``: the digest of the first act in the audit log, which names the database. ``rows``: row ids."""

    id: str
    chain: str
    at: str
    table: str
    rows: list[int]
    receipt: dict[str, Any] | None = None


@dataclass(slots=True)
class Ledger:
    """``torn``: lines that cannot be read; a crash leaves one, and what it was of was not done."""

    lines: dict[str, Line] = field(default_factory=dict)
    torn: int = 0

    def of(self, chain: str) -> list[Line]:
        """Those of this database."""
        return [line for line in self.lines.values() if line.chain == chain]


def note(session: Session, table: str, rows: Sequence[int], receipt: Receipt | None = None) -> None:
    """These rows are gone, or (keys) good for nothing, when the transaction is committed. Call it last, after
    the audit log was told. Raises ``StoreError`` where the file cannot be written: then nothing goes."""
    path: Path | None = session.info.get(LEDGER)
    chain = session.scalars(select(Act.digest).where(Act.number == 1)).one_or_none()
    if path is None or chain is None or not rows:
        return
    told = None if receipt is None else _plain(receipt)
    line = Line(str(uuid4()), chain, now().isoformat(), table, list(rows), told)
    _append(path, [asdict(line)])
    session.info[UNDONE].append(lambda: _append(path, [{"void": line.id}]))


def read(path: Path) -> Ledger:
    """What the file holds; nothing where there is none. Raises ``StoreError``."""
    found = Ledger()
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    for one in filter(None, text.splitlines()):
        try:
            told = json.loads(one)
            if "void" in told:
                found.lines.pop(told["void"], None)
                continue
            line = Line(**told)
            if line.table not in TABLES:
                raise ValueError(line.table)
            found.lines[line.id] = line
        except (ValueError, TypeError):
            found.torn += 1
    return found


def add(path: Path, lines: Iterable[Line]) -> None:
    """Take over lines of another file, those that are missing."""
    known = read(path).lines
    if fresh := [asdict(line) for line in lines if line.id not in known]:
        _append(path, fresh)


def apply(session: Session, lines: Sequence[Line]) -> dict[str, int]:
    """Take out of these rows what the lines say; keys are revoked. Answers how many rows of each table."""
    counts = dict.fromkeys(TABLES, 0)
    for line in lines:
        table = Base.metadata.tables[line.table]
        for start in range(0, len(line.rows), _BATCH):
            mine = table.c.id.in_(line.rows[start : start + _BATCH])
            counts[line.table] += len(session.execute(select(table.c.id).where(mine)).all())
            if line.table == KEYS:
                ended = mine & table.c.revoked_at.is_(None)
                session.execute(update(table).where(ended).values(revoked_at=datetime.fromisoformat(line.at)))
            else:
                session.execute(delete(table).where(mine))
        if line.receipt is not None:
            _put_back(session, line.receipt)
    return {table: number for table, number in counts.items() if number}


def _plain(receipt: Receipt) -> dict[str, Any]:
    names = [column.name for column in _RECEIPT.columns if column.name != "id"]
    values = {name: getattr(receipt, name) for name in names}
    return {**values, "erased_at": receipt.erased_at.astimezone(UTC).isoformat()}


def _put_back(session: Session, receipt: dict[str, Any]) -> None:
    if session.scalars(select(Receipt.id).where(Receipt.public_id == receipt["public_id"])).first() is None:
        values = {**receipt, "erased_at": datetime.fromisoformat(receipt["erased_at"])}
        session.execute(insert(_RECEIPT), [values])


def _append(path: Path, told: Sequence[dict[str, Any]]) -> None:
    # A line begins with a line break too, so that one torn by a crash does not take the next with it.
    text = "".join("\n" + json.dumps(one, separators=(",", ":")) + "\n" for one in told)
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(number, "ab", buffering=0) as file:
            if file.write(text.encode()) != len(text.encode()):
                raise OSError(28, "No space left on device")
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{path.name} cannot be written: {error.strerror}") from error
