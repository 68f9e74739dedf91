from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.face.align import TEMPLATE
from app.face.pose import pose_from_points
from app.face.quality import inter_eye, quality_of

HEAD = np.array([[-31.0, -30, 0], [31, -30, 0], [0, 0, 31], [-24, 30, 0], [24, 30, 0]])
"""Five points of a head: x to the picture's right, y down, z towards the camera."""


def seen(yaw: float = 0.0, roll: float = 0.0, scale: float = 1.0) -> NDArray[np.float64]:
    """From the front by a distant camera, turned to the picture's right and leaning clockwise, degrees."""
    a, b = np.radians([yaw, roll])
    x = HEAD[:, 0] * np.cos(a) + HEAD[:, 2] * np.sin(a)
    flat = np.stack([x, HEAD[:, 1]], axis=1)
    lean = np.array([[np.cos(b), -np.sin(b)], [np.sin(b), np.cos(b)]])
    return scale * flat @ lean.T + 200


@given(st.floats(-75, 75), st.floats(-60, 60), st.floats(0.3, 4))
def test_yaw_and_roll_of_a_turned_head(yaw: float, roll: float, scale: float) -> None:
    pose = pose_from_points(seen(yaw, roll, scale))
    assert pose.yaw == pytest.approx(yaw, abs=1)
    assert pose.roll == pytest.approx(roll, abs=1)


def test_pitch_follows_the_nose() -> None:
    down = TEMPLATE.copy()
    down[2, 1] += 8
    assert pose_from_points(TEMPLATE).pitch == pytest.approx(0, abs=2)
    assert pose_from_points(down).pitch > 8


def test_points_that_coincide_have_no_angle() -> None:
    assert pose_from_points(np.zeros((5, 2))).yaw == 0


@given(st.floats(-80, 80), st.floats(0.5, 3))
def test_turning_away_does_not_make_the_face_small(yaw: float, scale: float) -> None:
    assert inter_eye(seen(yaw, 0, scale)) >= 0.8 * inter_eye(seen(0, 0, scale))


def crop() -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(size=(112, 112))
    coarse, fine = cv2.GaussianBlur(noise, (0, 0), 8) * 900, cv2.GaussianBlur(noise, (0, 0), 1) * 40
    return np.asarray(np.clip(128 + coarse + fine, 0, 255), np.uint8)[..., None].repeat(3, axis=2)


def test_each_harm_lowers_its_own_component() -> None:
    good = quality_of(crop(), TEMPLATE * 3)
    assert quality_of(cv2.GaussianBlur(crop(), (0, 0), 4), TEMPLATE * 3).sharpness < good.sharpness / 2
    assert quality_of((crop() * 0.15).astype(np.uint8), TEMPLATE * 3).brightness < good.brightness / 2
    assert quality_of((crop() * 0.1 + 115).astype(np.uint8), TEMPLATE * 3).contrast < good.contrast / 2
    assert quality_of(crop(), TEMPLATE * 0.4).size < good.size / 2


def test_overall_is_the_weakest_and_all_lie_between_0_and_100() -> None:
    for picture in (crop(), np.zeros((112, 112, 3), np.uint8), np.full((112, 112, 3), 255, np.uint8)):
        quality = quality_of(picture, TEMPLATE)
        parts = [quality.sharpness, quality.brightness, quality.contrast, quality.size]
        assert quality.overall == min(parts)
        assert all(0 <= part <= 100 for part in parts)
