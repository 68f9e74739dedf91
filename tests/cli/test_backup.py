"""`frontalis backup`, `restore`, `erase verify`, `retention run`: as an operator types them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.cli import main
from app.service import house, retention
from app.service.door import change
from app.service.enrolment import Enrolment, enroll
from app.service.erasure import erase
from app.settings import Settings
from app.store.models import now
from tests.doubles import FakeEngine, photo


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def using(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Go on with the data folder of this name."""
    monkeypatch.setattr(house, "load_engine", lambda settings: FakeEngine())

    def use(name: str) -> Path:
        monkeypatch.setenv("FRONTALIS_DATA_DIR", str(tmp_path / name))
        return tmp_path / name

    return use


def test_backed_up_erased_lost_restored_and_still_erased(using: Callable[[str], Path], tmp_path: Path) -> None:
    first, file = using("first"), tmp_path / "a.backup"
    with house.opened(Settings(), FakeEngine()) as parts:
        for person, name in ((1, "ada"), (2, "bob")):
            enroll(parts, Enrolment([photo(person)], subject_id=name))
        done = run("backup", file)  # beside the service
        assert done.exit_code == 0, done.output
        assert "rows to" in done.stdout
        receipt = erase(parts, "default", "ada").receipt_id
    assert "BAD_REQUEST" in run("backup", file).stderr
    refused = run("restore", file)
    assert refused.exit_code == 1
    assert "empty database" in refused.stderr
    using("second")
    done = run("restore", file, "--receipts", first / "gone.jsonl")
    assert done.exit_code == 0, done.output
    assert "gone since, and left out: 1 subjects" in done.stdout
    for what in ("ada", receipt):
        told = run("erase", "verify", what)
        assert (told.exit_code, told.stdout.strip()) == (0, "nothing is left"), told.output
    assert run("audit", "verify").exit_code == 0
    (tmp_path / "probe.png").write_bytes(photo(1))
    assert "Face 1: no_match" in run("identify", tmp_path / "probe.png").stdout
    using("third")
    without = run("restore", file)
    assert "left out: nothing" in without.stdout
    assert run("erase", "verify", "ada").exit_code == 1, "without the receipts nobody knows"


def test_who_is_back_is_named_and_who_was_never_gone_is_not_proven_gone(using: Callable[[str], Path]) -> None:
    using("data")
    with house.opened(Settings(), FakeEngine()) as parts:
        enroll(parts, Enrolment([photo(1)], subject_id="ada"))
        erase(parts, "default", "ada")
        enroll(parts, Enrolment([photo(1)], subject_id="ada"))
    told = run("erase", "verify", "ada")
    assert told.exit_code == 1
    assert "the subject has a row" in told.stderr
    assert "RECEIPT_NOT_FOUND" in run("erase", "verify", "bob").stderr


def test_the_clock_by_hand(using: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    using("data")
    with house.opened(Settings(), FakeEngine()) as parts:
        enroll(parts, Enrolment([photo(1)], subject_id="ada"))
        change(parts, "default", {"retention_days": 10})
    assert "0 subjects erased" in run("retention", "run").stdout
    later = now() + timedelta(days=40)
    monkeypatch.setattr(retention, "now", lambda: later)
    refused = run("retention", "run")
    assert (refused.exit_code, "CLOCK_JUMPED" in refused.stderr) == (1, True)
    assert "1 subjects erased" in run("retention", "run", "--sure").stdout
