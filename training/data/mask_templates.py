"""Face masks cut from template pictures with alpha.

A folder of them is ``masks.cfg`` and its PNG files, six anchor points each, as the MaskTheFace project lays them out.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.cover import Cover, Frame, Occluder, Pixels
from training.data.surfaces import shaded

ANCHORS: Final = "abcdef"
TEMPLATE_SIDE: Final = 200
HELD_BACK: Final = ("KN95", "N95")
"""Templates of the test; training sees the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """``picture`` RGBA uint8 [h, w, 4]; ``anchors`` [6, 2]: left top, nose, right top, left low, chin, right low."""

    picture: Pixels
    anchors: NDArray[np.float64]


def read_templates(folder: Path) -> dict[str, Template]:
    """Every template of ``masks.cfg`` whose picture is there, by its name, made smaller once."""
    config = configparser.ConfigParser()
    config.read(folder / "masks.cfg", encoding="utf-8")
    found = {}
    for name in config.sections():
        path = folder / Path(config[name].get("template", "none")).name
        if not path.is_file():
            continue
        raw = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)
        scale = TEMPLATE_SIDE / max(raw.shape[:2])
        picture = cv2.resize(
            cv2.cvtColor(raw, cv2.COLOR_BGRA2RGBA), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        anchors = [[float(v) * scale for v in config[name][f"mask_{letter}"].split(",")] for letter in ANCHORS]
        found[name] = Template(np.asarray(picture, np.uint8), np.array(anchors))
    return found


def template_mask(templates: Mapping[str, Template], kinds: Sequence[str]) -> Occluder:
    """Face masks of these ``kinds``: the view that fits the head's turn, warped in two halves on its anchors."""

    def occlude(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
        kind = kinds[int(rng.integers(len(kinds)))]
        view = "" if abs(frame.lean) < 0.12 else "_left" if frame.lean < 0 else "_right"
        template = templates.get(kind + view, templates[kind])
        top, half, chin = rng.uniform(0.25, 0.5), rng.uniform(1.0, 1.15), rng.uniform(1.65, 1.9)
        lean = 0.8 * frame.lean
        target = frame.at(
            [
                (-half + 0.3 * lean, top + 0.15),
                (lean, top),
                (half + 0.3 * lean, top + 0.15),
                (-0.85 + 0.5 * lean, 1.25),
                (0.6 * lean, chin),
                (0.85 + 0.5 * lean, 1.25),
            ]
        )
        layer = np.zeros((frame.size, frame.size, 4), np.float32)
        for corners, keep in (((0, 1, 4, 3), -1), ((1, 2, 5, 4), 1)):
            a, b = template.anchors[list(corners)].astype(np.float32), target[list(corners)].astype(np.float32)
            warped = cv2.warpPerspective(
                template.picture, cv2.getPerspectiveTransform(a, b), (frame.size, frame.size), flags=cv2.INTER_AREA
            )
            layer = np.where(_side_of(target[1], target[4], frame.size)[..., None] == keep, warped, layer)
        tint = rng.uniform(0.75, 1.05)
        return Cover(
            np.asarray(layer[..., 3] / 255, np.float32),
            shaded(np.asarray(layer[..., :3] * tint, np.float32), rng),
            True,
        )

    return occlude


def _side_of(top: NDArray[np.floating], low: NDArray[np.floating], size: int) -> NDArray[np.int8]:
    """-1 left of the line from ``top`` to ``low``, 1 right of it, for each pixel."""
    y, x = np.mgrid[:size, :size]
    left = (low[0] - top[0]) * (y - top[1]) - (low[1] - top[1]) * (x - top[0]) > 0
    return np.where(left, -1, 1).astype(np.int8)
