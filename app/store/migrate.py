"""Bring a database to the present tables with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.errors import BadArchive
from app.store.database import Database

SCRIPTS = Path(__file__).parents[2] / "migrations"


def upgrade(database: Database) -> tuple[str | None, str | None]:
    """Run the migrations that are missing. Answers the revision before and after."""
    before = revision(database)
    with database.engine.begin() as connection:
        command.upgrade(_config(connection), "head")
    return before, revision(database)


def make(connection: Connection, target: str = "head") -> None:
    """The tables of ``target`` in the connection's transaction: on from an earlier revision, else anew, without the
    rows. Raises ``BadArchive`` for a revision that this version does not know."""
    order = [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()]
    if target not in (*order, "head"):
        raise BadArchive(f"The tables are of revision {target}, which this version does not know")
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and target != "head":
        command.downgrade(_config(connection), "base")
    command.upgrade(_config(connection), target)


def revision(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The revision that this code is made for."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.attributes["connection"] = connection
    config.set_main_option("script_location", str(SCRIPTS))
    return config
