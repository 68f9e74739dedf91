"""Who is there twice is found, told apart for good, or becomes one person with all that was theirs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from app.errors import RequestError, TooManyTemplates
from app.service import duplicates, merging
from app.service.codes import give_code
from app.service.corrections import correct
from app.service.enrolment import Enrolment, enroll
from app.service.erasure import erase, verify
from app.service.house import opened
from app.service.parts import Parts
from app.service.recognition import identify
from app.service.subjects import list_subjects, show_subject
from app.service.visits import SignIn, list_visits, sign_in
from app.settings import Settings
from app.store import audit
from app.store.outbox_models import Event
from app.store.visit_models import Impostor
from app.store.visit_queries import Filters
from tests.doubles import FakeEngine, photo


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Settings:
    key = base64.b64encode(bytes(range(32))).decode()
    return Settings(data_dir=tmp_path / "data", database_url=database_url, threads=1, seal_key=key, max_templates=4)


@pytest.fixture
def parts(house: Settings) -> Iterator[Parts]:
    with opened(house, FakeEngine()) as made:
        put(made, "ada", 1, name="Ada", metadata={"team": "A"})
        put(made, "bob", 2)
        put(made, "countess", 1, spread=30, name="Countess", metadata={"team": "B", "meal": "none"})
        yield made


def put(parts: Parts, subject: str, person: int, spread: int = 0, **more: object) -> None:
    asked = Enrolment([photo(person, spread=spread)], subject_id=subject, duplicates="allow", **more)  # type: ignore[arg-type]
    enroll(parts, asked)


def pairs(parts: Parts) -> list[tuple[str, str]]:
    return [(one.subject_id, one.other_id) for one in duplicates.find(parts, "default", 0).pairs]


def who(parts: Parts, person: int, spread: int = 0) -> str | None:
    match = identify(parts, photo(person, spread=spread)).faces[0].match
    return match.subject_id if match else None


def test_a_pair_is_found_once_and_not_again_when_told_apart(parts: Parts) -> None:
    (pair,) = duplicates.find(parts, "default", 0).pairs
    assert (pair.subject_id, pair.other_id, pair.name, pair.other_name) == ("countess", "ada", "Countess", "Ada")
    assert 0.6 < pair.score < 1
    ids = {one.template_id for one in show_subject(parts, "default", "countess")[1]}
    assert pair.template_id in ids
    for _ in range(2):
        duplicates.tell_apart(parts, "default", "ada", "countess")
    assert pairs(parts) == []
    with parts.database.reading() as session:
        assert [act.act for act in audit.acts_before(session, None, 100)].count("subject.told_apart") == 1
    with pytest.raises(RequestError):
        duplicates.tell_apart(parts, "default", "ada", "ada")


def test_page_by_page_nobody_is_missed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    put(parts, "robert", 2, spread=20)
    monkeypatch.setattr(duplicates, "SCANNED", 1)
    found, after, pages = [], 0, 0
    while True:
        page = duplicates.find(parts, "default", after)
        found += page.pairs
        pages += 1
        if page.last is None:
            break
        after = page.last
    assert pages == 5, "four templates, and the page that finds none"
    assert {(one.subject_id, one.other_id) for one in found} == {("countess", "ada"), ("robert", "bob")}


def test_merged_is_one_person_with_all_that_was_theirs(parts: Parts, house: Settings) -> None:
    code = give_code(parts, "default", "countess", None)
    sign_in(parts, SignIn(code=code, method="code"))
    done = merging.merge(parts, "default", "countess", "ada")
    assert (done.subject_id, done.templates) == ("ada", 1)
    assert [one.subject_id for one in list_subjects(parts, "default", "", 10)] == ["ada", "bob"]
    subject, templates = show_subject(parts, "default", "ada")
    assert (subject.name, subject.metadata, len(templates)) == ("Ada", {"team": "A", "meal": "none"}, 2)
    assert who(parts, 1) == who(parts, 1, spread=30) == "ada"
    assert [visit.subject_id for visit in list_visits(parts, "default", Filters(), None, 10)] == ["ada"]
    assert sign_in(parts, SignIn(code=code, method="code")).visit.subject_id == "ada"
    assert pairs(parts) == []
    with parts.database.reading() as session:
        assert audit.verify(session).broken is None
        (event,) = session.scalars(select(Event).where(Event.kind == "subject.merged"))
        assert event.data == {"subject_id": "countess", "into": "ada"}
    with opened(house, FakeEngine()) as again:
        assert who(again, 1, spread=30) == "ada", "also after a start"
    receipt = erase(parts, "default", "ada")
    assert receipt.counts["templates"] == 2
    assert verify(parts, "ada") == []
    assert who(parts, 1) is None


def test_a_face_taken_for_the_other_was_no_mistake(parts: Parts) -> None:
    sign_in(parts, SignIn([photo(1, spread=30)]))
    (visit,) = list_visits(parts, "default", Filters(), None, 1)
    assert visit.subject_id is not None
    other = "ada" if visit.subject_id == "countess" else "countess"
    correct(parts, "default", visit.visit_id, other)
    merging.merge(parts, "default", "countess", "ada")
    with parts.database.reading() as session:
        assert session.scalars(select(Impostor)).all() == []


def test_a_face_taken_for_who_goes_stays_an_impostor_of_who_stays(parts: Parts) -> None:
    sign_in(parts, SignIn([photo(2)]))
    (visit,) = list_visits(parts, "default", Filters(), None, 1)
    assert visit.subject_id == "bob"
    correct(parts, "default", visit.visit_id)
    put(parts, "robert", 2, spread=40)
    merging.merge(parts, "default", "bob", "robert")
    assert who(parts, 2) is None
    with parts.database.reading() as session:
        kept = session.scalars(select(Impostor)).one()
        assert np.frombuffer(kept.frontalized, "<f4").shape == (64,)


def test_too_many_together_changes_nothing(parts: Parts) -> None:
    for spread in (5, 10, 15):
        put(parts, "ada", 1, spread=spread)
    with pytest.raises(TooManyTemplates):
        merging.merge(parts, "default", "countess", "ada")
    assert len(list_subjects(parts, "default", "", 10)) == 3
    assert who(parts, 1, spread=30) in {"ada", "countess"}
