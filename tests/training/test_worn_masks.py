from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.face.engine import Engine
from training.mask_photographs import chosen, faces_of, held_back, kept
from training.worn_masks import Faces, taught, told, worn_from


def test_a_hash_halves_the_people_the_same_way_every_time() -> None:
    names = [f"{i:04d}" for i in range(400)]
    back = [held_back(name) for name in names]
    assert 160 < sum(back) < 240
    assert back == [held_back(name) for name in names]


def test_the_choice_of_pictures_hangs_on_their_names_alone() -> None:
    paths = [Path("Train") / f"{i}.png" for i in range(50)]
    first = chosen(paths, 10)
    assert first == chosen(list(reversed(paths)), 10)
    assert len(set(first)) == 10
    assert first == chosen(paths, 20)[:10]
    assert first != sorted(paths)[:10]


@pytest.mark.parametrize("alarms", [0.01, 0.02, 0.1])
def test_no_more_bare_faces_reach_the_threshold_than_may(alarms: float) -> None:
    bare = np.random.default_rng(0).beta(0.3, 9, 500).astype(np.float32)
    worn = worn_from(bare, alarms)
    assert (bare >= worn).mean() <= alarms
    assert (bare >= worn - 2e-4).mean() >= alarms - 1 / 500
    assert worn == round(worn, 4)


def test_found_and_false_alarms_in_percent() -> None:
    faces = Faces(np.array([0.9, 0.8, 0.1, 0.7], np.float32), np.array([0.0, 0.2, 0.6, 0.0, 0.1], np.float32))
    figures = told(faces, 0.5)
    assert figures["masks found"]["%"] == 75
    assert figures["false alarms"]["%"] == 20
    assert figures["false alarms"]["faces"] == 5
    assert figures["AUC"] == pytest.approx(1 - 2.5 / 20)
    low, high = figures["masks found"]["interval"]
    assert low < 75 < high


def test_a_picture_without_a_face_gives_no_crop(tmp_path: Path, photos: Path) -> None:
    face = sorted((photos / "strangers").glob("*/frontal-*.jpg"))[0]
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((120, 120, 3), 127, np.uint8))
    crops = list(faces_of(Engine.load(tmp_path / "cache", "fast"), [tmp_path / "wall.png", face]))
    assert [crop.shape for crop in crops] == [(112, 112, 3)]


def test_faces_are_found_once(tmp_path: Path) -> None:
    crops = np.arange(2 * 12, dtype=np.uint8).reshape(2, 2, 2, 3)
    path = tmp_path / "found" / "faces.npy"
    assert (kept(path, lambda: iter(crops)) == crops).all()
    assert (kept(path, lambda: iter(crops[:0])) == crops).all()


def test_the_reader_tells_what_it_was_taught_to_tell_whatever_the_scale() -> None:
    rng = np.random.default_rng(0)
    scale = np.array([1, 100, 0.01, 0], np.float32)
    masked, bare = (rng.normal(side, 1, (400, 4)).astype(np.float32) * scale + 3 for side in ((2, 0, 0, 0), 0))
    weight, bias = taught(Faces(masked, bare))
    right = (masked @ weight + bias > 0).mean() + (bare @ weight + bias < 0).mean()
    assert right > 1.6
    assert abs(weight[0]) > 3 * abs(weight[1:3] * scale[1:3]).max()
