"""Erased is erased, and is proven; the clock takes who is over their time and nobody else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app.errors import ClockJumped, ReceiptNotFound, SubjectNotFound
from app.service import door, retention
from app.service.enrolment import Enrolment, enroll
from app.service.erasure import erase, verify
from app.service.house import opened
from app.service.parts import Parts
from app.service.subjects import list_subjects
from app.service.visits import SignIn, sign_in
from app.settings import Settings
from app.store.erasure_models import Receipt
from app.store.models import Template, now
from app.store.outbox_models import Event
from app.store.visit_models import Visit
from tests.doubles import FakeEngine, photo


@pytest.fixture
def parts(tmp_path: Path, database_url: str) -> Iterator[Parts]:
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url, threads=1)
    with opened(settings, FakeEngine()) as made:
        for person, name in ((1, "ada"), (2, "bob")):
            enroll(made, Enrolment([photo(person)], subject_id=name, name=name.title()))
        yield made


def here(parts: Parts) -> list[str]:
    return [one.subject_id for one in list_subjects(parts, "default", "", 10)]


def test_nothing_is_left_and_the_receipt_names_nobody(parts: Parts) -> None:
    sign_in(parts, SignIn([photo(1)]))
    parts.index.save()
    with parts.database.reading() as session:
        vector = bytes(session.scalars(select(Template.frontalized).order_by(Template.id)).first() or b"")
    assert len(parts.index.saved_templates()) == 2
    receipt = erase(parts, "default", "ada")
    assert {name: number for name, number in receipt.counts.items() if number} == {
        "templates": 1,
        "visits": 1,
        "events": 1,
    }
    assert here(parts) == ["bob"]
    assert len(parts.index.saved_templates()) == len(parts.index.templates()) == 1
    assert verify(parts, "ada") == verify(parts, receipt.receipt_id) == []
    with parts.database.reading() as session:
        row = session.scalars(select(Receipt)).one()
        assert "ada" not in f"{row.subject} {row.counts} {row.templates}".lower()
        assert session.scalars(select(Event.kind)).all() == ["subject.erased"]
        assert session.scalars(select(Visit)).all() == []
    for file in parts.settings.data_dir.parent.rglob("*"):
        assert not file.is_file() or vector not in file.read_bytes(), file.name
    assert sign_in(parts, SignIn([photo(1)])).visit.decision == "no_match"
    with pytest.raises(SubjectNotFound):
        erase(parts, "default", "ada")


def test_rows_that_outlived_their_subject_are_found(parts: Parts) -> None:
    sign_in(parts, SignIn([photo(2)]))
    erase(parts, "default", "ada")
    assert verify(parts, "ada") == []
    orphan = "UPDATE visits SET subject_id = 4711"
    if parts.database.is_sqlite:  # which minds foreign keys only where it is asked to
        with closing(sqlite3.connect(str(parts.database.engine.url.database))) as plain, plain:
            plain.execute(orphan)
    else:
        with parts.database.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(orphan))
    assert verify(parts, "ada") == ["visits of a subject without a row"]


def test_who_is_back_is_told(parts: Parts) -> None:
    receipt = erase(parts, "default", "ada")
    enroll(parts, Enrolment([photo(1)], subject_id="ada"))
    assert len(verify(parts, receipt.receipt_id)) == 1
    with pytest.raises(ReceiptNotFound):
        verify(parts, "bob")


def test_the_clock_takes_who_is_over_their_time(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert retention.run(parts) == 0
    door.change(parts, "default", {"retention_days": 10})
    sign_in(parts, SignIn([photo(1)]))
    later = now() + timedelta(days=9)
    monkeypatch.setattr(retention, "now", lambda: later)
    assert retention.run(parts) == 0
    with parts.database.writing() as session:
        visit = session.scalars(select(Visit)).one()
        assert visit.probe is None, "its hours to be corrected are over"
        visit.touched_at = later
    later += timedelta(days=2)
    assert retention.run(parts) == 1
    assert here(parts) == ["ada"], "she was there two days ago"


@pytest.mark.parametrize("days", [4000, -1])
def test_a_clock_that_jumped_erases_nobody(parts: Parts, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    door.change(parts, "default", {"retention_days": 10})
    assert retention.run(parts) == 0
    moment = now() + timedelta(days=days)
    monkeypatch.setattr(retention, "now", lambda: moment)
    with pytest.raises(ClockJumped):
        retention.run(parts)
    assert here(parts) == ["ada", "bob"]
    assert retention.run(parts, sure=True) == (2 if days > 0 else 0)
