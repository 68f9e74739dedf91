from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, select, text

from app.errors import StoreError
from app.store import lock, migrate
from app.store.database import Database
from app.store.ids import uuid7
from app.store.lock import alone
from app.store.models import Base, Collection, Subject


def test_the_models_are_what_the_migrations_make(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_upgrade_answers_where_it_came_from_and_runs_once(database_url: str) -> None:
    fresh = Database(database_url)
    assert migrate.upgrade(fresh) == (None, migrate.head())
    assert migrate.upgrade(fresh) == (migrate.head(), migrate.head())
    fresh.close()


def test_sqlite_keeps_its_word(tmp_path: Path) -> None:
    sqlite = Database(f"sqlite:///{tmp_path / 'a.db'}")
    with sqlite.reading() as session:
        pragmas = {name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1}
    sqlite.close()


def test_an_error_rolls_back(database: Database) -> None:
    def fail_half_way() -> None:
        with database.writing() as session:
            session.add(Collection(name="a"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with database.reading() as session:
        assert session.scalars(select(Collection)).all() == []


def test_row_ids_are_never_used_again(database: Database) -> None:
    def add() -> int:
        with database.writing() as session:
            row = Collection(name="a")
            session.add(row)
            session.flush()
            return row.id

    first = add()
    with database.writing() as session:
        session.execute(delete(Collection))
    assert add() > first


def test_writers_wait_for_each_other(database: Database) -> None:
    with database.writing() as session:
        session.add(Collection(name="a"))

    def bump(_: int) -> None:
        with database.writing() as session:
            row = session.scalars(select(Collection).with_for_update()).one()
            row.change += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bump, range(40)))
    with database.reading() as session:
        assert session.scalars(select(Collection)).one().change == 40


def test_times_come_back_aware(database: Database) -> None:
    with database.writing() as session:
        session.add(Collection(name="a"))
    with database.reading() as session:
        made = session.scalars(select(Collection)).one().created_at
    assert made.utcoffset() is not None
    assert abs(made.timestamp() - time.time()) < 60


def test_subjects_go_with_their_collection(database: Database) -> None:
    with database.writing() as session:
        row = Collection(name="a")
        session.add(row)
        session.flush()
        session.add(Subject(collection_id=row.id, public_id="x"))
    with database.writing() as session:
        session.execute(delete(Collection))
    with database.reading() as session:
        assert session.scalars(select(Subject)).all() == []


def test_an_unreachable_database_says_so() -> None:
    nowhere = Database("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(StoreError):
        nowhere.ping()


def test_those_who_bring_the_tables_up_wait_for_each_other(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Database(database_url), Database(database_url)
    order: list[str] = []

    def second() -> None:
        with alone(two):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with alone(one):
            waiting = pool.submit(second)
            order.append("first")
        waiting.result(timeout=30)
    assert order == ["first", "second"]
    monkeypatch.setattr(lock, "WAIT", 0.05)
    with alone(one), pytest.raises(StoreError, match="Another process"), alone(two):
        pass
    one.close()
    two.close()


def test_a_fresh_database_is_made_once_by_many_at_a_time(database_url: str) -> None:
    many = [Database(database_url) for _ in range(4)]

    def up(database: Database) -> None:
        with alone(database):
            migrate.upgrade(database)

    with ThreadPoolExecutor(len(many)) as pool:
        list(pool.map(up, many))
    assert migrate.revision(many[0]) == migrate.head()
    for database in many:
        database.close()


def test_uuid7_is_version_7_and_sorts_by_time() -> None:
    made = []
    for _ in range(3):
        made.append(uuid7())
        time.sleep(0.002)
    assert all(one.version == 7 and one.variant == "specified in RFC 4122" for one in made)
    assert made == sorted(made)
    assert abs((made[0].int >> 80) / 1000 - time.time()) < 60
    assert UUID(str(made[0])) == made[0]
