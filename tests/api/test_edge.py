"""Keys, origins, health, metrics, documentation, load, the log."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app import errors
from app.api.access import require_closed_door
from app.api.pool import Pool
from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from tests.doubles import FakeEngine, photo

KEY = "a-key-of-some-length"


def serving(folder: Path, engine: FakeEngine | None = None, **options: Any) -> TestClient:
    settings = Settings(data_dir=folder, **{"threads": 2, **options})
    return TestClient(create_app(settings, engine or FakeEngine()), base_url="http://127.0.0.1")


def test_without_a_key_only_this_machine_is_listened_on(database: Database) -> None:
    with pytest.raises(ValidationError):
        Settings(host="0.0.0.0", api_key="short")
    for host in ("0.0.0.0", "::", "192.0.2.1", "faces.example"):
        with pytest.raises(errors.ConfigurationError, match="FRONTALIS_API_KEY"):
            require_closed_door(Settings(host=host), database)
    require_closed_door(Settings(host="0.0.0.0", api_key=KEY), database)
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.2"):
        require_closed_door(Settings(host=host), database)


def test_the_key_is_asked_of_everything_but_health(tmp_path: Path) -> None:
    with serving(tmp_path, api_key=KEY) as client:
        for given in ({}, {"X-API-Key": KEY + "x"}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {KEY}"}):
            for method, path in (("GET", "/subjects"), ("POST", "/identify"), ("GET", "/metrics")):
                answer = client.request(method, path, headers=given)
                assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
                assert answer.headers["www-authenticate"] == "Bearer"
        for given in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
            assert client.get("/subjects", headers=given).status_code == 200
            assert client.get("/subjects", headers={**given, "host": "faces.example"}).status_code == 200
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}])
def test_without_a_key_other_peoples_pages_are_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    with serving(tmp_path) as client:
        answer = client.post("/enroll", files={"images": photo(1)}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "FOREIGN_ORIGIN")
        assert client.get("/subjects", headers={"origin": "http://localhost:8000"}).status_code == 200


def test_headers_of_every_answer(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        for path in ("/healthz", "/nowhere", "/docs"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-request-id"])


def test_metrics_hold_no_ids(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada-id", "name": "Ada"})
        client.post("/identify", files={"image": photo(1)})
        client.get("/subjects/ada-id")
        client.get("/secret-id")
        text = client.get("/metrics").text
    assert 'frontalis_requests_total{method="GET",route="/subjects/{subject_id}",status="200"} 1.0' in text
    assert 'frontalis_decisions_total{decision="match"} 1.0' in text
    assert "frontalis_ready 1.0" in text
    assert 'frontalis_stage_seconds_count{stage="search"} 1.0' in text
    for private in ("ada", "secret-id", "default"):
        assert private not in text.lower()


def test_openapi_is_stable_and_has_examples(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        schema = client.get("/openapi.json").json()
    operations = {
        operation["operationId"]: operation for path in schema["paths"].values() for operation in path.values()
    }
    assert set(operations) == {
        *("enroll", "identify", "verify", "analyze"),
        *("list_subjects", "show_subject", "change_subject", "delete_subject", "show_template", "delete_template"),
        *("list_collections", "create_collection", "show_collection", "delete_collection"),
        *("show_door", "show_finder", "list_names", "change_collection", "create_code", "delete_codes"),
        *("create_visit", "list_visits", "count_visits", "export_visits", "show_visit", "correct_visit"),
        *("list_duplicates", "tell_apart", "merge_subject", "show_picture"),
        *("show_consent_text", "list_consent_texts", "create_consent_text", "list_consents", "create_consent"),
        *("list_webhooks", "create_webhook", "change_webhook", "delete_webhook", "list_deliveries"),
        *("show_threshold", "erase_subject", "withdraw_consent"),
        *("create_registration", "resend_deliveries", "stream_events", "health", "ready", "metrics", "show_health"),
        *("whoami", "list_keys", "create_key", "rotate_key", "revoke_key", "list_acts", "verify_acts"),
    }
    for name in ("enroll", "identify", "verify", "analyze"):
        body = operations[name]["requestBody"]["content"]
        assert set(body) == {"multipart/form-data", "application/json"}
        assert body["application/json"]["example"]
    codes = {
        code
        for operation in operations.values()
        for response in operation["responses"].values()
        for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert {"NO_FACE", "TOO_MANY_FACES", "UNAUTHORIZED", "BAD_BASE64", "GALLERY_UNAVAILABLE"} <= codes
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_codes_are_listed_once() -> None:
    def every(kind: type[errors.FrontalisError]) -> list[type[errors.FrontalisError]]:
        return [kind, *(inner for sub in kind.__subclasses__() for inner in every(sub))]

    codes = [kind.code for kind in every(errors.FrontalisError)]
    assert len(codes) == len(set(codes))


def test_the_log_says_what_happened_and_to_nobody(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines, serving(tmp_path) as client:
        client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada-id", "name": "Lovelace"})
        client.post("/identify", json={"image": "%%", "collection": "ada-id"})
        client.get("/subjects/ada-id")
    (started,) = [line for line in lines if line["event"] == "started"]
    assert {"model_id", "runtime", "processor", "threads"} <= set(started)
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in requests] == [
        ("/enroll", 201),
        ("/identify", 422),
        ("/subjects/{subject_id}", 200),
    ]
    assert "ada-id" not in json.dumps(lines)
    assert "Lovelace" not in json.dumps(lines)


def test_a_failure_of_ours_is_a_problem_without_its_text(tmp_path: Path) -> None:
    class Failing(FakeEngine):
        def pictures(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("vector 0.123 of Ada")

    with structlog.testing.capture_logs() as lines, serving(tmp_path, Failing()) as client:
        answer = client.post("/identify", files={"image": photo(1)})
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert "Ada" not in answer.text + json.dumps(lines)
    (failed,) = [line for line in lines if line["event"] == "failed"]
    assert failed["error"] == "RuntimeError"


def test_many_at_once_are_all_answered(client: TestClient) -> None:
    def one(person: int) -> str:
        made = client.post("/enroll", files={"images": photo(person)}, data={"subject_id": f"p{person}"})
        assert made.status_code == 201
        found = client.post("/identify", files={"image": photo(person)}).json()
        return str(found["faces"][0]["match"]["subject_id"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(16))) == [f"p{person}" for person in range(16)]


def test_more_than_may_wait_are_told_so() -> None:
    async def scene() -> tuple[int, list[object]]:
        pool, hold = Pool(threads=1, waiting=2), threading.Event()
        running = [asyncio.ensure_future(pool.run(hold.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(errors.Overloaded):
            await pool.run(hold.wait)
        hold.set()
        answers = await asyncio.gather(*running)
        await asyncio.sleep(0)
        again = await pool.run(lambda: 7)
        pool.close()
        return again, list(answers)

    assert asyncio.run(scene()) == (7, [True, True, True])
