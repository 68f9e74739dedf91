"""Keys: what each opens, and everything else stays closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update

from app.api.access import OPEN, RULES
from app.api.routers import board
from app.errors import ConfigurationError
from app.main import create_app
from app.service.callers import SCOPES, Scope
from app.settings import Settings
from app.store.database import Database
from app.store.key_models import Key
from app.store.models import now
from tests.api.test_access import operations
from tests.doubles import FakeEngine, photo

ADMIN = "the-key-of-the-settings"


@pytest.fixture
def client(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(board, "LIFE_SECONDS", 0.0)  # a stream without end would keep the test client waiting
    settings = Settings(data_dir=tmp_path, database_url=database_url, threads=2, api_key=ADMIN, log_level="error")
    with TestClient(create_app(settings, FakeEngine()), base_url="http://faces.example") as opened:
        yield opened


def as_(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def make(client: TestClient, *scopes: Scope, **more: Any) -> dict[str, Any]:
    made = client.post("/keys", json={"name": "a key", "scopes": scopes, **more}, headers=as_(ADMIN))
    assert made.status_code == 201, made.text
    body: dict[str, Any] = made.json()
    return body


def rows(client: TestClient) -> Database:
    database: Database = client.app.state.running.parts.database  # type: ignore[attr-defined]
    return database


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_key_is_shown_once_and_kept_nowhere(client: TestClient, tmp_path: Path) -> None:
    made = make(client, "identify")
    assert made["key"].startswith(f"frontalis_{made['key_id']}_")
    listed = client.get("/keys", headers=as_(ADMIN))
    assert made["key_id"] in listed.text
    secret = made["key"].split("_", 2)[2]
    assert secret not in listed.text
    with rows(client).reading() as session:
        assert all(secret not in str(row) for row in session.execute(text("SELECT * FROM api_keys")))
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_each_scope_opens_its_routes_and_no_other(client: TestClient) -> None:
    found = operations(client)
    for scope in SCOPES:
        key = make(client, scope, **({"collections": ["default"]} if scope == "kiosk" else {}))["key"]
        for name, (method, path, _) in found.items():
            if RULES[name] == OPEN or name == "metrics":
                continue
            answer = client.request(method, path, headers=as_(key))
            allowed = not RULES[name].scopes.isdisjoint({scope})
            assert (answer.status_code == 403) is not allowed, (scope, name, answer.text)


def test_a_key_opens_its_collections_and_no_other(client: TestClient) -> None:
    """Every route that names a collection, in its address, its query or its body."""
    for name in ("ours", "theirs"):
        assert client.post("/collections", json={"name": name}, headers=as_(ADMIN)).status_code == 201
    headers = as_(make(client, *[scope for scope in SCOPES if scope != "kiosk"], collections=["ours"])["key"])
    asked = set()
    for name, (method, path, operation) in operations(client).items():
        if RULES[name] == OPEN:
            continue
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        options: dict[str, Any] = {"headers": headers}
        if "example" in body:
            options["json"] = body["example"]
        if "collection" in body.get("schema", {}).get("properties", {}):
            options["json"] = {**body["example"], "collection": "theirs"} | _picture(body["example"])
            asked.add(name)
        if any(one["name"] == "collection" for one in operation.get("parameters", ())):
            options["params"] = {"collection": "theirs"}
            asked.add(name)
        if path.startswith("/collections/{name}"):
            asked.add(name)
        answer = client.request(method, path.replace("{name}", "theirs").replace("{subject_id}", "ada"), **options)
        if name in asked or RULES[name].everywhere:
            assert answer.status_code == 403, (name, answer.text)
    assert {"enroll", "identify", "verify", "list_subjects", "delete_subject", "delete_collection"} <= asked
    names = [one["name"] for one in client.get("/collections", headers=headers).json()["collections"]]
    assert names == ["ours"]
    assert client.get("/subjects", headers=headers).status_code == 403, "default is not ours either"
    ours = client.post("/enroll", files={"images": photo(1)}, data={"collection": "ours"}, headers=headers)
    assert ours.status_code == 201
    theirs = client.post("/enroll", files={"images": photo(1)}, data={"collection": "theirs"}, headers=headers)
    refused(theirs, 403, "FORBIDDEN")


def _picture(example: dict[str, Any]) -> dict[str, Any]:
    picture = "aGVsbG8="
    return {
        name: [picture] if name == "images" else picture for name in example if name in ("image", "images", "frames")
    }


def test_wrong_expired_and_revoked_keys(client: TestClient) -> None:
    made = make(client, "enroll", lifetime_days=1)
    key, key_id = made["key"], made["key_id"]
    assert client.get("/subjects", headers=as_(key)).status_code == 200
    other = make(client, "enroll")["key"]
    for wrong in (
        key[:-1],
        key + "x",
        key.replace(key_id, "00000000"),
        f"frontalis_{key_id}_{other.split('_', 2)[2]}",
        key_id,
        "frontalis_",
        "../../etc/passwd",
        "é" * 100,
        "' OR 1=1 --",
        "",
    ):
        refused(client.get("/subjects", headers={"X-API-Key": wrong.encode()}), 401, "UNAUTHORIZED")
    with rows(client).writing() as session:
        session.execute(update(Key).where(Key.key_id == key_id).values(expires_at=now() - timedelta(seconds=1)))
    refused(client.get("/subjects", headers=as_(key)), 401, "KEY_EXPIRED")
    gone = client.delete(f"/keys/{key_id}", headers=as_(ADMIN))
    assert gone.json()["revoked_at"]
    refused(client.get("/subjects", headers=as_(key)), 401, "KEY_REVOKED")
    refused(client.delete("/keys/00000000", headers=as_(ADMIN)), 404, "KEY_NOT_FOUND")
    refused(client.post(f"/keys/{key_id}/rotate", json={}, headers=as_(ADMIN)), 401, "KEY_REVOKED")


def test_a_rotated_key_has_the_same_rights_and_the_old_one_ends(client: TestClient) -> None:
    old = make(client, "enroll", "visits", collections=["default"], lifetime_days=10)
    soft = client.post(f"/keys/{old['key_id']}/rotate", json={"grace_hours": 1}, headers=as_(ADMIN)).json()
    for key in (old["key"], soft["key"]):
        assert client.get("/subjects", headers=as_(key)).status_code == 200
    assert (soft["scopes"], soft["collections"]) == (old["scopes"], old["collections"])
    hard = client.post(f"/keys/{soft['key_id']}/rotate", json={}, headers=as_(ADMIN)).json()
    refused(client.get("/subjects", headers=as_(soft["key"])), 401, "KEY_REVOKED")
    assert client.get("/subjects", headers=as_(hard["key"])).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["kiosk"]},
        {"scopes": ["kiosk"], "collections": ["a", "b"]},
        {"scopes": ["kiosk", "admin"], "collections": ["a"]},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": ["enroll"], "collections": []},
        {"scopes": ["enroll"], "collections": ["../etc"]},
        {"scopes": ["enroll"], "name": "a\nb"},
        {"scopes": ["enroll"], "lifetime_days": 0},
    ],
)
def test_keys_that_make_no_sense(client: TestClient, body: dict[str, Any]) -> None:
    refused(client.post("/keys", json={"name": "a key", **body}, headers=as_(ADMIN)), 422, "BAD_REQUEST")


def test_whoami(client: TestClient) -> None:
    assert client.get("/whoami", headers=as_(ADMIN)).json()["key_id"] == "environment"
    made = make(client, "kiosk", collections=["default"])
    who = client.get("/whoami", headers=as_(made["key"])).json()
    assert who == {"key_id": made["key_id"], "scopes": ["kiosk"], "collections": ["default"]}


def test_last_use_is_exact_to_the_hour(client: TestClient) -> None:
    made = make(client, "identify")
    client.get("/whoami", headers=as_(made["key"]))
    with rows(client).reading() as session:
        used = session.scalars(select(Key.last_used_at).where(Key.key_id == made["key_id"])).one()
    assert used is not None
    assert (used.minute, used.second) == (0, 0)


def test_the_first_key_closes_the_door_for_good(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, threads=2, log_level="error")
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as client:
        made = client.post("/keys", json={"name": "first", "scopes": ["admin"]}).json()
        refused(client.get("/subjects"), 401, "UNAUTHORIZED")
        assert client.get("/subjects", headers=as_(made["key"])).status_code == 200
        client.delete(f"/keys/{made['key_id']}", headers=as_(made["key"]))
        refused(client.get("/subjects"), 401, "UNAUTHORIZED")


def test_beyond_this_machine_it_starts_with_a_key_only(tmp_path: Path) -> None:
    def started(**options: Any) -> TestClient:
        return TestClient(create_app(Settings(data_dir=tmp_path, threads=1, **options), FakeEngine()))

    with started(host="0.0.0.0", api_key=ADMIN) as client:
        made = make(client, "admin")
    with started(host="0.0.0.0") as client:
        assert client.get("/keys", headers=as_(made["key"])).status_code == 200
        client.delete(f"/keys/{made['key_id']}", headers=as_(made["key"]))
    with pytest.raises(ConfigurationError), started(host="0.0.0.0"):
        pass


def test_a_proxy_on_this_machine_does_not_open_the_door(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path), FakeEngine()), base_url="http://127.0.0.1") as client:
        refused(client.get("/subjects", headers={"X-Forwarded-For": "192.0.2.1"}), 403, "FOREIGN_ORIGIN")


def test_too_often_with_one_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, threads=1, api_key=ADMIN, rate_limit=3)
    with TestClient(create_app(settings, FakeEngine())) as client:
        for _ in range(3):
            assert client.get("/whoami", headers=as_(ADMIN)).status_code == 200
        late = client.get("/whoami", headers=as_(ADMIN))
        refused(late, 429, "RATE_LIMITED")
        assert 1 <= int(late.headers["retry-after"]) <= 20
        assert client.get("/healthz").status_code == 200


def test_too_often_from_one_address_and_with_wrong_keys(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, threads=1, api_key=ADMIN, address_rate_limit=2)
    with TestClient(create_app(settings, FakeEngine())) as client:
        answers = [client.get("/whoami", headers=as_("wrong")).status_code for _ in range(3)]
        assert answers == [401, 429, 429], "a wrong key counts for many requests"
        late = client.get("/healthz")
        refused(late, 429, "RATE_LIMITED")
        assert int(late.headers["retry-after"]) >= 1
        assert late.headers["x-request-id"]
