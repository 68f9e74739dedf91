"""Bring every vector, kept picture and secret of a webhook under the present key: after the first was made, after
another took its place.

Each batch is one transaction, and rows that are done are known by their envelope: interrupted, it goes on where it
stopped. The service may run meanwhile, if it has both keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, LargeBinary, Table, bindparam, func, or_, select, text, type_coerce, update
from sqlalchemy.orm import Session

from app.errors import ConfigurationError
from app.seal import Keyring, sealed_under
from app.service.callers import SYSTEM
from app.store import audit
from app.store.database import Database
from app.store.models import Base
from app.store.vectors import SealedFile, Secret, Vector, keyring_of, owned_by

BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Sealed:
    """``vectors``, with secrets and pictures; ``behind``: those that are plain, or under another key than the active
    one."""

    vectors: int
    behind: int


def count_sealed(database: Database) -> Sealed:
    """How many vectors there are, and how many are not under the active key. Raises ``ConfigurationError``."""
    vectors = behind = 0
    for _, envelopes in _everything(database, BATCH):
        for _, found in envelopes:
            held = [one for one in found if one is not None]
            vectors += len(held)
            behind += sum(sealed_under(one) != _ring(database).active for one in held)
    return Sealed(vectors, behind)


def rotate_seals(database: Database, progress: Callable[[int], object] = lambda done: None) -> int:
    """Seal everything that is not under the active key. Answers how many rows changed.

    Raises ``ConfigurationError`` without a key, ``SealKeyMissing`` and ``SealBroken`` for what cannot be opened.
    """
    ring, changed, seen = _ring(database), 0, 0
    for table in _tables():
        last = 0
        while True:
            with database.writing() as session:
                found = _rows_after(session, table, last, BATCH)
                behind = [row for row in found if _is_behind(row[1], ring)]
                if behind:
                    _seal(session, table, [number for number, _ in behind])
                    audit.record(
                        session, SYSTEM.key_id, "rows.sealed", table=table.name, rows=len(behind), key=ring.ids[0]
                    )
            if not found:
                break
            last, seen, changed = found[-1][0], seen + len(found), changed + len(behind)
            progress(seen)
    if database.is_sqlite and changed:
        # What was plain must not outlive this in the journal; freed pages are overwritten anyway (secure_delete).
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return changed


def _seal(session: Session, table: Table, numbers: list[int]) -> None:
    columns = _sealed_columns(table)
    owners = [table.c[name] for name in ("collection_id", "subject_id") if name in table.c]
    rows = session.execute(select(table.c.id, *owners, *columns).where(table.c.id.in_(numbers)).with_for_update())
    values = []
    for number, *told in rows:
        whose, held = told[: len(owners)], told[len(owners) :]
        # Opened by the column's type, or plain; an owner that it was sealed for is not forgotten.
        fresh = [owned_by(one, *whose) if type(one) is bytes else one for one in held]
        values.append({"row": number, **{f"new_{c.name}": one for c, one in zip(columns, fresh, strict=True)}})
    statement = update(table).where(table.c.id == bindparam("row"))
    session.connection().execute(statement.values({c.name: bindparam(f"new_{c.name}") for c in columns}), values)


def _everything(database: Database, batch: int) -> Iterator[tuple[Table, list[tuple[int, list[bytes | None]]]]]:
    _ring(database)
    for table in _tables():
        last = 0
        while True:
            with database.reading() as session:
                found = _rows_after(session, table, last, batch)
            if not found:
                break
            last = found[-1][0]
            yield table, found


def _rows_after(session: Session, table: Table, last: int, batch: int) -> list[tuple[int, list[bytes | None]]]:
    """The next rows: their numbers, and the first bytes of their vectors as they lie there."""
    columns = _sealed_columns(table)
    heads = [type_coerce(func.substr(column, 1, 64), LargeBinary) for column in columns]
    there = or_(*(column.is_not(None) for column in columns))
    query = select(table.c.id, *heads).where(table.c.id > last, there).order_by(table.c.id).limit(batch)
    return [(row[0], list(row[1:])) for row in session.execute(query)]


def _is_behind(found: list[bytes | None], ring: Keyring) -> bool:
    return any(one is not None and sealed_under(one) != ring.active for one in found)


def _tables() -> list[Table]:
    return [table for table in Base.metadata.sorted_tables if _sealed_columns(table)]


def _sealed_columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if isinstance(column.type, Vector | Secret | SealedFile)]


def _ring(database: Database) -> Keyring:
    ring = keyring_of(database.engine.dialect)
    if ring is None:
        raise ConfigurationError("There is no key to seal with: `frontalis seal key` makes one, FRONTALIS_SEAL_KEY")
    return ring
