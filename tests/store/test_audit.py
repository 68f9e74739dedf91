"""The audit log: only added to, and whole or said not to be."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.store import audit
from app.store.database import Database

TAMPER = {
    "who is altered": "UPDATE audit SET who = 'x' WHERE number = 3",
    "an id is altered": """UPDATE audit SET ids = '{"subject": "bob"}' WHERE number = 3""",
    "the time is altered": "UPDATE audit SET at = '2020-01-01 00:00:00+00:00' WHERE number = 3",
    "the first is removed": "DELETE FROM audit WHERE number = 1",
    "one in the middle is removed": "DELETE FROM audit WHERE number = 3",
    "the last is removed": "DELETE FROM audit WHERE number = 5",
    "all are removed": "DELETE FROM audit",
    "one is added at the end": (
        "INSERT INTO audit (number, at, who, act, ids, digest) "
        "SELECT 6, at, who, act, ids, digest FROM audit WHERE number = 5"
    ),
    "one is inserted": (
        "INSERT INTO audit (number, at, who, act, ids, digest) "
        "SELECT 0, at, who, act, ids, digest FROM audit WHERE number = 5"
    ),
    "two change places": (
        "UPDATE audit SET number = CASE number WHEN 3 THEN -4 WHEN 4 THEN -3 END WHERE number IN (3, 4);"
        "UPDATE audit SET number = -number WHERE number < 0"
    ),
}


def fill(database: Database) -> None:
    for number in range(5):
        with database.writing() as session:
            audit.record(session, "0a1b2c3d", "subject.deleted", "default", subject=f"p{number}", absent=None)


def unlock(database: Database) -> None:
    """What somebody who may change the tables would do first."""
    drop = (
        ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete")
        if database.is_sqlite
        else ("DROP TRIGGER audit_only_added ON audit",)
    )
    with database.writing() as session:
        for statement in drop:
            session.execute(text(statement))


def test_what_was_written_holds(database: Database) -> None:
    with database.reading() as session:
        assert audit.verify(session) == audit.Verdict(0, audit.START, None)
    fill(database)
    with database.reading() as session:
        found = audit.verify(session)
        acts = audit.acts_before(session, None, 2)
    assert (found.acts, found.broken) == (5, None)
    assert [(act.number, act.who, act.ids) for act in acts] == [
        (5, "0a1b2c3d", {"subject": "p4"}),
        (4, "0a1b2c3d", {"subject": "p3"}),
    ]
    assert found.digest == acts[0].digest


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x'", "DELETE FROM audit WHERE number = 2"])
def test_the_database_refuses_to_change_it(database: Database, statement: str) -> None:
    fill(database)
    with database.reading() as session, pytest.raises(DBAPIError, match="only added to"):
        session.execute(text(statement))


@pytest.mark.parametrize("case", TAMPER)
def test_tampering_is_found(database: Database, case: str) -> None:
    fill(database)
    unlock(database)
    with database.writing() as session:
        for statement in TAMPER[case].split(";"):
            session.execute(text(statement))
    with database.reading() as session:
        found = audit.verify(session)
    assert found.broken is not None
    assert found.reason


def test_a_log_written_anew_is_known_by_a_digest_from_elsewhere(database: Database) -> None:
    fill(database)
    with database.reading() as session:
        noted = audit.verify(session).digest
    fill(database)
    with database.reading() as session:
        assert audit.verify(session, noted).broken is None
    unlock(database)
    with database.writing() as session:
        session.execute(text("DELETE FROM audit"))
        session.execute(text("UPDATE audit_head SET number = 0, digest = :start"), {"start": audit.START})
    fill(database)
    with database.reading() as session:
        assert audit.verify(session).broken is None
        assert audit.verify(session, noted).broken is not None


def test_what_is_rolled_back_is_not_told(database: Database) -> None:
    def fail() -> None:
        with database.writing() as session:
            audit.record(session, "local", "subject.deleted", "default", subject="p")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.reading() as session:
        assert audit.verify(session).acts == 0
