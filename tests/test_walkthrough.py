"""docs/kiosk.md is held to the code: each of its commands is run as it is written."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import main
from app.main import PAGES, create_app
from app.settings import Settings
from tests.doubles import FakeEngine, photo

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "kiosk.md").read_text()
SERVICE = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Command:
    """``NAME=$(words | rest)``; without a name or a rest they are empty."""

    name: str
    words: list[str]
    rest: str


def commands() -> list[Command]:
    """Those of the page, in its order."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        for line in re.sub(r"\\\n", " ", block).replace("\n  ", " ").splitlines():
            name, inside = re.fullmatch(r"(?:(\w+)=\$\()?(.*?)\)?", line).groups() if "=$(" in line else ("", line)
            first, _, rest = inside.partition(" | ")
            found.append(Command(name or "", shlex.split(first), rest))
    return found


def test_every_command_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTALIS_DATA_DIR", str(tmp_path))
    shell: dict[str, str] = {}
    ran = []
    with TestClient(
        create_app(Settings(data_dir=tmp_path, log_level="error"), FakeEngine()), base_url=SERVICE
    ) as client:
        for command in commands():
            name, (program, *words) = command.name, command.words
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
                    assert all(word in told.output for word in words if word.startswith("--"))
                case "frontalis":
                    told = CliRunner().invoke(main, words)
                    assert told.exit_code == 0, told.output
                    shell[name] = told.stdout.strip()
                case "curl":
                    if name == "SUBJECT":
                        register(client, shell["KIOSK"])
                    answer = curl(client, words)
                    if name:
                        filtered = subprocess.run(
                            command.rest, shell=True, input=answer, capture_output=True, text=True
                        )
                        shell[name] = filtered.stdout.strip()
                    elif "/codes" in words[-1]:
                        sign_in(client, shell["KIOSK"], json.loads(answer)["code"])
                case _:
                    pytest.fail(f"{program} is not known here")
    assert ran.count("curl") >= 6
    assert set(ran) == {"make", "echo", "frontalis", "curl"}


def register(client: TestClient, key: str) -> None:
    """As the kiosk does it, in step 3."""
    sent = {"consent_version": "1", "name": "Ada", "fields": json.dumps({"company": "Engines"})}
    pictures = [("images", (f"{at}.png", photo(1, spread=at), "image/png")) for at in range(3)]
    client.post("/registrations", data=sent, files=pictures, headers=bearer(key)).raise_for_status()


def sign_in(client: TestClient, key: str, code: str) -> None:
    told = client.post("/visits", json={"method": "code", "code": code}, headers=bearer(key)).json()
    assert (told["decision"], told["name"]) == ("match", "Ada")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def curl(client: TestClient, words: list[str]) -> str:
    """What one request is answered, sent as ``curl`` would send it; it must be answered with what was asked."""
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
                assert json.loads(body) is not None
            case "-sS" | "--fail-with-body":
                pass
            case _:
                assert word.startswith(f"{SERVICE}/")
                address = word.removeprefix(SERVICE)
    answer = client.request(method or ("POST" if body else "GET"), address, headers=headers, content=body)
    assert answer.is_success, answer.text
    return answer.text


def test_pages_and_addresses_exist() -> None:
    named = set(re.findall(rf"{SERVICE}(/\w+)(?![\w/])", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)))
    assert named == {"/admin", "/kiosk", "/board"}
    assert named <= set(PAGES)
    for link in re.findall(r"\]\((\w[\w.-]*)\)", PAGE):
        assert (ROOT / "docs" / link).is_file(), link
