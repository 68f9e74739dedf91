"""A picture at many sizes, packed on one canvas so that a network sees all of them in one call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.boxes import Boxes

GREY: Final = (127, 127, 127)
"""What lies outside a picture: nothing, once it is normalised."""

SOURCE_RATIO: Final = 1.9
"""How much larger than a level its source is at least. A direct average of the picture differs by a few grey
values only, and costs a pass over all of its pixels for every level."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The picture resized to ``scale`` pixels for each of its own, uint8 [h, w, 3], sides rounded down."""

    pixels: NDArray[np.uint8]
    scale: float


def pyramid(picture: NDArray[np.uint8], first: float, factor: float, smallest: int) -> list[Level]:
    """Levels at ``first``, ``first * factor``, ... until a side would be under ``smallest`` pixels."""
    height, width = picture.shape[:2]
    levels: list[Level] = []
    scale = first
    while min(height, width) * scale >= smallest:
        high, wide = int(height * scale), int(width * scale)
        larger = (level.pixels for level in reversed(levels) if level.pixels.shape[0] >= SOURCE_RATIO * high)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(next(larger, picture), (wide, high), interpolation=how)
        levels.append(Level(np.asarray(resized, np.uint8), scale))
        scale *= factor
    return levels


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """All levels on one sheet, uint8 [h, w, 3]; ``corners`` holds the top left (x, y) of each, both even."""

    sheet: NDArray[np.uint8]
    corners: list[tuple[int, int]]


def packed(levels: Sequence[Level]) -> Canvas:
    """Levels, largest first, each at the first free place, on a canvas as wide as the first of them.

    Sides and corners are even, as P-Net's stride is two. What lies beside and below a level in its place is free.
    """
    width = _even(levels[0].pixels.shape[1])
    free: list[tuple[int, int, int, int]] = []  # of left, top, width, height
    corners, bottom = [], 0
    for level in levels:
        high, wide = (_even(side) for side in level.pixels.shape[:2])
        place = next((one for one in free if one[2] >= wide and one[3] >= high), None)
        if place is None:
            place = (0, bottom, width, high)
            bottom += high
        else:
            free.remove(place)
        x, y, across, down = place
        corners.append((x, y))
        free += [(x, y + high, wide, down - high), (x + wide, y, across - wide, down)]
    sheet = np.full((bottom, width, 3), GREY[0], np.uint8)
    for level, (x, y) in zip(levels, corners, strict=True):
        high, wide = level.pixels.shape[:2]
        sheet[y : y + high, x : x + wide] = level.pixels
    return Canvas(sheet, corners)


def windows(picture: NDArray[np.uint8], boxes: Boxes, side: int) -> NDArray[np.uint8]:
    """What each of ``boxes`` (in pixels of ``picture``) shows, resampled to uint8 [n, side, side, 3].

    The box's edges fall on the centres of the outer pixels and nothing is averaged, as in the published cascade;
    outside the picture it is grey. The cost is that of the pixels made, whatever the size of the box, so that
    cutting from a smaller level saves nothing.
    """
    out = np.empty((len(boxes), side, side, 3), np.uint8)
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3) / (side - 1)
    for at, (box, (wide, high)) in enumerate(zip(boxes, sizes, strict=True)):
        cv2.warpAffine(
            picture,
            np.array([[wide, 0, box[0]], [0, high, box[1]]]),
            (side, side),
            dst=out[at],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=GREY,
        )
    return out


def _even(side: int) -> int:
    return side + side % 2
