"""Batches of renders and redrawn photographs, shaken as cameras shake them. Pure but for the seed's generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.face.action_units import NAMES
from app.face.nets.facial_parameters import FIRST_UNIT
from training.face_model import CLASSES, IDENTITY
from training.redrawn import IGNORED
from training.render_sets import RenderSet

YAW: Final = IDENTITY + 1

PAINTED: Final = 0.35
"""Share of painted faces in a batch that has others, too."""

Picture = NDArray[np.uint8]
Places = NDArray[np.float32]


def _partner(name: str, names: tuple[str, ...], ends: tuple[str, str]) -> int:
    """The index of ``name`` on the other side of the face, its own where it has none."""
    one, other = ends
    for end, turned in ((one, other), (other, one)):
        if name.endswith(end) and name[: -len(end)] + turned in names:
            return names.index(name[: -len(end)] + turned)
    return names.index(name)


MIRRORED_UNITS: Final = [_partner(name, NAMES, ("L", "R")) for name in NAMES]
MIRRORED_CLASSES: Final = [_partner(name, CLASSES, ("_L", "_R")) for name in CLASSES]
MIRRORED_POINTS: Final = [
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
]  # fmt: skip


def batch_of(sets: Sequence[RenderSet], size: int, seed: tuple[int, int]) -> dict[str, Tensor]:
    """``images`` float [n, 3, s, s] 0-255, ``labels`` long [n, g, g], ``y`` [n, 269], ``points`` [n, 68, 2].

    ``PAINTED`` of it from the first set, painted faces, the rest from the others by their size. ``known`` [n, 1] is 1
    where the identity is exact: painted faces that were not mirrored.
    """
    rng = np.random.default_rng(seed)
    sizes = [len(part) for part in sets[1:]]
    counts = [round(size * (1 - PAINTED) * length / sum(sizes)) for length in sizes]
    counts = [size - sum(counts), *counts]
    images, labels, y, points, known = [], [], [], [], []
    for which, (part, count) in enumerate(zip(sets, counts, strict=True)):
        for at in rng.integers(0, len(part), count):
            one = part.images[at], part.labels[at], part.y[at], part.points[at]
            turned = rng.random() < 0.5
            image, label, truth, places = mirrored(*one) if turned else one
            image, label, places = _shaken(rng, image, label, places)
            images.append(_seen(rng, image))
            labels.append(label)
            y.append(truth)
            points.append(places)
            known.append(which == 0 and not turned)
    return {
        "images": torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(),
        "labels": torch.from_numpy(np.stack(labels)).long(),
        "y": torch.from_numpy(np.stack(y)),
        "points": torch.from_numpy(np.stack(points)),
        "known": torch.from_numpy(np.array(known, np.float32))[:, None],
    }


def mirrored(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], y: NDArray[np.float32], points: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Left for right in all four; the identity's modes have no mirror and are left as they are."""
    swap = np.arange(256, dtype=np.uint8)
    swap[: len(CLASSES)] = MIRRORED_CLASSES
    turned = y.copy()
    turned[YAW] = -y[YAW]
    turned[FIRST_UNIT:] = y[FIRST_UNIT:][MIRRORED_UNITS]
    return image[:, ::-1], swap[labels[:, ::-1]], turned, points[MIRRORED_POINTS] * np.array([-1, 1], np.float32)


def _shaken(
    rng: np.random.Generator, image: Picture, labels: Picture, points: Places
) -> tuple[Picture, Picture, Places]:
    """Turned, scaled and moved a little, as five points err."""
    turn, grow = rng.normal(0, 0.05), np.exp(rng.normal(0, 0.04))
    matrix = grow * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = rng.normal(0, 0.04, 2)

    def warped(picture: Picture, how: int, border: int) -> Picture:
        side = picture.shape[0]
        at = side / 2 * (shift + 1 - matrix.sum(axis=1)) + 0.5 * matrix.sum(axis=1) - 0.5
        inverse = np.column_stack([matrix, at])
        flags = how | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(picture, inverse, (side, side), flags=flags, borderMode=border, borderValue=IGNORED)
        return np.asarray(moved, np.uint8)

    picture = warped(np.ascontiguousarray(image), cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    classes = warped(np.ascontiguousarray(labels), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    return picture, classes, np.asarray(np.linalg.solve(matrix, (points - shift).T).T, np.float32)


def _seen(rng: np.random.Generator, image: Picture) -> Picture:
    """Light, colour, few pixels, noise and things in the way."""
    side = image.shape[0]
    if rng.random() < 0.3:
        image = np.repeat(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None], 3, axis=2)
    line = (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.25))
    line = (line - 0.5) * rng.uniform(0.6, 1.3) + 0.5 + rng.normal(0, 0.08)
    curves = line[:, None] * (1 + rng.normal(0, 0.08, 3))
    table = np.asarray(np.clip(255 * curves, 0, 255), np.uint8)[None]
    x = np.asarray(cv2.LUT(image, table), np.uint8)
    if rng.random() < 0.4:
        few = int(side * rng.uniform(0.25, 0.9))
        less = cv2.resize(x, (few, few), interpolation=cv2.INTER_AREA)
        x = np.asarray(cv2.resize(less, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
    if rng.random() < 0.3:
        noise = rng.standard_normal(x.shape, np.float32) * np.float32(255 * np.abs(rng.normal(0, 0.04)))
        x = np.asarray(np.clip(x + noise, 0, 255), np.uint8)
    if rng.random() < 0.15:
        high, wide = rng.integers(side // 16, side // 3, 2)
        top, left = rng.integers(0, side - high), rng.integers(0, side - wide)
        x[top : top + high, left : left + wide] = rng.integers(0, 256, 3)
    return x
