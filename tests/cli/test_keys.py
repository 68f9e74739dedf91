"""`frontalis keys`, beside a service or without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import main
from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONTALIS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments])


def test_made_on_a_fresh_installation_used_rotated_revoked(data: Path) -> None:
    key = run("create", "office", "--scope", "enroll", "--collection", "default", "--days", "2").stdout.strip()
    key_id = key.split("_")[1]
    with TestClient(create_app(Settings(threads=1), FakeEngine()), base_url="http://127.0.0.1") as client:
        assert client.get("/subjects", headers={"X-API-Key": key}).status_code == 200
        assert client.get("/subjects").status_code == 401
        other = run("rotate", key_id, "--grace", "1").stdout.strip()
        assert client.get("/subjects", headers={"X-API-Key": other}).status_code == 200
        told = run("revoke", key_id)
        assert told.exit_code == 0
        assert key_id in told.stdout
        assert client.get("/subjects", headers={"X-API-Key": key}).json()["code"] == "KEY_REVOKED"
    listed = json.loads(run("list", "--json").stdout)
    assert [one["name"] for one in listed] == ["office", "office"]
    assert key.split("_", 2)[2] not in run("list").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "a", "--scope", "kiosk"), "BAD_REQUEST"),
        (("create", "a", "--scope", "all"), "--scope"),
        (("revoke", "00000000"), "KEY_NOT_FOUND"),
    ],
)
def test_refusals_are_one_line(data: Path, arguments: tuple[str, ...], told: str) -> None:
    answer = run(*arguments)
    assert answer.exit_code != 0
    assert told in answer.stderr
