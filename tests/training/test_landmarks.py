"""Targets lie where the face went, and the trainer learns, stops and goes on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.face.align import TEMPLATE
from app.face.nets.refiner import DEGREES, FIELD, SHAPE, SIDE, Refiner
from training import landmarks, shaken_crops
from training.data import regions
from training.data.negatives import without_face
from training.shaken_crops import UNIT, Shake, missed, sample

FACE = ((TEMPLATE - 56) * (UNIT / 100) + regions.SIDE / 2).astype(np.float32)
NONE = np.empty((0, regions.SIDE, regions.SIDE, 3), np.uint8)


def drawn(points: NDArray[np.float32], seed: int = 0) -> NDArray[np.uint8]:
    """A grey region with a soft bright spot on each point."""
    image = np.full((regions.SIDE, regions.SIDE, 3), 40 + 10 * (seed % 5), np.uint8)
    for x, y in points:
        cv2.circle(image, (round(float(x) * 16), round(float(y) * 16)), 32, (255, 255, 255), -1, cv2.LINE_AA, 4)
    return image


@given(st.integers(0, 2**32 - 1))
def test_targets_follow_the_face(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shaken_crops, "spoiled", lambda _, crop: crop)
        crop, target = sample(
            np.random.default_rng(seed), drawn(FACE), FACE, np.array([30.0, 5.0, 0.0], np.float32), Shake()
        )
    if target[13]:
        for x, y in np.rint((target[:10].reshape(5, 2) + SHAPE) * SIDE).astype(int):
            if min(x, y) >= 1 and max(x, y) < SIDE - 1:  # a shaken crop may lose a corner of the mouth
                assert crop[y, x].min() > 120
        assert abs(target[10]) == pytest.approx(30 / DEGREES)
        eyes = (target[:10].reshape(5, 2) + SHAPE)[:2]
        assert eyes[0, 0] < eyes[1, 0]  # a mirrored face still has its left eye on the left
        lean = np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))
        assert target[12] * DEGREES == pytest.approx(lean, abs=1.0)


@given(st.integers(0, 2**32 - 1))
def test_a_missed_crop_hardly_shows_the_face(seed: int) -> None:
    matrix = missed(np.random.default_rng(seed))
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    low, high = (inverse @ [[0, SIDE], [0, SIDE], [1, 1]])[:2].T
    middle, side = (low + high) / 2, (high - low)[0] / FIELD
    shared = np.clip(
        np.minimum(middle + side / 2, (regions.SIDE + UNIT) / 2)
        - np.maximum(middle - side / 2, (regions.SIDE - UNIT) / 2),
        0,
        None,
    ).prod()
    assert shared / (side**2 + UNIT**2 - shared) < 0.3


def test_a_batch_is_its_seeds_alone_and_side_views_come_up() -> None:
    faces = made(60)
    bands = landmarks.by_yaw(faces.pose)
    first, again = (landmarks.batch_of(faces, bands, NONE, 64, (1, 5), Shake()) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], landmarks.batch_of(faces, bands, NONE, 64, (1, 6), Shake())[0])
    turned = (first[1][:, 10].abs() * DEGREES > 60).float().mean()
    assert turned > 0.08  # one in sixty of the faces


def test_some_of_a_batch_shows_no_face() -> None:
    faces = made(60)
    grey = np.full((2, regions.SIDE, regions.SIDE, 3), 128, np.uint8)
    _, targets = landmarks.batch_of(faces, landmarks.by_yaw(faces.pose), grey, 40, (1, 0), Shake())
    assert not targets[-4:].any()
    assert targets[:-4, 13].sum() > 20


def test_what_shows_no_face_is_chosen_by_overlap_and_belief() -> None:
    face = (10.0, 10.0, 50.0, 60.0)
    boxes = np.array([[12.0, 11, 52, 61], [15, 12, 30, 27], [100, 100, 140, 150], [100, 100, 140, 150]])
    scores = np.array([0.9, 0.9, 0.9, 0.1])
    assert without_face(boxes, scores, face).tolist() == [False, True, False, True]


def test_a_crop_that_misses_teaches_the_score_only() -> None:
    outputs, targets = torch.randn(4, 14), torch.randn(4, 14)
    targets[:, 13] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    other = targets.clone()
    other[2:, :13] += 100
    for name, value in landmarks.loss_of(outputs, targets).items():
        assert torch.equal(value, landmarks.loss_of(outputs, other)[name]), name


def test_wing_loss_meets_its_formula_and_is_continuous() -> None:
    def wing(error: float) -> float:
        targets = torch.zeros(1, 14)
        targets[0, 13] = 1
        outputs = targets.clone()
        outputs[0, :10] = error
        return float(landmarks.loss_of(outputs, targets)["points"])

    assert wing(0.05) == pytest.approx(10 * 0.1 * np.log(1 + 0.05 / 0.02), rel=1e-4)
    assert wing(0.1 - 1e-6) == pytest.approx(wing(0.1 + 1e-6), rel=1e-3)
    assert wing(0.4) - wing(0.3) == pytest.approx(10 * 0.1, rel=1e-3)


def test_the_network_learns_one_small_batch() -> None:
    torch.manual_seed(0)
    faces = made(32)
    crops, targets = landmarks.batch_of(faces, landmarks.by_yaw(faces.pose), NONE, 16, (1, 0), Shake())
    network = Refiner(8)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    losses = []
    for _ in range(100):
        loss = torch.stack(list(landmarks.loss_of(network(crops), targets).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.slow
def test_training_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "regions"
    folder.mkdir()
    faces = made(60)
    np.save(folder / "made.npy", np.stack(faces.pixels))
    np.savez(folder / "made.npz", points=faces.points, pose=faces.pose, person=faces.person)
    monkeypatch.setattr(landmarks, "SAVE_SECONDS", 0.0)
    honest = landmarks.batch_of

    def killed(faces, bands, nothing, size, seed, shake):  # type: ignore[no-untyped-def]
        if seed[1] == 3:
            raise KeyboardInterrupt
        return honest(faces, bands, nothing, size, seed, shake)

    landmarks.train(folder, tmp_path / "whole", steps=5, size=8)
    monkeypatch.setattr(landmarks, "batch_of", killed)
    with pytest.raises(KeyboardInterrupt):
        landmarks.train(folder, tmp_path / "parts", steps=5, size=8)
    monkeypatch.setattr(landmarks, "batch_of", honest)
    landmarks.train(folder, tmp_path / "parts", steps=5, size=8)
    whole, parts = ((tmp_path / run / "refiner.safetensors").read_bytes() for run in ("whole", "parts"))
    assert whole == parts


def test_a_person_is_held_out_whole(tmp_path: Path) -> None:
    faces = made(60)
    np.save(tmp_path / "made.npy", np.stack(faces.pixels))
    np.savez(tmp_path / "made.npz", points=faces.points, pose=faces.pose, person=faces.person)
    kept, held_out = (landmarks.load(tmp_path, which) for which in (False, True))
    assert len(kept.pixels) + len(held_out.pixels) == 60
    assert len(held_out.pixels) > 0
    assert not set(kept.person) & set(held_out.person)


def made(count: int) -> landmarks.Faces:
    """Drawn faces of thirty people, one of each yaw band at least."""
    rng = np.random.default_rng(0)
    points = (FACE + rng.normal(0, 1, (count, 5, 2))).astype(np.float32)
    pose = np.zeros((count, 3), np.float32)
    pose[:4, 0] = [20, -40, 50, -70]
    pixels = [drawn(p, i) for i, p in enumerate(points)]
    return landmarks.Faces(pixels, points, pose, np.array([f"person {i % 30}" for i in range(count)]))
