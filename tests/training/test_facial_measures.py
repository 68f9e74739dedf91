"""The measures, against what can be known without a network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.face.action_units import NAMES, UNITS
from app.face.nets.facial_parameters import DEGREES, FIRST_UNIT, IDENTITY, OUTPUTS, SIDE
from app.face.refine import shipped_refiner
from training.facial_measures import POSED, expressions, icc31, of_blendshapes, of_pose, of_renders


def test_icc_ignores_an_offset_and_is_zero_for_noise() -> None:
    rng = np.random.default_rng(0)
    one = rng.random(4000)
    assert icc31(one, one + 3) == pytest.approx(1)
    assert icc31(one, rng.random(4000)) == pytest.approx(0, abs=0.05)
    assert icc31(one, -one) == pytest.approx(-1)
    noise = rng.normal(0, one.std(), 4000)
    assert icc31(one, one + noise) == pytest.approx(1 / 1.5, abs=0.03)  # (s + s/2 - e/2) / (s + e/2), s = e
    assert icc31(np.ones(5), np.ones(5)) == 0


def test_icc_of_the_published_example() -> None:
    """Shrout and Fleiss (1979), table 2, judges 2 and 4: BMS 3.4167, EMS 1.4167 by hand."""
    second, fourth = np.array([2, 1, 4, 1, 5, 2]), np.array([6, 2, 5, 3, 6, 4])
    mean = (second + fourth) / 2
    between = 2 * ((mean - mean.mean()) ** 2).sum() / 5
    difference = second - fourth
    residual = ((difference - difference.mean()) ** 2).sum() / 2 / 5
    assert icc31(second, fourth) == pytest.approx((between - residual) / (between + residual))


def faces(count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(1)
    y = rng.normal(0, 0.6, (count, OUTPUTS)).astype(np.float32)
    y[:, FIRST_UNIT:] = 0
    y[np.arange(count), FIRST_UNIT + rng.integers(0, len(NAMES), count)] = rng.random(count)
    return y


def test_the_truth_has_no_error() -> None:
    y = faces()
    figures = of_renders(y, y)
    assert figures["icc"] == pytest.approx(1)
    assert figures["mae"] == figures["yaw"] == figures["pitch"] == 0


def test_pose_is_in_degrees_and_knows_the_wrong_way() -> None:
    y = faces()
    yaw, pitch = y[:, IDENTITY + 1] * DEGREES, y[:, IDENTITY] * DEGREES
    assert of_pose(y, yaw + 4, pitch - 2)["yaw"] == pytest.approx(4, abs=0.01)
    assert of_pose(y, yaw, pitch)["direction"] == 1
    assert of_pose(y, -yaw, pitch)["direction"] == 0


def test_a_blendshape_that_never_moves_is_told_apart() -> None:
    y = faces()
    names = tuple(shape for unit in UNITS for shape in unit.blendshapes)
    shapes = np.concatenate(
        [np.repeat(y[:, [FIRST_UNIT + at]], len(u.blendshapes), 1) for at, u in enumerate(UNITS)], 1
    )
    shapes[:, names.index("cheekPuff")] = 0.001
    agreement = of_blendshapes(y, shapes, names)
    assert set(agreement["still"]) == {"AU34"}
    assert all(value > 0.8 for value in agreement["moving"].values())


@pytest.mark.slow
def test_folders_of_expressions_become_areas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for expression in (*POSED, "fear"):
        (tmp_path / expression).mkdir()
        for number in range(2):
            cv2.imwrite(str(tmp_path / expression / f"{number}.png"), rng.integers(0, 255, (48, 48), np.uint8))

    def estimate(crops: np.ndarray) -> np.ndarray:
        assert crops.shape == (10, SIDE, SIDE, 3)
        y = np.zeros((10, OUTPUTS), np.float32)
        y[4:6, FIRST_UNIT + NAMES.index("AU12L")] = 1  # folders by name: anger, disgust, fear, happy, surprise
        y[0:2, FIRST_UNIT + NAMES.index("AU4")] = 0
        return y

    areas = expressions(tmp_path, shipped_refiner("torch", 1, "cpu"), estimate)
    assert set(POSED) < set(areas)
    assert {"AU9 in disgust", "AU10 in disgust"} < set(areas)
    assert areas["anger"] == 0.5
