"""The presentation-attack check at the door: off, warn, refuse; never part of the score."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine, photo
from tests.face.test_presentation import colour_model


def visit(folder: Path, mode: Literal["off", "warn", "refuse"], **picture: int) -> dict[str, Any]:
    """The answer to a sign-in of person 3, whose coloured square is more green or more blue."""
    model = colour_model(folder / "pad.onnx")
    settings = Settings(
        data_dir=folder / f"{mode}-{picture['quality']}", threads=1, presentation=mode, presentation_model=model
    )
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as client:
        client.post("/enroll", files={"images": photo(3, spread=250, quality=80)}).raise_for_status()
        answer: dict[str, Any] = client.post("/visits", files={"images": photo(3, **picture)}).json()
        kept = client.get("/visits").json()["visits"]
        told = answer["presentation"]["verdict"] if answer.get("presentation") else None
        assert [one["presented_as"] for one in kept] == ([told] if "visit_id" in answer else [])
        table = csv.DictReader(StringIO(client.get("/visits.csv").text))
        assert [row["presented_as"] or None for row in table] == [one["presented_as"] for one in kept]
    return answer


REAL, PRINT = {"spread": 250, "quality": 80}, {"spread": 250, "quality": 255}


def test_off_says_nothing(tmp_path: Path) -> None:
    assert visit(tmp_path, "off", **PRINT)["presentation"] is None


def test_warn_tells_and_lets_in(tmp_path: Path) -> None:
    real, flat = (visit(tmp_path, "warn", **one) for one in (REAL, PRINT))
    assert real["presentation"]["verdict"] == "real"
    assert flat["presentation"]["verdict"] == "print"
    assert (flat["decision"], flat["score"]) == (real["decision"], real["score"]) == ("match", pytest.approx(1))


def test_a_print_within_a_visit_stays_in_its_record(tmp_path: Path) -> None:
    model = colour_model(tmp_path / "pad.onnx")
    settings = Settings(data_dir=tmp_path / "data", threads=1, presentation="warn", presentation_model=model)
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as client:
        client.post("/enroll", files={"images": photo(3, spread=250, quality=80)}).raise_for_status()
        shown = [client.post("/visits", files={"images": photo(3, **one)}).json() for one in (REAL, PRINT, REAL)]
    assert [one["presented_as"] for one in shown] == ["real", "print", "print"]
    assert [one["presentation"]["verdict"] for one in shown] == ["real", "print", "real"]


def test_refuse_writes_nothing(tmp_path: Path) -> None:
    assert visit(tmp_path, "refuse", **REAL)["decision"] == "match"
    assert visit(tmp_path, "refuse", **PRINT)["code"] == "PRESENTATION_ATTACK"


def test_it_cannot_be_on_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="FRONTALIS_PRESENTATION_MODEL"):
        Settings(data_dir=tmp_path, presentation="warn")
