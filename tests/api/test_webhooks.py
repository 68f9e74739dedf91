"""Webhooks and the live board over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.routers import board
from tests.doubles import photo

PUBLIC = "https://93.184.216.34/hook"  # an address, so that no name has to be looked up


@pytest.fixture
def door(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Streams end at once; Ada is picture 1."""
    monkeypatch.setattr(board, "LIFE_SECONDS", 0.0)
    assert client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada"}).status_code == 201
    return client


def test_a_webhook_is_made_shown_changed_and_deleted(door: TestClient) -> None:
    made = door.post("/webhooks", json={"url": PUBLIC, "kinds": ["visit.checked_out"]})
    assert made.status_code == 201, made.text
    hook = made.json()
    assert hook["secret"].startswith("whsec_")
    (listed,) = door.get("/webhooks").json()["webhooks"]
    assert listed == {**hook, "secret": None}
    path = f"/webhooks/{hook['webhook_id']}"
    changed = door.patch(path, json={"enabled": False, "kinds": []}).json()
    assert (changed["enabled"], changed["kinds"], changed["url"], changed["secret"]) == (False, [], PUBLIC, None)
    assert door.patch(path, json={"rotate_secret": True}).json()["secret"] not in (None, hook["secret"])
    assert door.patch(path, json={"url": "https://127.0.0.1/"}).json()["code"] == "TARGET_REFUSED"
    assert door.get(f"{path}/deliveries").json() == {"deliveries": [], "next_cursor": None}
    assert door.post(f"{path}/resend", json={}).json() == {"resent": 0}
    door.post("/collections", json={"name": "fair"})
    assert door.get(f"{path}/deliveries", params={"collection": "fair"}).json()["code"] == "WEBHOOK_NOT_FOUND"
    assert door.delete(path).status_code == 204
    assert door.delete(path).json()["code"] == "WEBHOOK_NOT_FOUND"


@pytest.mark.parametrize("url", ["http://93.184.216.34/", "https://localhost:8000/", "file:///etc/passwd", "x"])
def test_a_webhook_into_the_house_is_refused(door: TestClient, url: str) -> None:
    refused = door.post("/webhooks", json={"url": url})
    assert (refused.status_code, refused.json()["code"]) == (422, "TARGET_REFUSED")


def test_there_are_only_so_many(door: TestClient) -> None:
    made = [door.post("/webhooks", json={"url": PUBLIC}).status_code for _ in range(21)]
    assert made == [201] * 20 + [409]
    assert door.post("/webhooks", json={"url": PUBLIC, "kinds": ["no.such"]}).status_code == 422


def stream(client: TestClient, **options: Any) -> list[tuple[str, int, Any]]:
    """What a board is sent: names, numbers, data."""
    answer = client.get("/board/events", **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.strip().split("\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":"))
        found.append((lines["event"], int(lines["id"]), json.loads(lines["data"])))
    return found


def test_a_board_sees_what_happens_and_goes_on_where_it_was(door: TestClient) -> None:
    (ready,) = stream(door)
    assert ready[0] == "ready"
    start = ready[1]
    name = "<img src=x onerror=alert(1)>"
    door.patch("/subjects/ada", json={"name": name})
    visit = door.post("/visits", files={"images": photo(1)}).json()
    (_, arrived) = stream(door, params={"after": start})
    assert arrived[0] == "visit.checked_in"
    assert (arrived[2]["data"]["visit_id"], arrived[2]["data"]["name"]) == (visit["visit_id"], name)
    door.post("/visits", files={"images": photo(1)}, data={"direction": "out"})
    resumed = stream(door, headers={"Last-Event-ID": str(arrived[1])})
    assert [one[0] for one in resumed] == ["ready", "visit.checked_out"]
    assert resumed[1][1] > arrived[1]
    assert [one[0] for one in stream(door)] == ["ready"], "who does not say sees the present only"


def test_a_board_sees_its_collection_only(door: TestClient) -> None:
    door.post("/collections", json={"name": "fair"})
    door.post("/visits", files={"images": photo(1)})
    assert [one[0] for one in stream(door, params={"collection": "fair", "after": 0})] == ["ready"]
    assert door.get("/board/events", params={"collection": "none"}).json()["code"] == "COLLECTION_NOT_FOUND"
    assert door.get("/board/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_subject_that_is_gone_is_not_sent_again(door: TestClient) -> None:
    door.post("/visits", files={"images": photo(1)})
    door.delete("/subjects/ada")
    assert [one[0] for one in stream(door, params={"after": 0})] == ["ready"]


def test_only_so_many_boards_listen(door: TestClient) -> None:
    app: Any = door.app
    app.state.seats = board.Seats(0)
    refused = door.get("/board/events")
    assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")
    app.state.seats = board.Seats(1)
    for _ in range(3):
        stream(door)  # a seat is free again when its stream has ended
