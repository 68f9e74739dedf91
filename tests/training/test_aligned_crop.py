"""The error of a crop is that of the similarity which its points give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.face.align import CROP_SIZE, TEMPLATE, similarity
from training.aligned_crop import CORNERS, crop_error


def tensor(points: np.ndarray) -> torch.Tensor:
    return torch.tensor(points[None], dtype=torch.float32)


@given(st.integers(0, 2**32 - 1))
def test_it_measures_what_the_aligner_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labelled, points = (TEMPLATE / CROP_SIZE + rng.normal(0, 0.03, (5, 2)) for _ in range(2))
    right, found = (similarity(p, TEMPLATE / CROP_SIZE) for p in (labelled, points))
    seen = np.linalg.solve(right[:, :2], np.array(CORNERS).T - right[:, 2:])
    off = found[:, :2] @ seen + found[:, 2:] - np.array(CORNERS).T
    assert float(crop_error(tensor(points), tensor(labelled))) == pytest.approx(
        np.linalg.norm(off, axis=0).mean(), abs=2e-4
    )


def test_a_crop_that_is_moved_is_off_by_as_much() -> None:
    labelled = TEMPLATE / CROP_SIZE
    assert float(crop_error(tensor(labelled + np.array([0.05, 0.0])), tensor(labelled))) == pytest.approx(
        0.05, abs=1e-3
    )


def test_points_that_coincide_still_teach() -> None:
    points = torch.full((1, 5, 2), 0.5, requires_grad=True)
    crop_error(points, tensor(TEMPLATE / CROP_SIZE)).sum().backward()  # type: ignore[no-untyped-call]
    assert points.grad is not None
    assert bool(torch.isfinite(points.grad).all())
