from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from app.face.align import template
from training.batches import batches
from training.data.augment import PLAIN
from training.data.covered_crops import Covers, frames, open_covers
from training.data.store import CropStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> CropStore:
    """Two grey faces, the first one's points as in the standard crop, the second's moved in its picture."""
    np.save(tmp_path / "made-up.npy", np.full((2, 128, 128, 3), 90, np.uint8))
    (tmp_path / "made-up.tsv").write_text("a/1.jpg\t0\t0\t0\na/2.jpg\t0\t0\t0\n", encoding="utf-8")
    with lzma.open(tmp_path / "made-up.tsv.xz", "wt", encoding="utf-8") as out:
        for path, shift in (("a/2.jpg", 40), ("a/1.jpg", 0)):
            points = "\t".join(str(v) for v in (template(112) + shift).ravel())
            out.write(f"{path}\t1\t0\t0\t9\t9\t{points}\t0\t0\t0\n")
    return open_store(tmp_path, ["made-up"])


def test_axes_follow_the_points_into_either_crop(store: CropStore, tmp_path: Path) -> None:
    first, second = frames("made-up", tmp_path, tmp_path)
    assert first.origin == pytest.approx(second.origin, abs=1e-3)
    assert first.origin == pytest.approx(template(112)[:2].mean(axis=0), abs=1e-3)
    wide = frames("made-up", tmp_path, tmp_path, 128)[0]
    assert (wide.size, first.size) == (128, 112)
    assert wide.origin == pytest.approx(first.origin + 8, abs=1e-3)


def covers(store: CropStore, folder: Path, chance: float) -> Covers:
    return open_covers(store, folder, folder, None, chance)


def test_a_chance_of_nought_leaves_faces_bare_and_one_covers_them(store: CropStore, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    assert (covers(store, tmp_path, 0.0).on(store, 0, rng) == 90).all()
    changed = [float((covers(store, tmp_path, 1.0).on(store, 1, rng) != 90).mean()) for _ in range(12)]
    assert np.mean(changed) > 0.05


def test_batches_with_covers_come_again_the_same(store: CropStore, tmp_path: Path) -> None:
    weights, things = np.ones(2), covers(store, tmp_path, 1.0)
    first, again = (next(batches(store, 4, PLAIN, (1, 0), 3, weights, things)) for _ in range(2))
    assert (first.crops == again.crops).all()
    assert (first.crops != 90).any()
