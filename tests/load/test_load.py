from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.gallery.bench_page import BEGIN, END, rewrite
from app.load import door_page, inference_page
from app.load.bench import bench_load, spread
from app.load.door import bench_door
from app.load.page import figures
from app.load.usage import busy_s, processor_s, resident_mb
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_real_service_answers_every_client(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    given = Settings(data_dir=tmp_path / "data", api_key="a key that nobody sends")
    found = json.loads(json.dumps(bench_load(given, data.astronaut()[:256, 96:352], 200, 3, 24)))
    for run, clients in ((found["one_core"], 1), (found["loaded"], 3)):
        assert (run["clients"], run["requests"], run["errors"]) == (clients, 24, 0)
        assert 0 < run["p50_ms"] <= run["p99_ms"]
        assert all(held > 100 for _, held in run["memory_mb"])
    assert not (tmp_path / "data").exists(), "the operator's data are left alone"
    page = rewrite(f"{BEGIN}{END}", figures([found]))
    assert "200 made-up subjects" in page


def test_the_page_tells_what_was_measured() -> None:
    found = [json.loads(file.read_text()) for file in sorted((ROOT / "docs" / "load").glob("*.json"))]
    page = (ROOT / "docs" / "load.md").read_text()
    assert found
    assert rewrite(page, figures(found)) == page


def test_the_page_of_the_door_tells_what_was_measured() -> None:
    runs = [json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "door").glob("*.json"))]
    page = (ROOT / "docs" / "door.md").read_text()
    assert len(runs) == 2
    assert rewrite(page, door_page.figures(runs)) == page


def test_the_page_of_inference_tells_what_was_measured() -> None:
    runs = [json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "inference").glob("*.json"))]
    page = (ROOT / "docs" / "inference.md").read_text()
    assert runs
    assert rewrite(page, inference_page.figures(runs)) == page
    missing = {"way": "gone", "ms": [], "equal": None, "missing": "ImportError: a | b"}
    assert "| gone | | | | ImportError: a / b |" in inference_page.figures([{**runs[0], "rows": [missing]}])


@pytest.mark.slow
def test_a_door_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pytest.importorskip("skimage.data")
    monkeypatch.setenv("FRONTALIS_DATA_DIR", str(tmp_path / "data"))
    portrait = Image.fromarray(data.astronaut())
    (tmp_path / "people" / "eileen").mkdir(parents=True)
    for number, degrees in enumerate((0, 4, -4, 8)):
        portrait.rotate(degrees).save(tmp_path / "people" / "eileen" / f"{number}.jpg")
    found = json.loads(json.dumps(bench_door(tmp_path / "people", 5, 1)))
    assert (found["people"], found["visits"], found["matched"]) == (1, 2, 2)
    assert found["frames_s"] < found["greeting_p50_s"] <= found["greeting_p95_s"]
    assert found["visits_a_minute"] > 0
    assert "1 people" in door_page.figures([found])


def test_spread_is_from_the_least_to_the_most() -> None:
    assert spread([100.0, 103.0, 101.0]) == pytest.approx(0.03)
    assert spread([]) is None


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_what_a_process_takes_is_read() -> None:
    before, all_before = processor_s(os.getpid()), busy_s()
    held = resident_mb(os.getpid())
    block, until = np.ones(8_000_000), time.process_time() + 0.1
    while time.process_time() < until:
        block += 1
    after, all_after = processor_s(os.getpid()), busy_s()
    assert before is not None
    assert after is not None
    assert after - before >= 0.05
    assert all_before is not None
    assert all_after is not None
    assert all_after - all_before >= 0.05
    assert (resident_mb(os.getpid()) or 0) > (held or 0) + 50
    assert resident_mb(2**30) is processor_s(2**30) is None
