from __future__ import annotations

import base64

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.api import cursors
from app.errors import BadCursor
from tests.doubles import photo


def enroll(client: TestClient, person: int, subject_id: str, **fields: str) -> str:
    answer = client.post("/enroll", files={"images": photo(person)}, data={"subject_id": subject_id, **fields})
    assert answer.status_code == 201
    return str(answer.json()["accepted"][0]["template_id"])


def test_pages_show_everybody_once(client: TestClient) -> None:
    names = [f"p-{number}" for number in range(5)]
    for person, name in enumerate(names):
        enroll(client, person, name)
    seen, cursor, pages = [], None, 0
    while True:
        page = client.get("/subjects", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [one["subject_id"] for one in page["subjects"]]
        pages, cursor = pages + 1, page["next_cursor"]
        if cursor is None:
            break
    assert (seen, pages) == (names, 3)
    assert page["subjects"][0]["templates"] == 1


def test_a_cursor_is_good_for_its_collection_only(client: TestClient) -> None:
    client.post("/collections", json={"name": "fair"})
    for person in range(2):
        enroll(client, person, f"p{person}")
    cursor = client.get("/subjects", params={"limit": 1}).json()["next_cursor"]
    assert client.get("/subjects", params={"cursor": cursor}).status_code == 200
    for forged in (cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), "AAAA", "%%", base64.b64encode(b"p0").decode()):
        answer = client.get("/subjects", params={"cursor": forged})
        assert (answer.status_code, answer.json()["code"]) == (422, "BAD_CURSOR")
    answer = client.get("/subjects", params={"cursor": cursor, "collection": "fair"})
    assert answer.json()["code"] == "BAD_CURSOR"


@given(st.text(max_size=64), st.text(max_size=64), st.binary(min_size=32, max_size=32))
def test_cursors_come_back_and_forged_ones_do_not(scope: str, after: str, secret: bytes) -> None:
    cursor = cursors.sign(secret, scope, after)
    assert cursors.read(secret, scope, cursor) == after
    for other in ((bytes(32) if secret != bytes(32) else b"1" * 32, scope), (secret, scope + "x")):
        with pytest.raises(BadCursor):
            cursors.read(*other, cursor)


@given(st.text(max_size=100))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        cursors.read(b"s" * 32, "default", text)


def test_a_subject_is_changed(client: TestClient) -> None:
    enroll(client, 1, "ada", name="Ada", metadata='{"a": 1}')
    changed = client.patch("/subjects/ada", json={"name": "Ada King"}).json()
    assert (changed["name"], changed["metadata"], changed["templates"]) == ("Ada King", {"a": 1}, 1)
    changed = client.patch("/subjects/ada", json={"name": None, "metadata": {"b": 2}}).json()
    assert (changed["name"], changed["metadata"]) == (None, {"b": 2})
    shown = client.get("/subjects/ada").json()
    assert shown["metadata"] == {"b": 2}
    assert shown["updated_at"] > shown["created_at"]


def test_a_template_is_shown_without_its_vectors(client: TestClient) -> None:
    template = enroll(client, 1, "ada")
    shown = client.get(f"/subjects/ada/templates/{template}").json()
    assert shown["box"] == [16, 0, 112, 96]
    assert (shown["model_id"], shown["detector"]) == ("fake-1", "squares")
    assert not {"embedding", "frontalized"} & set(shown)
    assert client.get("/subjects/ada").json()["templates"] == [shown]


def test_collections_are_counted(client: TestClient) -> None:
    client.post("/collections", json={"name": "fair"})
    enroll(client, 1, "ada", collection="fair")
    enroll(client, 1, "ada", collection="fair")
    listed = {one["name"]: one for one in client.get("/collections").json()["collections"]}
    assert (listed["fair"]["subjects"], listed["fair"]["templates"]) == (1, 2)
    assert (listed["fair"]["model_id"], listed["default"]["model_id"]) == ("fake-1", None)
    assert client.get("/collections/fair").json() == listed["fair"]
