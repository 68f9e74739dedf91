"""Duplicates and kept pictures over HTTP."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.doubles import photo


def put(client: TestClient, subject: str, person: int, spread: int = 0) -> None:
    sent = {"subject_id": subject, "duplicates": "allow"}
    client.post("/enroll", files={"images": photo(person, spread=spread)}, data=sent).raise_for_status()


def test_found_told_apart_and_merged(client: TestClient) -> None:
    for at, (subject, person) in enumerate((("ada", 1), ("bob", 2), ("countess", 1), ("robert", 2))):
        put(client, subject, person, spread=10 * at)
    page = client.get("/duplicates").json()
    assert page["next_cursor"] is None
    assert {(one["subject_id"], one["other_id"]) for one in page["pairs"]} == {("countess", "ada"), ("robert", "bob")}
    assert client.post("/subjects/robert/apart", json={"other_id": "bob"}).status_code == 204
    merged = client.post("/subjects/countess/merge", json={"into": "ada"})
    assert merged.json() == {"subject_id": "ada", "templates": 1}
    assert client.get("/duplicates").json()["pairs"] == []
    assert client.post("/subjects/countess/merge", json={"into": "ada"}).json()["code"] == "SUBJECT_NOT_FOUND"
    assert client.post("/subjects/ada/merge", json={"into": "ada"}).status_code == 422
    assert client.get("/duplicates", params={"cursor": "forged"}).json()["code"] == "BAD_CURSOR"


def test_pictures_need_a_sealing_key(client: TestClient) -> None:
    refused = client.patch("/collections/default", json={"door": {"keep_pictures": True}})
    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_SEALED")
    put(client, "ada", 1)
    (template,) = client.get("/subjects/ada").json()["templates"]
    assert template["picture"] is False
    missing = client.get(f"/subjects/ada/templates/{template['template_id']}/picture")
    assert (missing.status_code, missing.json()["code"]) == (404, "PICTURE_NOT_KEPT")


def test_the_audit_log_is_held_against_itself(client: TestClient) -> None:
    put(client, "ada", 1)
    found = client.get("/audit/verify").json()
    assert (found["acts"], found["broken"]) == (1, None)
    (act,) = client.get("/audit", params={"act": "subject"}).json()["acts"]
    assert act["digest"] == found["digest"]
    assert client.get("/audit", params={"act": "subj"}).json()["acts"] == []
    assert client.get("/audit/verify", params={"expect": found["digest"]}).json()["broken"] is None
    assert client.get("/audit/verify", params={"expect": "0" * 63 + "1"}).json()["broken"] is not None
