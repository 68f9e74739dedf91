"""Creases: what skin does when a unit moves it, drawn onto the vertices, since the morphable face has none. Pure.

A furrowed glabella says more of AU4 than the place of a brow does, and a wrinkled nose hardly moves a landmark. How
deep a crease goes is a person's own, and many lie there at rest, too: nothing may be read from a crease alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.action_units import NAMES
from training.face_model import DRAWN, FaceModel

Array = NDArray[np.float32]

Place = tuple[int, float, float]
"""One of the 68 points, and cm to the subject's left of it and above it."""


@dataclass(frozen=True, slots=True)
class Crease:
    """Lines along ``strokes``, drawn on both halves of the face, as deep as ``units`` move (a weighted sum)."""

    units: Mapping[str, float]
    strokes: Sequence[tuple[Place, ...]]


CROWS_FEET: Final = ((0.3, 0.8), (-0.05, -0.05), (-0.4, -0.9))
"""Where the lines beside an eye begin and end, cm above its outer corner."""

CREASES: Final = (
    Crease({"AU4": 1.0}, [((22, -0.45, -0.8), (22, -0.3, 1.1)), ((22, 0.15, -0.3), (22, 0.25, 0.7))]),
    Crease({"AU9": 1.0, "AU4": 0.4}, [((27, 0.0, 0.35), (27, 0.8, 0.25)), ((27, 0.0, -0.15), (27, 0.7, 0.0))]),
    Crease({"AU9": 1.0}, [((42, -0.6, -0.2), (28, 0.5, -0.5)), ((42, -0.5, -0.7), (29, 0.55, -0.4))]),
    Crease({"AU9": 0.8, "AU10": 0.8}, [((35, 0.15, 0.9), (35, 0.6, 0.4), (35, 1.2, -0.5))]),
    Crease({"AU12L": 0.5, "AU12R": 0.5, "AU10": 0.4}, [((35, 0.6, 0.3), (35, 1.5, -0.7), (54, 0.8, 0.2))]),
    Crease({"AU1": 1.0}, [((22, -1.3, y), (22, -0.2, y + 0.25), (22, 1.3, y - 0.05)) for y in (1.3, 2.1, 2.9)]),
    Crease({"AU2": 1.0}, [((23, 0.0, y), (24, 0.0, y + 0.2), (25, 0.0, y)) for y in (1.2, 2.0, 2.8)]),
    Crease({"AU12L": 0.3, "AU12R": 0.3, "AU7": 0.5}, [((45, 0.4, y), (45, 1.5, to)) for y, to in CROWS_FEET]),
    Crease({"AU7": 0.8, "AU9": 0.3}, [((42, 0.1, -0.5), (47, 0.0, -0.45), (46, 0.2, -0.35))]),
    Crease({"AU15": 1.0}, [((54, 0.25, -0.1), (54, 0.6, -1.1))]),
)  # fmt: skip

WIDTH: Final = 0.16
"""Half a line's width, cm."""
MIDDLE: Final = 27
"""A point in the middle of the face, about which lines are mirrored."""


@dataclass(frozen=True, slots=True, eq=False)
class Creases:
    """``lines`` [k, v], how deep each vertex lies in each of ``CREASES``, 0-1; ``moved`` [k, 23] by which units."""

    lines: Array
    moved: Array


@dataclass(frozen=True, slots=True, eq=False)
class Habit:
    """Of one skin: how dark each of ``CREASES`` turns with its units, and how much of it is there ``at_rest``."""

    depth: Array
    at_rest: Array


def creases_of(model: FaceModel) -> Creases:
    """Where the lines lie on the mean face."""
    moved = np.zeros((len(CREASES), len(NAMES)), np.float32)
    for row, crease in zip(moved, CREASES, strict=True):
        for name, weight in crease.units.items():
            row[NAMES.index(name)] = weight
    skin = (model.part == DRAWN.index("face")) & (model.mean[:, 2] > 3)
    return Creases(np.stack([_line(model, skin, crease) for crease in CREASES]), moved)


def draw_habit(rng: np.random.Generator, at_rest: bool = True) -> Habit:
    """A skin that creases much, little or not at all; lines at rest are the old's, mostly of several kinds."""
    count = len(CREASES)
    depth = rng.uniform(0.0, 0.55) * rng.uniform(0.4, 1.0, count) * (rng.random() < 0.85)
    resting = rng.uniform(0, 0.7, count) * (rng.random(count) < 0.5) * (rng.random() < 0.35) * at_rest
    return Habit(np.asarray(depth, np.float32), np.asarray(resting, np.float32))


def shade(creases: Creases, habit: Habit, units: NDArray[np.floating]) -> Array:
    """What the colour of each vertex is multiplied with, [v], while ``units`` [23] move."""
    amount = habit.depth * np.clip(creases.moved @ units + habit.at_rest, 0, 1)
    return np.asarray(np.clip(1 - amount @ creases.lines, 0.3, 1), np.float32)


def _line(model: FaceModel, skin: NDArray[np.bool_], crease: Crease) -> Array:
    at, middle = model.mean[skin, :2], model.mean[model.landmarks[MIDDLE], 0]
    folded = np.column_stack([np.abs(at[:, 0] - middle), at[:, 1]])
    near = np.full(len(at), np.inf)
    for stroke in crease.strokes:
        corners = np.array([model.mean[model.landmarks[point], :2] + (x, y) for point, x, y in stroke])
        corners[:, 0] = np.abs(corners[:, 0] - middle)
        for start, end in pairwise(corners):
            way = end - start
            along = np.clip((folded - start) @ way / max(float(way @ way), 1e-6), 0, 1)
            near = np.minimum(near, np.linalg.norm(folded - start - along[:, None] * way, axis=1))
    out = np.zeros(len(model.mean), np.float32)
    out[skin] = np.exp(-((near / WIDTH) ** 2))
    return out
