from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.near_infrared import TEST, TRAINING, disjoint, grey, near_infrared


def skin_coloured(lightness: float) -> np.ndarray:
    """A crop of one skin colour, uint8 [112, 112, 3]."""
    return np.full((112, 112, 3), np.clip(np.array([200, 150, 125]) * lightness, 0, 255), np.uint8)


def test_the_test_camera_shares_no_number_with_the_training_camera() -> None:
    assert disjoint(TRAINING, TEST)
    assert not disjoint(TRAINING, TRAINING)


@given(st.integers(0, 2**32 - 1))
def test_there_is_no_colour_and_the_same_seed_gives_the_same_picture(seed: int) -> None:
    crop = np.random.default_rng(seed).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    seen = near_infrared(crop, TRAINING, np.random.default_rng(seed))
    assert seen.shape == crop.shape
    assert seen.dtype == np.uint8
    assert (seen == seen[:, :, :1]).all()
    assert (seen == near_infrared(crop, TRAINING, np.random.default_rng(seed))).all()


def test_dark_and_light_skin_come_closer_to_each_other() -> None:
    def middle(lightness: float) -> float:
        seen = near_infrared(skin_coloured(lightness), TEST, np.random.default_rng(5))
        return float(seen[60:90, 40:72].mean())

    before = (grey(skin_coloured(1.0)).mean() + 1) / (grey(skin_coloured(0.5)).mean() + 1)
    assert 1 < middle(1.0) / middle(0.5) < 0.8 * before


@pytest.mark.parametrize("camera", [TRAINING, TEST])
def test_the_lamps_light_the_face_and_not_what_is_behind_it(camera: object) -> None:
    seen = near_infrared(np.full((112, 112, 3), 160, np.uint8), camera, np.random.default_rng(2))  # type: ignore[arg-type]
    assert seen[55:75, 46:66].mean() > 1.1 * seen[:8, :8].mean()
