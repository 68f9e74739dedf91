"""Between crop, picture and the network's numbers: nothing may be lost on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.face.align import TEMPLATE, similarity
from app.face.decode import decode
from app.face.detect import Detector
from app.face.engine import Engine
from app.face.extract import packaged_card
from app.face.nets.refiner import (
    DEGREES,
    OUTPUTS,
    SHAPE,
    SIDE,
    Refiner,
    box_matrix,
    landmarks_of,
    points_matrix,
    pose_of,
    score_of,
)
from app.face.refine import LANDMARKS, RepeatedLook
from app.face.runtime import run_with
from app.face.weights import SHIPPED, completed, load_part, read_card

turns = st.floats(-180, 180)
sizes = st.floats(0.05, 20)
places = st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000))


def placed(points: NDArray[np.floating], turn: float, size: float, place: tuple[float, float]) -> NDArray[np.float64]:
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(size * points @ rotation.T + place, np.float64)


@given(turns, sizes, places)
def test_a_perfect_face_is_an_output_of_zeros(turn: float, size: float, place: tuple[float, float]) -> None:
    points = placed(TEMPLATE, turn, size, place)
    found = landmarks_of(np.zeros((1, OUTPUTS), np.float32), points_matrix(points)[None])[0]
    assert np.allclose(found, points, atol=1e-2 * max(size, 1))


@given(turns, sizes, places, st.integers(0, 2**32 - 1))
def test_points_come_back_through_any_crop(turn: float, size: float, place: tuple[float, float], seed: int) -> None:
    points = placed(TEMPLATE, turn, size, place) + np.random.default_rng(seed).normal(0, size, (5, 2))
    shaken = points + np.random.default_rng(seed + 1).normal(0, 5 * size, (5, 2))
    matrix = points_matrix(shaken)
    outputs = np.zeros((1, OUTPUTS), np.float32)
    outputs[0, :10] = ((points @ matrix[:, :2].T + matrix[:, 2]) / SIDE - SHAPE).ravel()
    assert np.allclose(landmarks_of(outputs, matrix[None])[0], points, atol=1e-2 * max(size, 1))


@given(st.floats(-90, 90))
def test_roll_is_of_the_picture_whatever_the_crops_turn(turn: float) -> None:
    upright = points_matrix(TEMPLATE)
    leaning = points_matrix(placed(TEMPLATE, turn, 1.0, (0.0, 0.0)))
    outputs = np.zeros((2, OUTPUTS), np.float32)
    outputs[:, 10] = 1.0
    pose = pose_of(outputs, np.stack([upright, leaning]))
    assert pose[:, 0] == pytest.approx(DEGREES)
    # turned clockwise in the picture (y points down), the head leans to the picture's right
    assert pose[1, 2] - pose[0, 2] == pytest.approx(turn, abs=1e-3)


def test_a_box_becomes_the_middle_of_its_crop() -> None:
    matrix = box_matrix(np.array([10.0, 20.0, 50.0, 70.0]))
    assert matrix[:, :2] @ [30.0, 45.0] + matrix[:, 2] == pytest.approx([SIDE / 2, SIDE / 2])
    assert np.isfinite(box_matrix(np.array([5.0, 5.0, 5.0, 5.0]))).all()


def test_an_upright_box_and_aligning_points_show_a_face_at_one_size() -> None:
    """The network meets both crops, so a face should be about as large in both."""
    box = np.array([14.0, -3.0, 96.0, 113.0])  # what SCRFD answers for the template's face
    by_box, by_points = box_matrix(box), similarity(TEMPLATE, SHAPE * SIDE)
    assert by_box[0, 0] == pytest.approx(by_points[0, 0], rel=0.15)


def test_the_network_takes_pixels_and_scores_lie_between_0_and_1() -> None:
    pixels = torch.randint(0, 256, (3, SIDE, SIDE, 3), dtype=torch.uint8)
    outputs = Refiner().eval()(pixels)
    assert outputs.shape == (3, OUTPUTS)
    assert outputs.dtype == torch.float32
    scores = score_of(np.array([[0.0] * 13 + [v] for v in (-1e4, 0.0, 1e4)], np.float32))
    assert scores == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)


def test_the_network_is_small() -> None:
    assert sum(p.numel() for p in Refiner().parameters()) < 400_000


@pytest.fixture(scope="module")
def shipped() -> RepeatedLook:
    network = load_part(read_card(SHIPPED / LANDMARKS), "landmarks")
    return RepeatedLook(run_with("torch", network, (1, SIDE, SIDE, 3)))


ASTRONAUT = np.array([[204.5, 100.5], [247.0, 104.0], [222.5, 127.0], [204.0, 139.0], [243.5, 141.5]])
"""Her eyes, nose and mouth corners, read off the picture by eye."""


def test_the_shipped_refiner_points_at_a_face(
    shipped: RepeatedLook, detector: Detector, astronaut: NDArray[np.uint8]
) -> None:
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    (face,), (turned,) = detector.detect([astronaut, mirrored])
    refined, other = shipped.refine([(astronaut, face), (mirrored, turned)])
    assert np.linalg.norm(refined.landmarks - ASTRONAUT, axis=1).max() < 4
    assert other.pose.yaw == pytest.approx(-refined.pose.yaw, abs=6)
    assert other.pose.roll == pytest.approx(-refined.pose.roll, abs=6)
    back = other.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [astronaut.shape[1] - 1, 0]
    assert np.linalg.norm(refined.landmarks - back, axis=1).mean() < 3


def test_points_hardly_depend_on_how_the_box_lies(
    shipped: RepeatedLook, detector: Detector, astronaut: NDArray[np.uint8]
) -> None:
    (face,) = detector.detect([astronaut])[0]
    x0, y0, x1, y1 = face.box
    off = 0.08 * (x1 - x0)
    moved = [(x0 + dx, y0 + dy, x1 + dx, y1 + dy) for dx in (-off, off) for dy in (-off, off)]
    found = shipped.refine([(astronaut, replace(face, box=box)) for box in moved])
    assert np.stack([f.landmarks for f in found]).std(axis=0).max() < 0.02 * (x1 - x0)


def test_a_box_that_misses_the_face_scores_low(
    shipped: RepeatedLook, detector: Detector, astronaut: NDArray[np.uint8]
) -> None:
    (face,) = detector.detect([astronaut])[0]
    x0, y0, x1, y1 = face.box
    beside = replace(face, box=(x0 + (x1 - x0), y0, x1 + (x1 - x0), y1))
    right, wrong = shipped.refine([(astronaut, face), (astronaut, beside)])
    assert right.score > 0.9
    assert wrong.score < 0.5


def test_a_model_without_a_refiner_gets_the_shipped_one_and_says_so(engine: Engine) -> None:
    refiner = read_card(SHIPPED / LANDMARKS)
    assert engine.card.parts["landmarks"] == refiner.parts["landmarks"]
    assert engine.model_id not in {refiner.model_id, packaged_card().model_id}
    assert completed(refiner, refiner) == refiner


@pytest.mark.photos
@pytest.mark.slow
def test_side_views_are_told_from_front_views(shipped: RepeatedLook, detector: Detector, photographs: Path) -> None:
    def yaws(pattern: str) -> NDArray[np.float64]:
        images = [decode(path.read_bytes()) for path in sorted(photographs.glob(pattern))[:40]]
        faces = [(image, found[0]) for image, found in zip(images, detector.detect(images), strict=True) if found]
        return np.array([abs(refined.pose.yaw) for refined in shipped.refine(faces)])

    assert (yaws("subjects/*/profile-01.jpg") > 30).mean() > 0.95
    assert (yaws("subjects/*/frontal-01.jpg") < 30).mean() > 0.95
