"""docs/kiosk.md is held to the code: each of its commands is run as it is written."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import main
from app.main import PAGES, create_app
from app.settings import Settings
from tests.doubles import FakeEngine

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "kiosk.md").read_text()
SERVICE = "http://127.0.0.1:8000"


def commands() -> list[list[str]]:
    """The words of each command of the page, in its order, after the NAME of ``NAME=$(...)``, else an empty one."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        for line in re.sub(r"\\\n", " ", block).replace("\n  ", " ").splitlines():
            name, inside = re.fullmatch(r"(?:(\w+)=\$\()?(.*?)\)?", line).groups() if "=$(" in line else ("", line)
            found.append([name or "", *shlex.split(inside)])
    return found


def test_every_command_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTALIS_DATA_DIR", str(tmp_path))
    shell: dict[str, str] = {}
    ran = []
    with TestClient(
        create_app(Settings(data_dir=tmp_path, log_level="error"), FakeEngine()), base_url=SERVICE
    ) as client:
        for name, program, *words in commands():
            words = [re.sub(r"\$(\w+)", lambda one: shell[one[1]], word) for word in words]
            ran.append(program.removeprefix(".venv/bin/"))
            match ran[-1]:
                case "make":
                    assert (
                        subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, check=False).returncode
                        == 0
                    )
                case "echo":
                    assert words == [shell["KIOSK"]]
                case "frontalis" if words[:1] == ["bench"]:
                    told = CliRunner().invoke(main, [*words[:2], "--help"])
                    assert told.exit_code == 0
                    assert all(word in told.output for word in words[3:])
                case "frontalis":
                    told = CliRunner().invoke(main, words)
                    assert told.exit_code == 0, told.output
                    shell[name] = told.stdout.strip()
                case "curl":
                    curl(client, words)
                case _:
                    pytest.fail(f"{program} is not known here")
    assert ran.count("curl") >= 4
    assert set(ran) == {"make", "echo", "frontalis", "curl"}


def curl(client: TestClient, words: list[str]) -> None:
    """One request as ``curl`` would send it; it must be answered with what was asked."""
    headers, method, body, address = {}, "", None, ""
    queue = iter(words)
    for word in queue:
        match word:
            case "-H":
                key, _, value = next(queue).partition(": ")
                headers[key] = value
            case "-X":
                method = next(queue)
            case "-d":
                body = next(queue)
                assert json.loads(body)
            case "-sS" | "--fail-with-body":
                pass
            case _:
                assert word.startswith(f"{SERVICE}/")
                address = word.removeprefix(SERVICE)
    answer = client.request(method or ("POST" if body else "GET"), address, headers=headers, content=body)
    assert answer.is_success, answer.text


def test_pages_and_addresses_exist() -> None:
    named = set(re.findall(rf"{SERVICE}(/\w+)(?![\w/])", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)))
    assert named == {"/admin", "/kiosk", "/board"}
    assert named <= set(PAGES)
    for link in re.findall(r"\]\((\w[\w.-]*)\)", PAGE):
        assert (ROOT / "docs" / link).is_file(), link
