"""One database: SQLite in WAL, or Postgres."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.errors import StoreError
from app.seal import Keyring
from app.store.vectors import use_keyring

LEDGER: Final = "ledger"
"""Under which a session's ``info`` names the file of what went for good."""
UNDONE: Final = "undone"
"""Under which it lists what is called where the transaction comes to nothing."""


class Database:
    """Connections and transactions. Thread safe."""

    def __init__(
        self, url: str, connections: int = 8, seals: Keyring | None = None, ledger: Path | None = None
    ) -> None:
        """``connections`` bounds what is open at once; further transactions wait up to 30 s. ``seals``: for vectors.
        ``ledger``: the file that is told what goes for good (``app.store.ledger``)."""
        self._ledger = ledger
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # hide_parameters: vectors and names must not reach a log through an exception's text.
        self.engine: Engine = create_engine(
            self.url, hide_parameters=True, pool_size=connections, max_overflow=0, pool_pre_ping=not self.is_sqlite
        )
        use_keyring(self.engine.dialect, seals)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and writes nothing. Raises ``StoreError``."""
        with self._session() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back on any error. Raises ``StoreError``."""
        with self._session(writes=True) as session:
            try:
                yield session
                session.commit()
            except BaseException:
                for undo in session.info[UNDONE]:
                    undo()
                raise

    @contextmanager
    def _session(self, writes: bool = False) -> Iterator[Session]:
        try:
            with Session(self.engine, expire_on_commit=False, info={LEDGER: self._ledger, UNDONE: []}) as session:
                session.connection(execution_options=self._options(writes))
                yield session
        except (OperationalError, PoolTimeout) as error:
            raise StoreError from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StoreError from error
            raise

    def _options(self, writes: bool) -> dict[str, Any]:
        if self.is_sqlite:
            return {"immediate": writes}
        # On SQLite every transaction sees one state; on Postgres a reader has to ask for it.
        return {} if writes else {"isolation_level": "REPEATABLE READ"}

    def ping(self) -> None:
        """Raises ``StoreError`` when the database does not answer."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own BEGIN comes too late for reads and is never IMMEDIATE: we send it (see _begin).
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    # A writer that starts as a reader may find its snapshot outdated and fail; IMMEDIATE waits its turn instead.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
