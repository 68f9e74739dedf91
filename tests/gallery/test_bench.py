from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.gallery.bench import bench_gallery
from app.gallery.bench_page import BEGIN, END, figures, rewrite
from app.gallery.bench_plot import draw
from app.gallery.crowd import exact_subjects, make_crowd


@pytest.fixture(scope="module")
def found() -> dict[str, object]:
    return bench_gallery((600,), ("flat", "hnsw", "faiss"), width=32, probes=10)


def test_every_backend_is_measured_and_the_exact_ones_find_everyone(found: dict[str, object]) -> None:
    runs = json.loads(json.dumps(found))["runs"]
    assert [run["backend"] for run in runs] == ["flat", "hnsw", "faiss"]
    for run in (runs[0], runs[2]):
        assert set(run["recall_1"].values()) == {1.0}
        assert min(run["recall_5"].values()) == 1.0
    assert all(run["p50_ms"] > 0 and run["build_s"] > 0 for run in runs)


def test_the_page_is_written_between_its_marks(found: dict[str, object]) -> None:
    page = rewrite(f"before\n{BEGIN}old{END}\nafter", figures([found]))
    assert page.startswith("before")
    assert page.endswith("after")
    assert "old" not in page
    assert "### 600 templates" in page
    assert rewrite(page, figures([found])) == page
    with pytest.raises(ValueError, match="marks"):
        rewrite("no marks", "text")


def test_the_picture_is_the_same_for_the_same_figures(found: dict[str, object], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg", "c.png"):
        draw([found], tmp_path / name)
    svg = (tmp_path / "a.svg").read_text()
    assert svg == (tmp_path / "b.svg").read_text()
    assert svg.count('id="line2d') > 6
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_the_exact_answer_leaves_out_what_is_gone_and_does_not_depend_on_the_parts() -> None:
    crowd, gone = make_crowd(900, 32, 10), np.arange(100, 250)
    truth = exact_subjects(crowd, 5, gone, at_once=128)
    left = np.setdiff1d(np.arange(900), gone)
    for kind, queries in crowd.probes.items():
        order = np.argsort(-(queries @ crowd.vectors[left].T), axis=1)[:, :25]
        wanted = [list(dict.fromkeys(crowd.subjects[left[row]].tolist()))[:5] for row in order]
        assert truth[kind].tolist() == wanted


def test_probes_are_as_far_from_their_people_as_said() -> None:
    crowd = make_crowd(500, 64, 40, seed=3)
    assert np.linalg.norm(crowd.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    truth = exact_subjects(crowd, 2)
    nearest = crowd.probes["known"] @ crowd.vectors.T
    assert (crowd.subjects[nearest.argmax(axis=1)] == truth["known"][:, 0]).all()
    cosines = nearest.max(axis=1)
    assert 0.65 < np.median(cosines) < 0.9
    assert np.median((crowd.probes["stranger"] @ crowd.vectors.T).max(axis=1)) < 0.6
