"""What the service says of itself: each figure, what needs a look, and nothing that is nobody's business."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import delete, update
from sqlalchemy.exc import OperationalError

from app.main import create_app
from app.service.acts import Checked
from app.service.health import LEAST_FREE, LITTLE_FREE, Disk, EndingKey, Health, Rows
from app.service.index import IndexState
from app.service.parts import Parts
from app.service.retention import run
from app.service.snapshots import SAVE_SECONDS, SnapshotState
from app.settings import Settings
from app.store.audit_models import AuditHead
from app.store.models import Collection, now
from app.store.outbox_models import Delivery
from tests.doubles import FailingGallery, FakeEngine, photo

KEY = "a-key-of-some-length"
GIB = 2**30


def told(client: TestClient, **headers: str) -> dict[str, Any]:
    answer = client.get("/health", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def parts_of(client: TestClient) -> Parts:
    return client.app.state.running.parts


def about(found: dict[str, Any]) -> dict[str, str]:
    return {one["about"]: one["state"] for one in found["concerns"]}


def enrol(client: TestClient, *people: int) -> None:
    for person in people:
        sent = {"subject_id": f"p{person}", "name": "Lovelace"}
        client.post("/enroll", files={"images": photo(person)}, data=sent).raise_for_status()


def test_what_runs(client: TestClient) -> None:
    found = told(client)
    engine = parts_of(client).engine
    assert [found[one] for one in ("model_id", "extractor", "detector", "runtime")] == [
        engine.model_id,
        engine.extractor,
        engine.detector,
        engine.runtime,
    ]
    assert found["version"]
    assert found["machine"]["threads"] == 2
    assert found["sealed"] is False
    kind = parts_of(client).database.url.get_backend_name()
    assert found["database"] == {"kind": kind, "answers": True}
    assert found["index"]["gallery"] == "faiss"
    assert found["disk"]["total"] >= found["disk"]["free"] > 0


def test_templates_in_the_index_and_in_the_rows(client: TestClient, gallery: FailingGallery) -> None:
    enrol(client, 1, 2, 3)
    client.delete("/subjects/p2")
    index = told(client)["index"]
    assert (index["ready"], index["templates"], index["rows"], index["behind"]) == (True, 2, 2, 0)
    # Another process committed two changes that were not read yet.
    database = parts_of(client).database
    with database.writing() as session:
        session.execute(update(Collection).values(change=Collection.change + 2))
    found = told(client)
    assert found["index"]["behind"] == 2
    assert about(found)["index"] == "look"
    gallery.broken = True
    client.post("/identify", files={"image": photo(1)})
    found = told(client)
    assert found["index"]["ready"] is False
    assert about(found)["index"] == "bad"


def test_the_snapshots_age(client: TestClient) -> None:
    enrol(client, 1)
    snapshot = told(client)["snapshot"]
    assert snapshot["saved_at"] is None
    assert snapshot["unsaved"] >= 1
    assert snapshot["unsaved_seconds"] >= 0
    before = now()
    parts_of(client).index.save()
    snapshot = told(client)["snapshot"]
    assert snapshot["saved_at"] >= (before - timedelta(seconds=2)).isoformat()[:19]
    assert (snapshot["unsaved"], snapshot["unsaved_seconds"]) == (0, 0)


def test_free_space(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    for free, state in ((4 * GIB, "look"), (GIB // 2, "bad"), (40 * GIB, None)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(100 * GIB, 0, free))
        found = told(client)
        assert found["disk"] == {"free": free, "total": 100 * GIB}
        assert about(found).get("disk") == state


def test_webhooks_that_wait_and_that_were_given_up(client: TestClient) -> None:
    client.post("/webhooks", json={"url": "https://93.184.216.34/hook"}).raise_for_status()
    enrol(client, 1, 2)
    for person in (1, 2):
        client.post("/visits", files={"images": photo(person)}).raise_for_status()
    database = parts_of(client).database
    with database.writing() as session:
        # Nothing is sent from here: what the courier makes of it would be a matter of time.
        session.execute(update(Delivery).values(state="pending", due_at=now() + timedelta(days=1)))
    found = told(client)["webhooks"]
    assert found["waiting"] == 2
    assert found["dead"] == 0
    assert found["oldest_waiting"]
    with database.writing() as session:
        session.execute(update(Delivery).values(state="dead"))
    found = told(client)
    assert (found["webhooks"]["waiting"], found["webhooks"]["dead"]) == (0, 2)
    assert found["webhooks"]["oldest_waiting"] is None
    assert about(found)["webhooks"] == "look"


def test_the_last_run_of_the_retention_clock(client: TestClient) -> None:
    assert told(client)["retention"] == {"ran_at": None, "erased": 0}
    run(parts_of(client))
    found = told(client)["retention"]
    assert found["ran_at"]
    assert found["erased"] == 0


def test_keys_that_end_soon(client: TestClient) -> None:
    admin = client.post("/keys", json={"name": "office", "scopes": ["admin"]}).json()["key"]
    own = {"X-API-Key": admin}
    for name, days in (("soon", 3), ("later", 10), ("far", 90)):
        client.post("/keys", json={"name": name, "scopes": ["visits"], "lifetime_days": days}, headers=own)
    gone = client.post("/keys", json={"name": "gone", "scopes": ["visits"], "lifetime_days": 2}, headers=own).json()
    client.delete(f"/keys/{gone['key_id']}", headers=own)
    answer = client.get("/health", headers=own)
    found = answer.json()
    assert [key["name"] for key in found["keys"]] == ["soon", "later"]
    assert about(found)["keys"] == "look"
    assert admin not in answer.text
    assert admin.split("_", 2)[2] not in answer.text


def test_the_audit_log_and_when_it_was_checked(client: TestClient) -> None:
    enrol(client, 1)
    found = told(client)
    assert found["audit"] == {"acts": 1, "checked": None}
    assert about(found)["audit"] == "look"
    client.get("/audit/verify").raise_for_status()
    enrol(client, 2)
    found = told(client)
    assert found["audit"]["acts"] == 2
    assert (found["audit"]["checked"]["acts"], found["audit"]["checked"]["broken"]) == (1, None)
    assert "audit" not in about(found)
    with parts_of(client).database.writing() as session:
        session.execute(delete(AuditHead))
    client.get("/audit/verify").raise_for_status()
    found = told(client)
    assert found["audit"]["checked"]["broken"] == 3
    assert about(found)["audit"] == "bad"


def test_requests_and_failures(client: TestClient) -> None:
    before = told(client)
    client.get("/healthz")
    client.get("/nowhere")
    after = told(client)
    assert after["requests"] == before["requests"] + 3
    assert after["failures"] == before["failures"] == 0


def test_it_answers_where_the_database_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path, api_key=SecretStr(KEY), threads=1, log_level="error")
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as client:

        def gone(*_: Any, **__: Any) -> Any:
            raise OperationalError("connect", {}, OSError("gone"))

        with monkeypatch.context() as patch:
            patch.setattr(parts_of(client).database, "_options", gone)
            found = told(client, **{"X-API-Key": KEY})
        assert found["database"] == {"kind": "sqlite", "answers": False}
        assert [found[one] for one in ("webhooks", "retention", "keys", "audit")] == [None] * 4
        assert about(found)["database"] == "bad"


def test_nothing_of_anybody_is_in_it_and_not_every_key_may_ask(client: TestClient) -> None:
    enrol(client, 1)
    client.post("/visits", files={"images": photo(1)}).raise_for_status()
    text = json.dumps(told(client))
    assert "Lovelace" not in text
    assert "p1" not in text
    made = client.post("/keys", json={"name": "a", "scopes": ["admin"], "collections": ["default"]}).json()["key"]
    assert client.get("/health", headers={"X-API-Key": made}).status_code == 403
    assert client.get("/health").status_code == 401


WELL = Health(
    at=now(),
    database="sqlite",
    index=IndexState(True, 10),
    snapshot=SnapshotState(None, 1, 30.0),
    disk=Disk(20 * GIB, 100 * GIB),
    checked=Checked(now() - timedelta(days=3), 4, None),
    rows=Rows(10, 0, 3, now() - timedelta(minutes=5), 0, now() - timedelta(hours=1), 0, (), 4),
)


def test_all_is_well() -> None:
    assert WELL.concerns() == []


@pytest.mark.parametrize(
    ("changes", "rows", "expected"),
    [
        ({"index": IndexState(True, None)}, {}, ("index", "bad")),
        ({"snapshot": SnapshotState(None, 1, 3 * SAVE_SECONDS)}, {}, ("snapshot", "look")),
        ({"disk": Disk(LITTLE_FREE - 1, 100 * GIB)}, {}, ("disk", "look")),
        ({"disk": Disk(LEAST_FREE - 1, 100 * GIB)}, {}, ("disk", "bad")),
        ({"checked": Checked(now() - timedelta(days=31), 4, None)}, {}, ("audit", "look")),
        ({}, {"behind": 1}, ("index", "look")),
        ({}, {"oldest_waiting": now() - timedelta(hours=2)}, ("webhooks", "look")),
        ({}, {"dead": 1}, ("webhooks", "look")),
        ({}, {"retention_at": now() - timedelta(days=2)}, ("retention", "look")),
        ({}, {"retention_at": now() + timedelta(days=2)}, ("retention", "look")),
        ({}, {"ending_keys": (EndingKey("0", "tablet", now()),)}, ("keys", "look")),
    ],
)
def test_what_needs_a_look(changes: dict[str, Any], rows: dict[str, Any], expected: tuple[str, str]) -> None:
    assert WELL.rows is not None
    found = replace(WELL, rows=replace(WELL.rows, **rows), **changes).concerns()
    assert [(one.about, one.state) for one in found] == [expected]
