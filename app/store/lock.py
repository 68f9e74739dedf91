"""One process owns the in-process index: a lock beside the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import text

from app.errors import GalleryLocked
from app.store.database import Database

# Any number of our own will do: it names this lock among a Postgres database's advisory locks.
ADVISORY_KEY = 0x46524F4E54414C


@contextmanager
def owning(database: Database) -> Iterator[None]:
    """Hold the lock while inside. Raises ``GalleryLocked`` at once if another process has it.

    SQLite: a file ``<database>.lock``, which the system lets go of when its owner dies. Postgres: an
    advisory lock of one connection kept open, so that processes on other machines are refused too.
    """
    if database.is_sqlite:
        with _file(Path(f"{database.url.database}.lock")):
            yield
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY}):
            raise GalleryLocked(_reason(""))
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})


@contextmanager
def _file(path: Path) -> Iterator[None]:
    lock = FileLock(path, thread_local=False)
    owner = path.with_suffix(".pid")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        pid = owner.read_text().strip() if owner.exists() else "unknown"
        raise GalleryLocked(_reason(f" (process {pid})")) from None
    try:
        owner.write_text(str(os.getpid()))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _reason(owner: str) -> str:
    return (
        f"The database is in use by another Frontalis{owner}: the index lives inside one process, and a second "
        "one would not see its changes. Stop the other one first, or send the work to it over HTTP"
    )
