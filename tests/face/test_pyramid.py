from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.face.pyramid import packed, pyramid, windows


def smooth(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(height, width, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.asarray(np.clip(127 + soft * 600, 0, 255), np.uint8)


@settings(max_examples=30)
@given(st.integers(32, 300), st.integers(32, 300), st.floats(0.2, 1.0), st.floats(0.5, 0.9))
def test_levels_shrink_until_the_smallest_and_lie_apart(height: int, width: int, first: float, factor: float) -> None:
    levels = pyramid(np.zeros((height, width, 3), np.uint8), first, factor, 12)
    scale = first
    for level in levels:
        assert level.pixels.shape[:2] == (int(height * scale), int(width * scale))
        assert min(level.pixels.shape[:2]) >= 12
        scale *= factor
    assert min(height, width) * scale < 12
    if not levels:
        return
    canvas = packed(levels)
    used = np.zeros(canvas.sheet.shape[:2], int)
    for level, (x, y) in zip(levels, canvas.corners, strict=True):
        assert x % 2 == 0
        assert y % 2 == 0
        high, wide = level.pixels.shape[:2]
        assert (canvas.sheet[y : y + high, x : x + wide] == level.pixels).all()
        used[y : y + high, x : x + wide] += 1
    assert used.max() == 1


def test_a_level_is_close_to_an_average_of_the_picture_itself() -> None:
    picture = smooth(480, 640)
    for level in pyramid(picture, 0.6, 0.709, 12):
        direct = cv2.resize(picture, level.pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(direct.astype(int) - level.pixels).mean() < 3


def test_the_canvas_wastes_little() -> None:
    for height, width in ((480, 640), (576, 1024), (1024, 576), (250, 250)):
        levels = pyramid(np.zeros((height, width, 3), np.uint8), 0.6, 0.709, 12)
        sheet = packed(levels).sheet
        assert sum(level.pixels.size for level in levels) > 0.88 * sheet.size


def test_a_window_of_the_same_size_is_the_picture() -> None:
    picture = smooth(100, 100)
    (window,) = windows(picture, np.array([[10.0, 20.0, 33.0, 43.0]]), 24)
    assert (window == picture[20:44, 10:34]).all()


def test_outside_is_grey() -> None:
    (window,) = windows(np.zeros((50, 50, 3), np.uint8), np.array([[-100.0, -100.0, -60.0, -60.0]]), 24)
    assert (window == 127).all()
