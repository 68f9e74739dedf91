"""Back up everything while the service runs, and put it back without bringing back what was erased since."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from app.errors import BadArchive, RequestError, StoreError
from app.service.callers import SYSTEM
from app.settings import Settings
from app.store import audit, backup, ledger, migrate
from app.store.audit_models import Act
from app.store.backup import FORMAT, Header, Progress
from app.store.database import Database
from app.store.ledger import Line
from app.store.lock import alone
from app.store.models import Base, now
from app.store.secret import data_secret, put_secret


@dataclass(frozen=True, slots=True)
class Restored:
    """``gone``: rows that the backup held and that were erased, deleted or (keys) revoked since, by table.

    ``torn``: lines of the receipts that could not be read.
    """

    made_at: datetime
    rows: int
    gone: dict[str, int]
    torn: int


def back_up(settings: Settings, database: Database, path: Path, progress: Progress) -> int:
    """Every row as it is at one moment, to ``path``. Answers how many. The service may run.

    Raises ``RequestError`` where the file is there, ``StoreError``.
    """
    if path.exists():
        raise RequestError(f"{path} is there already")
    with database.writing() as session:
        audit.record(session, SYSTEM.key_id, "database.backed_up")
    with database.reading() as session:
        chain = session.scalars(select(Act.digest).where(Act.number == 1)).one()
        acts = session.scalar(select(func.max(Act.number))) or 0
        secret = base64.b64encode(data_secret(settings.data_dir)).decode()
        revision = migrate.head() or ""
        header = Header(FORMAT, revision, chain, acts, now().isoformat(), secret)
        return backup.write(session, path, header, progress)


def put_back(settings: Settings, path: Path, receipts: Sequence[Path], progress: Progress) -> Restored:
    """Into a database in which nothing was ever done; ``receipts`` beside those of the data folder.

    All in one transaction. Raises ``BadArchive``, ``RequestError``, ``StoreError``: nothing was written.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = settings.data_dir / ledger.NAME
    with path.open("rb") as file:
        header = backup.check(file)
        lines, torn = _lines(header, own, receipts)
        database = Database(settings.database, 2, ledger=own)
        try:
            database.ping()
            with alone(database), database.engine.connect() as plain:
                connection = plain.execution_options(immediate=True)
                with connection.begin():
                    _require_empty(connection, settings)
                    migrate.make(connection, header.revision)
                    backup.read(file, connection, progress)
                    migrate.make(connection)
                    with Session(bind=connection, expire_on_commit=False) as session:
                        gone = _settle(session, header, lines)
                        rows = _count(session)
                        session.flush()
                    put_secret(settings.data_dir, base64.b64decode(header.secret))
        finally:
            database.close()
    ledger.add(own, lines)
    for snapshot in (settings.data_dir / "index").glob("*.snapshot"):
        snapshot.unlink()  # it may hold who was erased; the next start makes one of the rows
    return Restored(datetime.fromisoformat(header.made_at), rows, gone, torn)


def _lines(header: Header, own: Path, receipts: Sequence[Path]) -> tuple[list[Line], int]:
    found = ledger.read(own)
    lines, torn = {line.id: line for line in found.of(header.chain)}, found.torn
    for path in receipts:
        told = ledger.read(path)
        mine = told.of(header.chain)
        if told.lines and not mine:
            raise BadArchive(f"{path} is of another database than the backup")
        lines |= {line.id: line for line in mine}
        torn += told.torn
    return list(lines.values()), torn


def _require_empty(connection: Connection, settings: Settings) -> None:
    if not backup.is_empty(connection):
        raise RequestError(
            "A backup is put into an empty database: move the present one away "
            f"({settings.data_dir / 'frontalis.db'} and its -wal and -shm), or name another in FRONTALIS_DATABASE_URL"
        )


def _settle(session: Session, header: Header, lines: Sequence[Line]) -> dict[str, int]:
    gone = ledger.apply(session, lines)
    audit.record(session, SYSTEM.key_id, "database.restored", acts=header.acts, made_at=header.made_at, gone=gone)
    if (found := audit.verify(session)).broken is not None:
        raise StoreError(f"The audit log of the backup is broken: {found.reason}")
    return gone


def _count(session: Session) -> int:
    return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in Base.metadata.sorted_tables)
