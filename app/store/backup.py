"""The file of a backup: every row of every table as it was at one moment, whatever the database.

Lines of JSON: a header; for each table, owners before what they own, one that names its columns, then a row a line;
at last the SHA-256 of all before it. What is sealed stays sealed: neither writing nor reading needs a key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
    delete,
    insert,
    inspect,
    select,
    text,
    type_coerce,
)
from sqlalchemy.orm import Session

from app.errors import BadArchive, StoreError
from app.store.models import Base, Utc

FORMAT: Final = 1
GAP: Final = 1 << 20
"""Numbers of rows left out after a restore: those given after the backup, and gone since, are not given again."""
_BATCH: Final = 1000
_FOREVER: Final = "audit"
"""Nothing is ever deleted there, and the database sees to it."""

Kind = Literal["plain", "bytes", "time"]
Progress = Callable[[int], object]
"""Told the number of rows done so far."""


@dataclass(frozen=True, slots=True)
class Header:
    """``revision`` of the tables; ``chain``: the audit log's first digest, ``acts`` its length; ``secret``: that of
    the data folder, base64, without which codes and receipts could not be checked any more."""

    frontalis_backup: int
    revision: str
    chain: str
    acts: int
    made_at: str
    secret: str


def write(session: Session, path: Path, header: Header, progress: Progress) -> int:
    """All rows that ``session`` sees, which must be one state. Answers how many. Raises ``StoreError``."""
    part, digest, rows = path.with_name(path.name + ".part"), hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for line in _lines(session, header):
                rows += isinstance(line, list)
                data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                digest.update(data)
                file.write(data)
                if rows % _BATCH == 0:
                    progress(rows)
            file.write(json.dumps({"rows": rows, "sha256": digest.hexdigest()}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    return rows


def check(file: BinaryIO) -> Header:
    """Read the whole file and hold it against its digest. Raises ``BadArchive``."""
    file.seek(0)
    first = file.readline()
    try:
        header = Header(**json.loads(first))
    except (ValueError, TypeError) as error:
        raise BadArchive("The file is no backup") from error
    if header.frontalis_backup != FORMAT:
        raise BadArchive(f"The file has format {header.frontalis_backup}, this version reads {FORMAT}")
    digest, last, rows = hashlib.sha256(), first, 0
    for line in file:
        digest.update(last)
        rows += last.startswith(b"[")
        last = line
    if last != json.dumps({"rows": rows, "sha256": digest.hexdigest()}).encode() + b"\n":
        raise BadArchive("The file ends early or is damaged")
    return header


def read(file: BinaryIO, connection: Connection, progress: Progress) -> None:
    """Put the rows of a checked file into its tables, which are there and empty, but for what a migration wrote."""
    file.seek(0)
    file.readline()
    done, table, kinds, last = 0, None, dict[str, Kind](), dict[str, int]()
    waiting: list[dict[str, Any]] = []
    for line in file:
        told = json.loads(line)
        if isinstance(told, list):
            waiting.append({name: _value(kind, one) for (name, kind), one in zip(kinds.items(), told, strict=True)})
        if table is not None and waiting and (isinstance(told, dict) or len(waiting) == _BATCH):
            connection.execute(insert(table), waiting)
            done, waiting = done + len(waiting), []
            progress(done)
        if isinstance(told, dict) and "table" in told:
            table, kinds = _emptied(connection, told["table"]), told["columns"]
            last[table.name] = told["last"]
    for name, number in last.items():
        _skip(connection, name, number)


def is_empty(connection: Connection) -> bool:
    """Whether nobody ever did anything in this database: no act, subject or visit."""
    there = set(inspect(connection).get_table_names()) & {"audit", "subjects", "visits", "api_keys"}
    return not any(connection.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first() for name in there)


def _lines(session: Session, header: Header) -> Iterator[dict[str, Any] | list[Any]]:
    yield asdict(header)
    for table in Base.metadata.sorted_tables:
        kinds = {column.name: _kind(column) for column in table.columns}
        columns = [type_coerce(c, LargeBinary) if kinds[c.name] == "bytes" else c for c in table.columns]
        yield {"table": table.name, "columns": kinds, "last": _last(session, table)}
        rows = session.connection().execute(select(*columns), execution_options={"yield_per": _BATCH})
        for row in rows:
            yield [_plain(one) for one in row]


def _kind(column: Column[Any]) -> Kind:
    kind = column.type
    if isinstance(kind, Utc):
        return "time"
    raw = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    return "bytes" if isinstance(raw, LargeBinary) else "plain"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _value(kind: Kind, value: Any) -> Any:
    if value is None or kind == "plain":
        return value
    return base64.b64decode(value) if kind == "bytes" else datetime.fromisoformat(value)


def _emptied(connection: Connection, name: str) -> Table:
    # As the tables were at the backup's revision, which the models of today need not know.
    table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type.none_as_null = True
    if name != _FOREVER:
        connection.execute(delete(table))
    return table


def _last(session: Session, table: Table) -> int:
    """The largest number ever given to a row, 0 for a table that gives none by itself."""
    if session.get_bind().dialect.name == "sqlite":
        found = session.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        return found.scalar() or 0
    if (name := _sequence(session.connection(), table.name) if "id" in table.c else None) is None:
        return 0
    return session.execute(text(f"SELECT last_value FROM {name}")).scalar() or 0


def _skip(connection: Connection, table: str, last: int) -> None:
    if not last:
        return
    values = {"name": table, "next": last + GAP}
    if connection.dialect.name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :next)"), values)
    elif (name := _sequence(connection, table)) is not None:
        connection.execute(text("SELECT setval(:name, :next)"), {"name": name, "next": last + GAP})


def _sequence(connection: Connection, table: str) -> str | None:
    found = connection.execute(text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": table})
    name: str | None = found.scalar()
    return name
