"""The rows alone: for commands that work beside a running service and need neither engine nor index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.settings import Settings
from app.store import ledger, migrate
from app.store.database import Database
from app.store.lock import alone


@contextmanager
def rows(settings: Settings) -> Iterator[Database]:
    """The database, with the present tables. Raises ``StoreError``."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.database, 2, settings.keyring(), settings.data_dir / ledger.NAME)
    try:
        database.ping()
        with alone(database):
            migrate.upgrade(database)
        yield database
    finally:
        database.close()
