from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.face.patterns import rectangle_of
from training.occlusion_maps import Maps, coarse, joined, standard, truth


def maps(people: list[int]) -> Maps:
    n = len(people)
    return Maps(
        np.zeros((n, 3, 2, 7, 7), np.float16),
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


def test_joined_keeps_people_apart_and_numbers_the_nameless() -> None:
    both = joined(maps([0, 0, 1, -1, -1]), maps([0, 0, -1]))
    assert both.held_out.tolist() == [False] * 5 + [True] * 3
    people = both.person.tolist()
    assert people[0] == people[1]
    assert people[5] == people[6]
    assert len(set(people)) == 6


def test_saved_maps_are_read_back(tmp_path: Path) -> None:
    maps([3, 4]).save(tmp_path)
    assert Maps.read(tmp_path).person.tolist() == [3, 4]


def test_the_standard_crop_lies_in_the_middle() -> None:
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[8:120, 8:120] = 1
    assert standard(crop).shape == (112, 112, 3)
    assert standard(crop).all()
