"""Figures and heat maps of covered faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from app.face.faces import Face
from tests.doubles import FakeEngine, picture
from training.occlusion_pictures import Looked, figures, heat_map, shown


def face(covered: float) -> tuple[np.ndarray, Face]:
    image = picture(1, covered=covered)
    return image, FakeEngine().pictures([image])[0].faces[0]


def test_a_picture_without_a_face_is_one_without_a_mask() -> None:
    image, masked = face(0.4)
    _, bare = face(0.0)
    looks = [Looked(True, image, masked), Looked(True, image, None), Looked(False, image, bare)]
    told = figures(looks)
    assert told["with a mask: said so"] | {"interval": None} == {
        "pictures": 2,
        "said": 1,
        "%": 50.0,
        "interval": None,
        "no face found": 1,
    }
    assert told["without: false alarms"]["said"] == 0


def test_covered_cells_turn_red_and_bare_ones_stay() -> None:
    crop = np.full((112, 112, 3), 100, np.uint8)
    cells = np.zeros((14, 14), np.float32)
    cells[7:] = 1
    shown_ = heat_map(crop, cells)
    assert (shown_[:40] == 100).all()
    assert (shown_[80:] == [172, 58, 58]).all()


def test_a_sheet_holds_each_crop_and_its_heat_map(tmp_path: Path) -> None:
    image, masked = face(0.4)
    other = replace(masked)
    shown([Looked(True, image, masked), Looked(True, image, None), Looked(True, image, other)], tmp_path / "a.png")
    page = cv2.imread(str(tmp_path / "a.png"))
    assert page.shape[:2] == (2 * (112 + 16 + 6), 2 * (112 + 6))
    shown([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
