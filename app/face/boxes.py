"""Arithmetic on boxes: float64 [n, 4], x0 y0 x1 y1 in pixels. Pure."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def overlaps(a: Boxes, b: Boxes, over: Literal["union", "smaller"] = "union") -> NDArray[np.float64]:
    """Intersection of each of ``a`` with each of ``b`` over their union, or over the smaller of the two: [n, m]."""
    wide = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    high = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    sizes_a, sizes_b = areas(a)[:, None], areas(b)[None, :]
    whole = np.minimum(sizes_a, sizes_b) if over == "smaller" else sizes_a + sizes_b - shared
    return shared / np.maximum(whole, 1e-9)


def areas(boxes: Boxes) -> NDArray[np.float64]:
    areas_: NDArray[np.float64] = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    return areas_


def strongest(
    boxes: Boxes, scores: NDArray[np.floating], threshold: float, over: Literal["union", "smaller"] = "union"
) -> NDArray[np.int64]:
    """Indexes of the boxes that no better scored box overlaps by more than ``threshold``, best first.

    As the published cascade does it: a box that is itself suppressed still suppresses others.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    ranked, places = boxes[order], np.arange(len(order))
    above = overlaps(ranked, ranked, over) > threshold
    first = above.argmax(
        axis=0
    )  # the best box that overlaps each: itself, one that hides it, or, for an empty one, none
    return order[~((first < places) & above[first, places])]


def squared(boxes: Boxes) -> Boxes:
    """The square around each box: same centre, its longer side."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.hstack([centres - half, centres + half])


def moved(boxes: Boxes, offsets: NDArray[np.floating]) -> Boxes:
    """Each corner moved by ``offsets`` [n, 4] in units of the box's width and height (one pixel is counted more)."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
    return boxes + offsets * sides
