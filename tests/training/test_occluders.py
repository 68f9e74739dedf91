from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.face.align import template
from training.data.cover import frame_of, paint
from training.data.drawn_covers import face_mask
from training.data.mask_templates import read_templates
from training.data.occluders import TEST, TRAIN, draw, with_templates

CROP = np.full((112, 112, 3), 100, np.uint8)
BOTH = {**TRAIN, **TEST}


@pytest.mark.parametrize("name", list(BOTH))
def test_an_occluder_covers_a_part_and_says_which(name: str) -> None:
    frame = frame_of(template())
    parts = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cover = BOTH[name][0](frame, CROP, rng)
        assert (cover.alpha.shape, cover.alpha.dtype) == ((112, 112), np.float32)
        assert cover.alpha.min() >= 0
        assert cover.alpha.max() <= 1
        assert cover.colour.min() >= 0
        assert cover.colour.max() <= 256
        painted, covered = paint(CROP, cover)
        assert (painted[cover.alpha == 0] == 100).all()
        parts.append(covered.mean())
    assert 0.005 < np.mean(parts) < 0.7


def test_training_and_test_have_no_occluder_in_common() -> None:
    assert not set(TRAIN) & set(TEST)
    assert not {one for one, _ in TRAIN.values()} & {one for one, _ in TEST.values()}


def test_the_same_seed_paints_the_same() -> None:
    frame = frame_of(template())
    one, two = (draw(BOTH, frame, CROP, np.random.default_rng(7)) for _ in range(2))
    assert one[0] == two[0]
    assert (one[1].alpha == two[1].alpha).all()
    assert (one[1].colour == two[1].colour).all()


def test_a_face_mask_hides_the_mouth_and_leaves_the_eyes() -> None:
    points = template()
    for seed in range(20):
        alpha = face_mask(frame_of(points), CROP, np.random.default_rng(seed)).alpha
        (ly, ry), my = points[:2].round().astype(int), points[3:].mean(axis=0).round().astype(int)
        assert alpha[my[1], my[0]] > 0.9
        assert alpha[ly[1], ly[0]] == alpha[ry[1], ry[0]] == 0


@settings(max_examples=50)
@given(st.floats(-30, 30), st.floats(-20, 20), st.floats(0.7, 1.3))
def test_the_axes_follow_the_face(turn: float, shift: float, scale: float) -> None:
    matrix = cv2.getRotationMatrix2D((56, 70), turn, scale)
    matrix[:, 2] += shift
    points = template() @ matrix[:, :2].T + matrix[:, 2]
    plain, moved = frame_of(template()), frame_of(points)
    there = plain.at([(0.5, 0.0), (0.0, 1.0), (-1.0, 1.8)])
    assert np.allclose(
        moved.at([(0.5, 0.0), (0.0, 1.0), (-1.0, 1.8)]), there @ matrix[:, :2].T + matrix[:, 2], atol=1e-6
    )
    assert abs(moved.lean - plain.lean) < 1e-6


def test_a_turned_head_leans() -> None:
    points = template()
    points[2, 0] += 10
    assert frame_of(points).lean > 0.2


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A red frontal mask to train with and a blue one held back, as the published folder lays them out."""
    lines = []
    for name, colour in (("cloth", (0, 0, 255, 255)), ("N95", (255, 0, 0, 255))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((300, 400, 4), colour, np.uint8))
        corners = {"a": "0, 0", "b": "200, 0", "c": "400, 0", "d": "0, 300", "e": "200, 300", "f": "400, 300"}
        lines += [f"[{name}]", f"template: masks/templates/{name}.png", *(f"mask_{k}: {v}" for k, v in corners.items())]
    (tmp_path / "masks.cfg").write_text("\n".join([*lines, "[gone]", "template: masks/templates/gone.png"]))
    return tmp_path


def test_templates_are_warped_onto_the_face_and_kept_apart(templates: Path) -> None:
    found = read_templates(templates)
    assert set(found) == {"cloth", "N95"}
    frame = frame_of(template())
    for test, channel in ((False, 0), (True, 2)):
        occluder = with_templates({}, found, test)["face mask, template"][0]
        cover = occluder(frame, CROP, np.random.default_rng(0))
        assert cover.is_mask
        assert cover.alpha[90, 56] == 1
        assert cover.alpha[40, 56] == 0
        assert cover.colour[90, 56].argmax() == channel
