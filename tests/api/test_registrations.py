"""Consent, and registration at the door."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.store.outbox_models import Event
from tests.doubles import encode, photo

FIELDS = [
    {"name": "company", "label": "Company", "required": True},
    {"name": "email", "label": "E-mail", "kind": "email"},
    {"name": "until", "label": "Until", "kind": "date"},
    {"name": "rules", "label": "I read the house rules", "kind": "checkbox", "required": True},
    {"name": "host", "label": "Host", "kind": "choice", "options": ["Grace", "Alan"]},
]
ANSWERS = {"company": "ACME", "rules": True}


@pytest.fixture
def venue(client: TestClient) -> TestClient:
    """Asks for consent and for fields."""
    client.patch("/collections/default", json={"door": {"consent_required": True, "fields": FIELDS}})
    made = client.post("/consent/texts", json={"texts": {"en": "I agree.", "zh": "我同意。"}})
    assert (made.status_code, made.json()["version"]) == (201, 1)
    return client


def register(client: TestClient, *pictures: bytes, key: str | None = None, **fields: Any) -> Any:
    import base64

    body = {"images": [base64.b64encode(one).decode() for one in pictures], "name": "Ada", "consent_version": 1}
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/registrations", json={**body, "fields": ANSWERS, **fields}, headers=headers)


def kinds(client: TestClient) -> list[str]:
    with client.app.state.running.parts.database.reading() as session:  # type: ignore[attr-defined]
        return list(session.scalars(select(Event.kind).order_by(Event.id)))


def test_who_registers_is_in_and_is_known_from_then_on(venue: TestClient) -> None:
    made = register(venue, photo(1), photo(1, spread=40), photo(1, spread=80))
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["name"], body["visit"]["method"], body["visit"]["decision"]) == ("Ada", "registration", "match")
    assert body["visit"]["checked_in_at"]
    assert len(body["accepted"]) == 3
    subject = venue.get(f"/subjects/{body['subject_id']}").json()
    assert subject["metadata"] == ANSWERS
    (consent,) = venue.get(f"/subjects/{body['subject_id']}/consent").json()["consents"]
    assert (consent["version"], consent["how"], consent["given_by"]) == (1, "kiosk", "local")
    again = venue.post("/visits", files={"images": photo(1, spread=20)}).json()
    assert (again["subject_id"], again["action"]) == (body["subject_id"], "repeated")
    assert kinds(venue) == ["subject.registered", "visit.checked_in"]


def test_a_form_is_the_same(venue: TestClient) -> None:
    files = [("images", ("a.png", photo(1), "image/png")), ("images", ("b.png", photo(1, spread=9), "image/png"))]
    data = {"name": "Ada", "consent_version": "1", "fields": '{"company": "ACME", "rules": true}'}
    assert venue.post("/registrations", files=files, data=data).status_code == 201


def test_without_consent_nobody_is_enrolled(venue: TestClient) -> None:
    assert (register(venue, photo(1), consent_version=None).json()["code"]) == "CONSENT_REQUIRED"
    refused = venue.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada"})
    assert (refused.status_code, refused.json()["code"]) == (403, "CONSENT_REQUIRED")
    assert venue.get("/subjects").json()["subjects"] == []
    given = {"subject_id": "ada", "consent_version": "1", "consent_how": "paper"}
    assert venue.post("/enroll", files={"images": photo(1)}, data=given).status_code == 201
    more = venue.post("/enroll", files={"images": photo(1, spread=9)}, data={"subject_id": "ada"})
    assert more.status_code == 201, "the consent stands"


def test_consent_is_to_the_text_in_force(venue: TestClient) -> None:
    assert venue.post("/consent/texts", json={"texts": {"en": "I agree to more."}}).json()["version"] == 2
    refused = register(venue, photo(1))
    assert (refused.status_code, refused.json()["code"], refused.json()["version"]) == (409, "CONSENT_OUTDATED", 2)
    assert venue.get("/subjects").json()["subjects"] == []
    assert register(venue, photo(1), consent_version=2).status_code == 201
    assert [one["version"] for one in venue.get("/consent/texts").json()["texts"]] == [2, 1]


def test_the_text_is_shown_in_the_language_asked_for(venue: TestClient) -> None:
    assert venue.get("/consent", params={"language": "zh"}).json()["text"] == "我同意。"
    shown = venue.get("/consent", params={"language": "fr"}).json()
    assert (shown["language"], shown["languages"], shown["version"]) == ("en", ["en", "zh"], 1)
    venue.post("/collections", json={"name": "fair"})
    assert venue.get("/consent", params={"collection": "fair"}).json()["code"] == "CONSENT_TEXT_NOT_FOUND"
    for wrong in ({}, {"en": ""}, {"English": "x"}):
        assert venue.post("/consent/texts", json={"texts": wrong}).status_code == 422


@pytest.mark.parametrize(
    ("answers", "flaws"),
    [
        ({"rules": True}, {"company": "required"}),
        ({"company": "", "rules": True}, {"company": "required"}),
        ({"company": "ACME", "rules": False}, {"rules": "required"}),
        ({**ANSWERS, "email": "ada"}, {"email": "email"}),
        ({**ANSWERS, "until": "2026-02-30"}, {"until": "date"}),
        ({**ANSWERS, "host": "Eve"}, {"host": "choice"}),
        ({**ANSWERS, "age": "7"}, {"age": "unknown"}),
        ({**ANSWERS, "company": ["ACME"]}, {"company": "text"}),
        ({**ANSWERS, "company": "a\nb"}, {"company": "text"}),
    ],
)
def test_answers_are_held_to_what_was_asked(venue: TestClient, answers: dict[str, Any], flaws: dict[str, str]) -> None:
    refused = register(venue, photo(1), fields=answers)
    assert (refused.status_code, refused.json()["code"]) == (422, "BAD_FIELDS")
    assert refused.json()["fields"] == flaws
    good = {**ANSWERS, "email": "ada@example.org", "until": "2026-02-28", "host": "Alan"}
    assert register(venue, photo(1), fields=good).status_code == 201


def test_pictures_are_refused_with_a_plain_hint(venue: TestClient) -> None:
    nobody = encode(np.zeros((96, 96, 3), np.uint8))
    refused = register(venue, nobody, photo(1, quality=5))
    assert refused.json()["code"] == "ALL_REJECTED"
    assert [one["hint"] for one in refused.json()["rejected"]] == ["look_here", "hold_still"]
    friend = register(venue, photo(1), photo(2, quality=60)).json()
    assert [(one["index"], one["code"], one["hint"]) for one in friend["rejected"]] == [
        (1, "OTHER_FACE", "one_at_a_time")
    ]
    found = venue.post("/visits", files={"images": photo(2)}).json()
    assert found["decision"] == "no_match", "a friend's picture lets nobody in"


def test_who_is_there_is_not_enrolled_twice_and_not_told_apart(venue: TestClient) -> None:
    assert register(venue, photo(1)).status_code == 201
    refused = register(venue, photo(1), name="Eve")
    assert (refused.status_code, refused.json()["code"]) == (409, "DUPLICATE_SUBJECT")
    assert "duplicates" not in refused.json()
    assert "subject_id" not in refused.text


def test_a_lost_answer_registers_nobody_twice(venue: TestClient) -> None:
    first = register(venue, photo(1), key="k-1").json()
    again = register(venue, photo(1), key="k-1")
    assert again.status_code == 201
    assert (again.json()["subject_id"], again.json()["replayed"]) == (first["subject_id"], True)
    assert register(venue, photo(2), key="k-1").json()["code"] == "KEY_REUSED"
    assert len(venue.get("/subjects").json()["subjects"]) == 1


def test_two_at_once_register_one(venue: TestClient) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: register(venue, photo(1), key="same"), range(6)))
    assert {one.status_code for one in answers} == {201}, [one.text for one in answers]
    assert len({one.json()["subject_id"] for one in answers}) == 1
    assert len(venue.get("/subjects").json()["subjects"]) == 1


def test_consent_given_on_paper_is_written_down(venue: TestClient) -> None:
    venue.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada", "consent_version": "1"})
    assert venue.post("/subjects/ada/consent", json={"version": 2}).json()["code"] == "CONSENT_OUTDATED"
    assert venue.post("/subjects/ada/consent", json={"version": 1, "how": "paper"}).status_code == 201
    shown = venue.get("/subjects/ada/consent").json()["consents"]
    assert [(one["version"], one["how"]) for one in shown] == [(1, "paper"), (1, "staff")]
    assert venue.get("/subjects/bob/consent").json()["code"] == "SUBJECT_NOT_FOUND"
