"""The door: who signs in, how often, and what is written down."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from app.api.routers import visits as router
from app.main import create_app
from app.service import visits
from app.service.house import opened
from app.service.reindexing import reindex
from app.settings import Settings
from tests.doubles import FakeEngine, photo

T0 = datetime(2026, 3, 29, 8, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(visits, "now", made)
    return made


@pytest.fixture
def door(client: TestClient) -> Iterator[TestClient]:
    """Ada is picture 1, Bob picture 2."""
    for person, name in ((1, "ada"), (2, "bob")):
        answer = client.post(
            "/enroll", files={"images": photo(person)}, data={"subject_id": name, "name": name.title()}
        )
        assert answer.status_code == 201
    return client


def frames(*pictures: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("images", ("a.png", one, "image/png")) for one in pictures]


def sign_in(client: TestClient, *pictures: bytes, key: str | None = None, **fields: str) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    if pictures:
        return client.post("/visits", files=frames(*pictures), data=fields, headers=headers)
    return client.post("/visits", json=fields, headers=headers)


def signed(client: TestClient, *pictures: bytes, key: str | None = None, **fields: str) -> Any:
    answer = sign_in(client, *pictures, key=key, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def change(client: TestClient, **rules: Any) -> None:
    answer = client.patch("/collections/default", json={"door": rules})
    assert answer.status_code == 200, answer.text


def listed(client: TestClient, **filters: str) -> Any:
    answer = client.get("/visits", params=filters)
    assert answer.status_code == 200, answer.text
    return answer.json()["visits"]


def test_a_face_is_greeted_and_written_down(door: TestClient) -> None:
    made = signed(door, photo(1, spread=20))
    assert (made["decision"], made["subject_id"], made["name"]) == ("match", "ada", "Ada")
    assert (made["action"], made["method"], made["reentry"], made["replayed"]) == ("checked_in", "face", False, False)
    assert made["score"] >= made["threshold"]
    assert made["checked_in_at"]
    assert made["checked_out_at"] is None
    shown = door.get(f"/visits/{made['visit_id']}").json()
    assert shown == {name: made[name] for name in shown}
    assert listed(door, open="true") == [shown]


def test_a_stranger_is_not_let_in_and_leaves_a_score_only(door: TestClient) -> None:
    made = signed(door, photo(7))
    assert (made["decision"], made["subject_id"], made["name"], made["action"]) == ("no_match", None, None, None)
    assert listed(door) == []
    (attempt,) = listed(door, decision="no_match")
    assert attempt["score"] < attempt["threshold"]
    assert attempt["checked_in_at"] is None


def test_the_decision_is_taken_over_all_frames_by_their_quality(door: TestClient) -> None:
    change(door, reentry_seconds=0)
    alone = signed(door, photo(1, spread=200), direction="in")["score"]
    several = signed(door, photo(1, quality=90), photo(1, spread=200, quality=30), direction="in")
    assert several["subject_id"] == "ada"
    assert several["score"] == pytest.approx(0.75 + 0.25 * alone, abs=1e-3)
    assert [frame["weight"] for frame in several["quality"]] == pytest.approx([0.75, 0.25])


def test_frames_of_somebody_else_do_not_count(door: TestClient) -> None:
    made = signed(door, photo(1, quality=50), photo(2, quality=80), photo(2, quality=60))
    assert made["subject_id"] == "bob"
    assert [frame["code"] for frame in made["quality"]] == ["OTHER_FACE", None, None]


def test_frames_that_cannot_be_used_are_named(door: TestClient) -> None:
    change(door, min_quality=30)
    made = signed(door, b"no picture", photo(1), photo(1, quality=14))
    assert made["decision"] == "match"
    assert made["frames"] == 1
    assert [frame["code"] for frame in made["quality"]] == ["NOT_AN_IMAGE", None, "LOW_QUALITY"]
    refused = sign_in(door, b"no picture", photo(1, quality=14))
    assert (refused.status_code, refused.json()["code"]) == (422, "LOW_QUALITY")
    assert len(listed(door, decision="any")) == 1, "a refusal writes nothing"


def test_one_to_one_by_id_and_by_code(door: TestClient) -> None:
    code = door.post("/subjects/ada/codes", json={}).json()["code"]
    assert door.post("/subjects/bob/codes", json={"code": code}).json()["code"] == "CODE_TAKEN"
    assert door.post("/subjects/ada/codes", json={"code": code}).status_code == 201, "it is hers"
    made = signed(door, photo(1, spread=30), code=code)
    assert (made["decision"], made["method"], made["subject_id"]) == ("match", "verify", "ada")
    wrong = signed(door, photo(2), subject_id="ada")
    assert (wrong["decision"], wrong["subject_id"], wrong["name"]) == ("no_match", None, None)
    assert sign_in(door, photo(1), code="nobody").json()["code"] == "SUBJECT_NOT_FOUND"
    assert door.delete("/subjects/ada/codes").status_code == 204
    assert sign_in(door, code=code, method="code").json()["code"] == "SUBJECT_NOT_FOUND"


def test_without_a_face(door: TestClient) -> None:
    door.post("/subjects/ada/codes", json={"code": "badge-0042"})
    made = signed(door, code="badge-0042", method="code")
    assert (made["decision"], made["method"], made["score"], made["frames"]) == ("match", "code", None, 0)
    assert signed(door, subject_id="bob", method="staff")["name"] == "Bob"
    assert sign_in(door, subject_id="bob", method="list").json()["code"] == "METHOD_REFUSED"
    assert door.get("/door/names", params={"letters": "bo"}).json()["code"] == "METHOD_REFUSED"
    change(door, methods=["list"])
    assert signed(door, subject_id="bob", method="list")["action"] == "repeated"
    assert door.get("/door/names", params={"letters": "BO"}).json()["names"] == [{"subject_id": "bob", "name": "Bob"}]
    assert door.get("/door/names", params={"letters": "%b"}).json()["names"] == []
    assert sign_in(door, photo(1)).json()["code"] == "METHOD_REFUSED"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"method": "code"},
        {"method": "code", "subject_id": "ada"},
        {"method": "list", "code": "badge-0042"},
        {"subject_id": "ada"},
        {"subject_id": "ada", "code": "badge-0042", "method": "code"},
        {"method": "staff", "subject_id": "ada", "direction": "up"},
    ],
)
def test_what_does_not_fit_together_is_refused(door: TestClient, fields: dict[str, str]) -> None:
    assert sign_in(door, **fields).status_code == 422


def test_nobody_signs_in_twice_within_the_window(door: TestClient, clock: Clock) -> None:
    first = signed(door, photo(1))
    clock.pass_by(seconds=59)
    again = signed(door, photo(1), key="another")
    assert (again["visit_id"], again["action"], again["reentry"]) == (first["visit_id"], "repeated", True)
    clock.pass_by(seconds=61)
    left = signed(door, photo(1))
    assert (left["visit_id"], left["action"]) == (first["visit_id"], "checked_out")
    assert left["checked_out_at"] > left["checked_in_at"]
    assert signed(door, photo(1))["action"] == "repeated", "the second touch at the exit"
    back = signed(door, photo(1), direction="in")
    assert (back["visit_id"], back["action"], back["checked_out_at"]) == (first["visit_id"], "resumed", None)
    assert signed(door, photo(1), direction="out")["action"] == "checked_out", "said in so many words"
    clock.pass_by(minutes=5)
    assert sign_in(door, photo(1), direction="out").json()["code"] == "NO_OPEN_VISIT"
    assert signed(door, photo(1))["visit_id"] != first["visit_id"]
    assert len(listed(door)) == 2


def test_who_forgot_to_leave_is_not_there_twice(door: TestClient, clock: Clock) -> None:
    first = signed(door, photo(1), direction="in")
    clock.pass_by(hours=20)
    second = signed(door, photo(1), direction="in")
    assert second["visit_id"] != first["visit_id"]
    assert [one["visit_id"] for one in listed(door, open="true")] == [second["visit_id"]]


def test_a_clock_put_back_makes_no_second_visit_and_no_negative_stay(door: TestClient, clock: Clock) -> None:
    first = signed(door, photo(1))
    clock.pass_by(seconds=-30)
    assert signed(door, photo(1))["visit_id"] == first["visit_id"]
    clock.pass_by(hours=-3)
    left = signed(door, photo(1))
    assert left["action"] == "checked_out"
    assert left["checked_out_at"] == left["checked_in_at"]
    clock.pass_by(days=400)
    assert signed(door, photo(1))["action"] == "checked_in"
    assert [one["checked_out_at"] is None for one in listed(door)] == [True, False], "in the order they were made"


def test_a_lost_answer_is_given_again(door: TestClient, clock: Clock) -> None:
    first = signed(door, photo(1), key="k-1")
    clock.pass_by(hours=2)
    again = signed(door, photo(1), key="k-1")
    assert again["replayed"] is True
    assert {**again, **{name: first[name] for name in ("replayed", "quality", "timings_ms", "request_id")}} == first
    assert signed(door, photo(7), key="k-2")["decision"] == "no_match"
    assert signed(door, photo(7), key="k-2")["replayed"] is True
    assert len(listed(door, decision="any")) == 2
    other = sign_in(door, photo(2), key="k-1")
    assert (other.status_code, other.json()["code"]) == (422, "KEY_REUSED")


def test_many_at_once_make_one_visit(door: TestClient) -> None:
    """A double touch, and a kiosk that sends again while the first request is still running."""

    def one(number: int) -> Any:
        return signed(door, photo(1), key="same" if number % 2 else f"k-{number}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(16)))
    assert len({one["visit_id"] for one in answers}) == 1
    assert sum(one["action"] == "checked_in" and not one["replayed"] for one in answers) == 1
    assert len(listed(door)) == 1


def test_pages_and_filters(door: TestClient, clock: Clock) -> None:
    change(door, reentry_seconds=0)
    for minute in range(6):
        clock.pass_by(minutes=1)
        signed(door, photo(1 + minute % 2), direction="in")
    everything = listed(door)
    assert [one["created_at"] for one in everything] == sorted((one["created_at"] for one in everything), reverse=True)
    walked: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = door.get("/visits", params={"limit": "4", **cursor}).json()
        walked += page["visits"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert walked == everything
    assert door.get("/visits", params={"subject_id": "ada", **cursor}).json()["code"] == "BAD_CURSOR"
    assert {one["subject_id"] for one in listed(door, subject_id="ada")} == {"ada"}
    since = (T0 + timedelta(minutes=3)).isoformat()
    assert len(listed(door, since=since)) == 4
    assert len(listed(door, until=since)) == 2
    assert len(listed(door, open="true")) == 2
    assert listed(door, method="code") == []
    assert door.get("/visits", params={"since": "2026-03-29T08:00:00"}).status_code == 422, "a time without a zone"
    assert door.get("/visits/0199d7a4-8f3e-7c41-9d15-3a0f6f0e2b11").json()["code"] == "VISIT_NOT_FOUND"


@pytest.mark.parametrize("name", ["=1+2", "@SUM(A1)", "+49 30", "-2", "  =cmd|' /C calc'!A0", "\uff1d1", '"a", b'])
def test_names_run_no_formula_in_a_spreadsheet(door: TestClient, name: str) -> None:
    door.patch("/subjects/ada", json={"name": name})
    signed(door, photo(1))
    answer = door.get("/visits.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(StringIO(answer.text))
    assert row["name"] == (name if name.startswith('"') else "'" + name)
    assert row["subject_id"] == "ada"
    assert row["score"][0] != "'"


def test_the_table_has_every_page(door: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "_PAGE", 2)
    change(door, reentry_seconds=0)
    made = [signed(door, photo(1), direction="in")["visit_id"] for _ in range(5)]
    rows = list(csv.DictReader(StringIO(door.get("/visits.csv").text)))
    assert [row["visit_id"] for row in rows] == made[::-1]
    assert door.get("/visits.csv", params={"collection": "none"}).json()["code"] == "COLLECTION_NOT_FOUND"


def test_html_in_a_name_is_text_in_json(door: TestClient) -> None:
    name = "<script>alert(1)</script>"
    door.patch("/subjects/ada", json={"name": name})
    answer = sign_in(door, photo(1))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(answer.text)["name"] == name


def test_not_this_person(door: TestClient) -> None:
    """A face that was taken for Ada is Eve: it is not taken for Ada again, and Ada still is herself."""
    eve = photo(1, spread=90)
    made = signed(door, eve)
    assert made["subject_id"] == "ada"
    done = door.post(f"/visits/{made['visit_id']}/correct", json={})
    assert done.status_code == 200, done.text
    assert (done.json()["decision"], done.json()["subject_id"], done.json()["impostor"]) == ("no_match", None, True)
    assert listed(door, open="true") == []
    again = signed(door, eve)
    assert (again["decision"], again["subject_id"]) == ("no_match", None)
    assert signed(door, eve, subject_id="ada")["decision"] == "no_match"
    assert signed(door, photo(1))["subject_id"] == "ada"
    refused = door.post(f"/visits/{made['visit_id']}/correct", json={})
    assert refused.json()["code"] == "NOT_CORRECTABLE"


def test_a_correction_counts_wherever_faces_are_compared(door: TestClient) -> None:
    eve = photo(1, spread=90)
    files = {"image": ("eve.png", eve)}
    before = door.post("/identify", files=files).json()["faces"][0]
    assert (before["decision"], before["match"]["disputed"]) == ("match", False)
    assert door.post("/verify", files=files, data={"subject_id": "ada"}).json()["match"]
    for spread in (86, 90):  # two people, whose mean would be neither
        made = signed(door, photo(1, spread=spread))
        assert door.post(f"/visits/{made['visit_id']}/correct", json={}).json()["impostor"] is True
    after = door.post("/identify", files=files).json()["faces"][0]
    assert (after["decision"], after["match"]) == ("no_match", None)
    ada = next(one for one in after["candidates"] if one["subject_id"] == "ada")
    assert ada["disputed"]
    assert ada["score"] == before["match"]["score"], "the score tells what it told"
    told = door.post("/verify", files=files, data={"subject_id": "ada"}).json()
    assert (told["match"], told["disputed"]) == (False, True)
    assert told["score"] >= told["threshold"]["threshold"]
    herself = {"image": ("ada.png", photo(1))}
    assert door.post("/identify", files=herself).json()["faces"][0]["match"]["subject_id"] == "ada"
    assert door.post("/verify", files=herself, data={"subject_id": "ada"}).json()["match"]


def test_a_covered_face_is_held_against_the_same_threshold_as_in_identify(door: TestClient) -> None:
    bare, covered = photo(1), photo(1, covered=0.5)
    files = {"image": ("covered.png", covered)}
    asked = door.post("/identify", files=files).json()["faces"][0]["threshold"]
    assert asked["raised"] > 0.1
    assert signed(door, covered)["threshold"] == pytest.approx(asked["threshold"])
    assert signed(door, bare)["threshold"] == pytest.approx(asked["threshold"] - asked["raised"])
    asked = door.post("/verify", files=files, data={"subject_id": "ada"}).json()["threshold"]
    assert signed(door, covered, subject_id="ada")["threshold"] == pytest.approx(asked["threshold"])


def test_a_correction_outlives_another_frontalizer(tmp_path: Path, database_url: str) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_url, threads=1, log_level="error")
    eve = photo(1, spread=90)
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as client:
        client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada"})
        visit = signed(client, eve)["visit_id"]
        assert client.post(f"/visits/{visit}/correct", json={}).json()["impostor"] is True
    with opened(settings, FakeEngine("fake-2", turn=5)) as parts:
        assert reindex(parts).changed == 1
    with TestClient(create_app(settings, FakeEngine("fake-2", turn=5)), base_url="http://127.0.0.1") as client:
        assert signed(client, eve)["decision"] == "no_match"
        assert signed(client, photo(1))["subject_id"] == "ada"


def test_it_was_somebody_else(door: TestClient) -> None:
    made = signed(door, photo(1, spread=40))
    path = f"/visits/{made['visit_id']}/correct"
    assert door.post(path, json={"subject_id": "ada"}).status_code == 422
    assert door.post(path, json={"subject_id": "nobody"}).json()["code"] == "SUBJECT_NOT_FOUND"
    done = door.post(path, json={"subject_id": "bob"}).json()
    assert (done["decision"], done["subject_id"], done["method"]) == ("match", "bob", "staff")
    assert door.delete("/subjects/bob").status_code == 204
    assert door.get(f"/visits/{made['visit_id']}").json()["code"] == "VISIT_NOT_FOUND", "visits go with their subject"
    assert signed(door, photo(1, spread=40))["subject_id"] == "ada", "and so does the face that was bob's"


def test_a_visit_without_its_face_is_corrected_in_the_record_alone(door: TestClient) -> None:
    change(door, correction_hours=0)
    made = signed(door, photo(1))
    assert door.post(f"/visits/{made['visit_id']}/correct", json={}).json()["impostor"] is False
    assert signed(door, photo(1))["subject_id"] == "ada"


def test_rules_are_kept_and_refused(door: TestClient) -> None:
    change(door, reentry_seconds=300, trigger="badge")
    rules = door.get("/door").json()["rules"]
    assert (rules["reentry_seconds"], rules["trigger"], rules["correction_hours"]) == (300, "badge", 24)
    change(door, trigger="auto")
    assert door.get("/door").json()["rules"]["reentry_seconds"] == 300, "what is left out stays"
    for wrong in ({"reentry_seconds": -1}, {"methods": []}, {"no_such": 1}, {"retention_days": 0}):
        assert door.patch("/collections/default", json={"door": wrong}).status_code == 422
    assert door.patch("/collections/none", json={"door": {}}).json()["code"] == "COLLECTION_NOT_FOUND"


def test_the_database_gone_and_back(door: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kiosk's request is refused while the database is away; sent again with its key it is done once."""
    database = door.app.state.running.parts.database  # type: ignore[attr-defined]

    def gone(*_: Any, **__: Any) -> Any:
        raise OperationalError("connect", {}, OSError("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(database, "_options", gone)
        answer = sign_in(door, photo(1), key="k")
        assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
    assert signed(door, photo(1), key="k")["action"] == "checked_in"
    assert signed(door, photo(1), key="k")["replayed"] is True
    assert len(listed(door)) == 1


def test_an_id_that_somebody_types_is_compared_and_opens_nothing_alone(client: TestClient) -> None:
    client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada-1"}).raise_for_status()
    shown = {"images": photo(1)}
    verified = client.post("/visits", files=shown, data={"code": "ada-1"}).json()
    assert (verified["decision"], verified["method"], verified["subject_id"]) == ("match", "verify", "ada-1")
    other = client.post("/visits", files={"images": photo(9)}, data={"code": "ada-1"}).json()
    assert (other["decision"], other["subject_id"]) == ("no_match", None)
    assert client.post("/visits", json={"method": "code", "code": "ada-1"}).json()["code"] == "SUBJECT_NOT_FOUND"


def test_visits_are_counted_with_the_filters_of_the_list(client: TestClient) -> None:
    for person in (1, 2):
        client.post("/enroll", files={"images": photo(person)}, data={"subject_id": f"p{person}"}).raise_for_status()
        client.post("/visits", files={"images": photo(person)}).raise_for_status()
    client.post("/visits", files={"images": photo(9)}).raise_for_status()
    client.post("/visits", json={"method": "staff", "subject_id": "p1", "direction": "out"}).raise_for_status()
    for asked in ({}, {"decision": "any"}, {"open": True}, {"open": False}, {"subject_id": "p2"}, {"method": "staff"}):
        listed = client.get("/visits", params=asked).json()["visits"]
        assert client.get("/visits/count", params=asked).json() == {"visits": len(listed)}, asked
