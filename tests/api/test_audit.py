"""What is done over HTTP is in the audit log, by key, without names or vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import StoreError
from app.service import webhooks
from app.store import audit
from app.store.audit_models import Act
from tests.doubles import photo


def test_who_did_what(client: TestClient) -> None:
    key = client.post("/keys", json={"name": "office", "scopes": ["admin"]}).json()
    headers = {"X-API-Key": key["key"]}
    client.post("/collections", json={"name": "fair"}, headers=headers)
    sent = {"subject_id": "ada", "name": "Lovelace", "collection": "fair"}
    made = client.post("/enroll", files={"images": photo(1)}, data=sent, headers=headers).json()
    client.patch("/subjects/ada", params={"collection": "fair"}, json={"name": "King"}, headers=headers)
    client.delete("/subjects/ada", params={"collection": "fair"}, headers=headers)
    client.delete("/subjects/ada", params={"collection": "fair"}, headers=headers)  # not there: nothing was done
    client.delete("/collections/fair", headers=headers)
    client.delete(f"/keys/{key['key_id']}", headers=headers)
    database = client.app.state.running.parts.database  # type: ignore[attr-defined]
    with database.reading() as session:
        assert audit.verify(session).broken is None
        acts = list(reversed(audit.acts_before(session, None, 100)))
    assert [act.act for act in acts] == [
        "key.created",
        "collection.created",
        "subject.enrolled",
        "subject.changed",
        "subject.deleted",
        "collection.deleted",
        "key.revoked",
    ]
    assert [act.who for act in acts] == ["local", *[key["key_id"]] * 6]
    assert acts[2].ids == {"subject": "ada", "templates": [made["accepted"][0]["template_id"]]}
    told = json.dumps([act.ids for act in acts])
    assert "Lovelace" not in told
    assert "King" not in told


def test_the_log_is_read_page_by_page_and_by_kind(client: TestClient) -> None:
    for name in ("fair", "show"):
        client.post("/collections", json={"name": name})
    enrolled = {"subject_id": "ada", "name": "Lovelace", "collection": "fair"}
    client.post("/enroll", files={"images": photo(1)}, data=enrolled)
    first = client.get("/audit", params={"limit": 2}).json()
    assert [act["act"] for act in first["acts"]] == ["subject.enrolled", "collection.created"]
    assert first["acts"][0]["who"] == "local"
    assert "Lovelace" not in json.dumps(first)
    rest = client.get("/audit", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [act["number"] for act in rest["acts"]] == [1]
    assert rest["next_cursor"] is None
    kind = client.get("/audit", params={"act": "collection.created", "collection": "show"}).json()["acts"]
    assert [(act["act"], act["collection"]) for act in kind] == [("collection.created", "show")]
    assert client.get("/audit", params={"cursor": first["next_cursor"] + "x"}).json()["code"] == "BAD_CURSOR"
    assert client.get("/audit", params={"act": "'; --"}).status_code == 422


def test_the_log_is_for_keys_that_reach_everywhere(client: TestClient) -> None:
    admin = {"X-API-Key": client.post("/keys", json={"name": "a", "scopes": ["admin"]}).json()["key"]}
    assert client.get("/audit", headers=admin).status_code == 200
    for scopes, collections in ((["admin"], ["default"]), (["visits"], None)):
        asked = {"name": "b", "scopes": scopes, "collections": collections}
        key = client.post("/keys", json=asked, headers=admin).json()["key"]
        assert client.get("/audit", headers={"X-API-Key": key}).status_code == 403


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a webhook that may be made without a name server."""
    monkeypatch.setattr(webhooks, "resolve", lambda url, private: url)
    return "https://hooks.example.org/"


def acts_of(client: TestClient) -> list[Act]:
    """The oldest first; the chain holds."""
    with client.app.state.running.parts.database.reading() as session:  # type: ignore[attr-defined]
        assert audit.verify(session).broken is None
        return list(reversed(audit.acts_before(session, None, 100)))


def test_what_is_done_at_the_door_is_told(client: TestClient, hooks: str) -> None:
    client.patch("/collections/default", json={"door": {"reentry_seconds": 0, "consent_required": True}})
    client.post("/consent/texts", json={"texts": {"en": "I agree."}})
    given = {"subject_id": "ada", "name": "Lovelace", "consent_version": "1"}
    assert client.post("/enroll", files={"images": photo(1)}, data=given).status_code == 201
    client.post("/subjects/ada/consent", json={"version": 1, "how": "paper"})
    client.post("/subjects/ada/codes", json={"code": "12345"})
    client.delete("/subjects/ada/codes")
    visit = client.post("/visits", files={"images": photo(1)}).json()
    client.post(f"/visits/{visit['visit_id']}/correct", json={})
    hook = client.post("/webhooks", json={"url": hooks}).json()["webhook_id"]
    client.patch(f"/webhooks/{hook}", json={"enabled": False, "rotate_secret": True})
    client.post(f"/webhooks/{hook}/resend", json={})
    client.delete(f"/webhooks/{hook}")
    receipt = client.delete("/subjects/ada/consent").json()["receipt_id"]
    told = [(act.act, act.ids) for act in acts_of(client)]
    enrolled = told.pop(3)
    assert enrolled[0] == "subject.enrolled"
    assert told == [
        ("door.changed", {"rules": ["consent_required", "reentry_seconds"]}),
        ("consent.text_added", {"version": 1}),
        ("consent.given", {"subject": "ada", "version": 1, "how": "staff"}),
        ("consent.given", {"subject": "ada", "version": 1, "how": "paper"}),
        ("code.given", {"subject": "ada"}),
        ("codes.removed", {"subject": "ada"}),
        ("visit.corrected", {"visit": visit["visit_id"], "wrong": "ada"}),
        ("webhook.created", {"webhook": hook}),
        ("webhook.changed", {"webhook": hook, "changed": ["enabled", "rotate_secret"]}),
        ("webhook.resent", {"webhook": hook, "events": 0}),
        ("webhook.deleted", {"webhook": hook}),
        ("subject.erased", {"receipt": receipt, "reason": "withdrawn", "templates": 1}),
    ]
    shown = json.dumps([act.ids for act in acts_of(client)])
    assert "Lovelace" not in shown
    assert "12345" not in shown
    assert hooks not in shown


def test_searches_and_sign_ins_are_not(client: TestClient) -> None:
    client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada"})
    before = len(acts_of(client))
    for path in ("/identify", "/analyze"):
        assert client.post(path, files={"image": photo(1)}).status_code == 200
    assert client.post("/visits", files={"images": photo(1)}).status_code == 200
    assert client.get("/visits.csv").status_code == 200
    assert len(acts_of(client)) == before


def test_what_cannot_be_told_is_not_done(client: TestClient, hooks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log and what it reports are one transaction."""
    client.post("/consent/texts", json={"texts": {"en": "I agree."}})
    client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada"})
    client.post("/subjects/ada/codes", json={"code": "12345"})
    visit = client.post("/visits", files={"images": photo(1)}).json()["visit_id"]
    hook = client.post("/webhooks", json={"url": hooks}).json()["webhook_id"]

    def state() -> list[Any]:
        paths = ("/door", "/consent/texts", "/subjects/ada", "/subjects/ada/consent", "/visits", "/webhooks")
        return [client.get(path).json() for path in paths]

    before, record = state(), audit.record

    def full(*_: Any, **__: Any) -> None:
        raise StoreError

    monkeypatch.setattr(audit, "record", full)
    for method, path, body in (
        ("PATCH", "/collections/default", {"door": {"reentry_seconds": 0}}),
        ("POST", "/consent/texts", {"texts": {"en": "I agree to more."}}),
        ("POST", "/subjects/ada/consent", {"version": 1, "how": "paper"}),
        ("POST", "/subjects/ada/codes", {"code": "54321"}),
        ("DELETE", "/subjects/ada/codes", None),
        ("POST", f"/visits/{visit}/correct", {}),
        ("POST", "/webhooks", {"url": hooks}),
        ("PATCH", f"/webhooks/{hook}", {"enabled": False}),
        ("DELETE", f"/webhooks/{hook}", None),
        ("POST", "/subjects/ada/erase", None),
        ("DELETE", "/subjects/ada/consent", None),
        ("DELETE", "/subjects/ada", None),
    ):
        answer = client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE"), path
    assert state() == before
    monkeypatch.setattr(audit, "record", record)
    assert client.post("/visits", json={"code": "12345", "method": "code"}).json()["subject_id"] == "ada"
    assert client.post("/visits", json={"code": "54321", "method": "code"}).json()["code"] == "SUBJECT_NOT_FOUND"
