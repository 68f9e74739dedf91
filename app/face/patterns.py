"""Occlusion patterns: rectangles of whole cells on a K x K grid over the aligned crop, and "none". Pure.

Method D. With K = 5 there are 1 + (5 * 6 / 2)^2 = 226; index 0 is "none", then rectangles by their first row, last
row, first column, last column. A cell is 112 / 5 = 22.4 pixels of the crop: row 1 holds the brows, 2 the eyes and
the bridge of the nose, 3 the nose, 4 the mouth.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

GRID: Final = 5

LEAST: Final = 0.5
"""Covered cells, counted by their parts, below which nothing is said to be covered: an earring, a lock of hair."""

Rectangle = tuple[int, int, int, int]
"""First row, last row, first column, last column, all inclusive, from 0 at the top left."""


@cache
def rectangles(grid: int = GRID) -> tuple[Rectangle, ...]:
    """All rectangles in the order of their index, which is one more than their place here."""
    spans = [(first, last) for first in range(grid) for last in range(first, grid)]
    return tuple((top, low, left, right) for top, low in spans for left, right in spans)


def patterns(grid: int = GRID) -> int:
    """How many there are, with "none"."""
    return 1 + len(rectangles(grid))


def rectangle_of(index: int, grid: int = GRID) -> Rectangle | None:
    """None for "none". Raises ``ValueError`` for an index that is none of ``patterns``."""
    if not 0 <= index < patterns(grid):
        raise ValueError(f"there are {patterns(grid)} patterns")
    return rectangles(grid)[index - 1] if index else None


def index_of(rectangle: Rectangle | None, grid: int = GRID) -> int:
    """Raises ``ValueError`` for a rectangle that does not lie on the grid."""
    return 0 if rectangle is None else 1 + rectangles(grid).index(rectangle)


def cells_of(index: int, grid: int = GRID) -> NDArray[np.bool_]:
    """The cells [grid, grid] that a pattern covers."""
    cells = np.zeros((grid, grid), np.bool_)
    rectangle = rectangle_of(index, grid)
    if rectangle is not None:
        top, low, left, right = rectangle
        cells[top : low + 1, left : right + 1] = True
    return cells


def overlap(first: int, second: int, grid: int = GRID) -> float:
    """Intersection over union of two patterns, 0-1; two "none" are alike."""
    a, b = cells_of(first, grid), cells_of(second, grid)
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else 1.0


def nearest_pattern(covered: NDArray[np.floating], grid: int = GRID) -> int:
    """The pattern that overlaps best with ``covered`` [grid, grid], the part of each cell that is covered, 0-1.

    The overlap counts parts of cells: what the rectangle holds of the cover, over the rectangle and the cover
    together. Ties go to the smaller index.
    """
    parts = np.asarray(covered, np.float64)
    if parts.sum() < LEAST:
        return 0
    chosen = _cells(grid)
    inside = chosen @ parts.ravel()
    return 1 + int(np.argmax(inside / (chosen.sum(axis=1) + parts.sum() - inside)))


@cache
def _cells(grid: int) -> NDArray[np.float64]:
    return np.stack([cells_of(index, grid).ravel() for index in range(1, patterns(grid))]).astype(np.float64)
