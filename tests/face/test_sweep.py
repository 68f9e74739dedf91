"""A face counts when several windows see it; its box then comes from its points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.face.align import TEMPLATE
from app.face.boxes import overlaps
from app.face.detect import Detector
from app.face.faces import Detection, Pose
from app.face.refine import Refined, shipped_refiner
from app.face.sweep import swept

EMPTY = np.zeros((200, 160, 3), np.uint8)
FACE = (40.0, 50.0, 138.0, 148.0)
POINTS = (TEMPLATE - 55 + [89, 99]).astype(np.float32)
"""The template's face, its usual box put on ``FACE``."""


class Knowing:
    """A refiner that is sure of the windows that overlap ``FACE`` by more than ``least``."""

    def __init__(self, least: float) -> None:
        self.least = least

    def refine(self, faces: Sequence[tuple[NDArray[np.uint8], Detection]], looks: int = 3) -> list[Refined]:
        shared = overlaps(np.array([face.box for _, face in faces]), np.array([FACE]))[:, 0]
        return [Refined(POINTS, Pose(0, 0, 0), 0.99 if part > self.least else 0.2) for part in shared]


def test_what_several_windows_see_is_a_face_and_its_points_give_its_box() -> None:
    face = swept(EMPTY, Knowing(0.3))
    assert face is not None
    assert overlaps(np.array([face.box]), np.array([FACE]))[0, 0] > 0.95
    assert np.array_equal(face.landmarks, POINTS)
    assert face.score > 0.9


def test_what_one_window_sees_is_none() -> None:
    windows_that_fit_best = 0.75
    assert swept(EMPTY, Knowing(windows_that_fit_best)) is None


def test_the_shipped_refiner_alone_finds_a_face_that_fills_the_frame(
    detector: Detector, astronaut: NDArray[np.uint8]
) -> None:
    refiner = shipped_refiner("torch", 1, "cpu")
    ((seen,),) = detector.detect([astronaut])
    x0, y0, x1, y1 = (round(v) for v in seen.box)
    corner = np.array([x0 - 10, y0 - 10])
    face = swept(np.ascontiguousarray(astronaut[y0 - 10 : y1 + 10, x0 - 10 : x1 + 10]), refiner)
    assert face is not None
    assert np.linalg.norm(face.landmarks - (seen.landmarks - corner), axis=1).mean() < 6
    assert swept(np.full((120, 90, 3), 128, np.uint8), refiner) is None
