"""README is held to the code: its settings, its commands, its first requests."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from app.cli import main
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """The table that README must hold."""
    rows = ["| variable | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = {"data_dir": "the user's data folder", "threads": "processors"}.get(name, field.default)
        shown = {None: "", "": ""}.get(default, default)
        rows.append(f"| `FRONTALIS_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def test_settings_are_listed_as_they_are() -> None:
    listed = README.split("<!-- settings: begin -->")[1].split("<!-- settings: end -->")[0].strip()
    assert listed == settings_table()


def test_commands_are_listed_as_they_are() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    listed = re.findall(r"^\| `frontalis ([\w-]+)", README, re.MULTILINE)
    for name in listed:
        assert re.search(rf"^│ {name} ", shown, re.MULTILINE), name
    assert set(listed) == set(re.findall(r"^│ ([a-z][a-z-]*) ", shown, re.MULTILINE))


ATTACKS = (
    *("no key", "wrong", "wrong scope", "another collection", "expired", "replayed webhook"),
    *("path traversal: `../` in addresses and ids", "path traversal: `../` in file names", "SSRF"),
    *("zip bomb", "image bomb", "slow client", "1,000 clients", "oversized headers", "CSV injection", "HTML in a name"),
    *("clickjacking", "camera that is refused", "network gone in mid sign-in", "clock jumps", "full disk"),
    "database gone and back",
)
"""What the door is to be tried with, each at least."""


def test_every_attack_has_its_test_and_every_test_named_exists() -> None:
    table = (ROOT / "docs" / "security.md").read_text().partition("## What was tried on it")[2]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    untried = [attack for attack in ATTACKS if not any(attack in row[0] for row in rows)]
    assert not untried
    for what, _, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
        assert named, what
        for file, test in named:
            assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The real service, as `frontalis serve` starts it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "FRONTALIS_DATA_DIR": str(tmp_path / "data"), "FRONTALIS_PORT": str(port)}
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log) as server:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 300
        try:
            while not _answers(address):
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline
            yield address
        finally:
            server.terminate()
            server.wait(60)
            assert "Application shutdown complete" in (tmp_path / "log").read_text(), "a graceful end"


def _answers(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/readyz", timeout=1).status_code == 200
    except httpx2.TransportError:
        time.sleep(0.2)  # nothing listens yet, and there is nothing to wait on
        return False


@pytest.mark.slow
def test_first_requests_work_as_written(address: str, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    shell, python = re.findall(r"## First requests.*?```sh\n(.*?)```.*?```python\n(.*?)```", README, re.DOTALL)[0]
    shell = re.sub(r"^\.venv/bin/pip .*$", "", shell, flags=re.MULTILINE)
    shell = shell.replace(".venv/bin/python", shlex.quote(sys.executable)).replace("http://127.0.0.1:8000", address)
    told = subprocess.run(
        ["bash", "-eu", "-c", shell.replace("curl -sS", "curl -sS --fail-with-body")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert '"subject_id":"eileen"' in told.stdout
    assert '"decision":"match"' in told.stdout
    assert '"match":true' in told.stdout
    told = subprocess.run(
        [sys.executable, "-c", python.replace("http://127.0.0.1:8000", address)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout == "match eileen 1.0\n"


if __name__ == "__main__":
    begin, rest = README.split("<!-- settings: begin -->")
    after = rest.split("<!-- settings: end -->")[1]
    table = f"<!-- settings: begin -->\n{settings_table()}\n<!-- settings: end -->"
    (ROOT / "README.md").write_text(f"{begin}{table}{after}")
