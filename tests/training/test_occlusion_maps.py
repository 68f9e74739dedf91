from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.face.extract import load_extractor
from app.face.patterns import rectangle_of
from app.face.weights import SHIPPED, read_card
from training.data.occluders import TRAIN
from training.occlusion_maps import (
    TAP,
    VARIANTS,
    Maps,
    coarse,
    joined,
    look_with,
    masks_more_often,
    standard,
    truth,
)


def maps(people: list[int]) -> Maps:
    n = len(people)
    return Maps(
        (np.arange(n * 3 * 2 * 49).reshape(n, 3, 2, 7, 7).astype(np.float16),),
        np.zeros((n, 3, 4), np.float32),
        np.zeros((n, 3, 14, 14), np.float16),
        np.zeros((n, 3), np.int64),
        np.zeros((n, 3), np.bool_),
        np.array(people),
        np.zeros(n, np.bool_),
    )


def test_coarse_cells_share_the_pixels_between_them() -> None:
    covered = np.zeros((112, 112), np.bool_)
    covered[:, :23] = True
    assert coarse(covered)[:, 0] == pytest.approx(1)
    assert coarse(covered)[:, 1] == pytest.approx(0.6 / 22.4)
    assert coarse(np.ones((112, 112), np.bool_)) == pytest.approx(1)


def test_truth_of_a_lower_half() -> None:
    covered = np.zeros((112, 112), np.bool_)
    covered[60:] = True
    cells, pattern = truth(covered)
    assert cells[7].tolist() == [0.5] * 14
    assert rectangle_of(pattern) == (3, 4, 0, 4)


def test_joined_keeps_people_apart_and_the_second_ones_out() -> None:
    both = joined(maps([0, 0, 1, -4, -5]), maps([0, 0, -2]), shift=20)
    assert both.held_out.tolist() == [False] * 5 + [True] * 3
    people = both.person.tolist()
    assert people[0] == people[1]
    assert people[5] == people[6]
    assert len(set(people)) == 6


def test_all_finished_parts_are_read_as_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Maps.read(tmp_path)
    maps([3, -4]).save(tmp_path / "part-00")
    maps([3, -7, 5]).save(tmp_path / "part-01")
    (tmp_path / "part-02.partial").mkdir()
    read = Maps.read(tmp_path)
    people = read.person.tolist()
    assert len(people) == 5
    assert people[0] == people[2]
    assert sorted(set(people)) == [0, 1, 2, 3]
    first, second = maps([3, -4]), maps([3, -7, 5])
    rows, which = np.array([4, 0, 1, 2]), np.array([0, 1, 2, 2])
    wanted = [second.maps[0][2, 0], first.maps[0][0, 1], first.maps[0][1, 2], second.maps[0][0, 2]]
    assert (read.at(rows, which) == np.stack(wanted)).all()
    assert (read.at(rows, 1)[1] == wanted[1]).all()


def test_face_masks_come_more_often() -> None:
    often = masks_more_often({**TRAIN, "face mask, template": TRAIN["face mask"]})
    weights = {name: weight for name, (_, weight) in often.items()}
    assert weights["hat"] == TRAIN["hat"][1]
    masks = weights["face mask"] + weights["face mask, template"]
    assert masks > sum(weights.values()) / 3


@pytest.mark.slow
def test_the_shipped_extractor_shows_the_maps_of_the_tap() -> None:
    look = look_with(read_card(SHIPPED / "fast"))
    crops = np.random.default_rng(0).integers(0, 255, (1 + VARIANTS, 112, 112, 3), np.uint8)
    own, before = look(crops)
    assert np.allclose(np.linalg.norm(own, axis=1), 1, atol=1e-5)
    expected, _, tapped = load_extractor(read_card(SHIPPED / "fast"), tap=TAP).stages(crops)
    assert np.allclose(before, tapped, atol=1e-3)
    assert (own * expected).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_standard_crop_lies_in_the_middle() -> None:
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[8:120, 8:120] = 1
    assert standard(crop).shape == (112, 112, 3)
    assert standard(crop).all()
