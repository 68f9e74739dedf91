"""Every route has its rule, and every rule is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient

from app.api.access import OPEN, RULES
from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine

KEY = "a-key-of-some-length"
PAGES = {"/", "/docs", "/kiosk", "/kiosk-worker.js", "/board", "/admin"}
"""Served to anybody: they hold no data. Anything else belongs into the OpenAPI document."""


def operations(client: TestClient) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation by its id."""
    paths = client.get("/openapi.json").json()["paths"]
    return {
        operation["operationId"]: (method, path, operation)
        for path, item in paths.items()
        for method, operation in item.items()
    }


def test_every_route_declares_its_scopes(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, api_key=KEY), FakeEngine())
    hidden = {
        c.path for c in iter_route_contexts(app.routes) if isinstance(c.route, APIRoute) and not c.include_in_schema
    }
    assert hidden <= PAGES
    with TestClient(app, base_url="http://127.0.0.1") as client:
        found = operations(client)
    assert set(found) == set(RULES), "a route needs its line in RULES"
    for name, (_, _, operation) in found.items():
        assert operation["x-scopes"] == sorted(RULES[name].scopes)
        assert ("security" in operation) is (RULES[name] != OPEN)


def test_no_route_answers_without_a_key_unless_its_rule_says_so(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, api_key=KEY), FakeEngine())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for name, (method, path, _) in operations(client).items():
            status = client.request(method, path).status_code
            assert (status == 401) is (RULES[name] != OPEN), name
