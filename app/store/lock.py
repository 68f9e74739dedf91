"""One process at a time brings the tables up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from filelock import FileLock, Timeout
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.errors import StoreError
from app.store.database import Database

# Any number of our own will do: it names this lock among a Postgres database's advisory locks.
ADVISORY_KEY: Final = 0x46524F4E54414C
WAIT: Final = 60.0
TOO_LONG: Final = "Another process has been changing the tables for a minute"


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """Wait until no other process is in here, then be in here alone. Raises ``StoreError`` after a minute.

    SQLite: a file ``<database>.lock``. Postgres: an advisory lock, so that processes on other machines wait too.
    Either ends with its owner.
    """
    if database.is_sqlite:
        try:
            with FileLock(f"{database.url.database}.lock", timeout=WAIT):
                yield
        except Timeout as error:
            raise StoreError(TOO_LONG) from error
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = {int(WAIT * 1000)}"))
        try:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_KEY})
        except OperationalError as error:
            raise StoreError(TOO_LONG) from error
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})
            connection.execute(text("RESET lock_timeout"))
