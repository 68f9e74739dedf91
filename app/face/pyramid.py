"""A picture at many sizes, packed on one canvas so that a network sees all of them in one call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.boxes import Boxes

GREY = (127, 127, 127)
"""What lies outside a picture: nothing, once it is normalised."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The picture at ``scale`` (x, y: pixels of the level for one of the picture), uint8 [h, w, 3]."""

    pixels: NDArray[np.uint8]
    scale: tuple[float, float]


def pyramid(picture: NDArray[np.uint8], first: float, factor: float, smallest: int) -> list[Level]:
    """Levels at ``first``, ``first * factor``, ... until a side would be under ``smallest`` pixels.

    Each is averaged down from the smallest level that is at least half as large again: close to averaging
    the picture itself, at a fraction of the cost.
    """
    height, width = picture.shape[:2]
    levels: list[Level] = []
    scale = first
    while min(height, width) * scale >= smallest:
        high, wide = int(height * scale), int(width * scale)
        source = next((level.pixels for level in reversed(levels) if level.pixels.shape[0] >= 1.5 * high), picture)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(source, (wide, high), interpolation=how), np.uint8)
        levels.append(Level(pixels, (wide / width, high / height)))
        scale *= factor
    return levels


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """All levels on one sheet, uint8 [h, w, 3]; ``corners`` holds the top left (x, y) of each, both even."""

    sheet: NDArray[np.uint8]
    corners: list[tuple[int, int]]


def packed(levels: Sequence[Level]) -> Canvas:
    """Levels laid on shelves as wide as the first of them. Sides and corners are even, as P-Net's stride is two."""
    width = _even(levels[0].pixels.shape[1])
    shelves: list[list[int]] = []  # of top, height, width used
    corners, bottom = [], 0
    for level in levels:
        high, wide = (_even(side) for side in level.pixels.shape[:2])
        shelf = next((s for s in shelves if s[1] >= high and s[2] + wide <= width), None)
        if shelf is None:
            shelf = [bottom, high, 0]
            shelves.append(shelf)
            bottom += high
        corners.append((shelf[2], shelf[0]))
        shelf[2] += wide
    sheet = np.full((bottom, width, 3), GREY[0], np.uint8)
    for level, (x, y) in zip(levels, corners, strict=True):
        high, wide = level.pixels.shape[:2]
        sheet[y : y + high, x : x + wide] = level.pixels
    return Canvas(sheet, corners)


def windows(levels: Sequence[Level], boxes: Boxes, side: int) -> NDArray[np.uint8]:
    """What each of ``boxes`` (in pixels of the picture) shows, resampled to uint8 [n, side, side, 3].

    Each is cut from the smallest level that still holds ``side`` pixels for it. The box's edges fall on the
    centres of the outer pixels, as in the published cascade; outside the picture it is grey.
    """
    out = np.empty((len(boxes), side, side, 3), np.uint8)
    scales = np.array([level.scale[0] for level in levels])
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    enough = scales[None, :] * sizes.max(axis=1)[:, None] >= side * 0.95
    chosen = np.where(enough, scales[None, :], np.inf).argmin(axis=1)
    chosen[~enough.any(axis=1)] = scales.argmax()
    matrix = np.zeros((2, 3))
    for at, (box, size) in enumerate(zip(boxes, sizes, strict=True)):
        level = levels[chosen[at]]
        for axis in (0, 1):
            scale = level.scale[axis]
            matrix[axis, axis] = size[axis] / (side - 1) * scale
            matrix[axis, 2] = (box[axis] + 0.5) * scale - 0.5
        cv2.warpAffine(
            level.pixels,
            matrix,
            (side, side),
            dst=out[at],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=GREY,
        )
    return out


def _even(side: int) -> int:
    return side + side % 2
