"""A face's own axes in its crop, and what is painted on it there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A face's own axes in its crop: the eyes' middle is the origin, ``side`` points right, ``down`` to the mouth.

    One unit of ``side`` is the distance of the eyes of a face seen from the front, one of ``down`` that from the
    eyes to the mouth. ``lean`` is how far the nose stands to the right of the middle, in units of ``side``: a
    turned head. ``size`` is the crop's side in pixels.
    """

    origin: NDArray[np.float64]
    side: NDArray[np.float64]
    down: NDArray[np.float64]
    lean: float
    size: int

    def at(self, points: Sequence[tuple[float, float]] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Pixels [n, 2] of points given in units of ``side`` and ``down``."""
        p = np.asarray(points, np.float64)
        return np.asarray(self.origin + p[:, :1] * self.side + p[:, 1:] * self.down)


def frame_of(points: NDArray[np.floating], size: int = 112) -> Frame:
    """From the five points [5, 2] of a crop, ordered as ``Detection`` orders them."""
    p = np.asarray(points, np.float64)
    eyes, mouth = p[:2].mean(axis=0), p[3:].mean(axis=0)
    down = mouth - eyes
    length = float(np.hypot(*down)) or 1.0
    right = np.array([down[1], -down[0]]) / length
    unit = max(float(np.hypot(*(p[1] - p[0]))), 0.8 * length)
    return Frame(eyes, right * unit, down, float((p[2] - (eyes + 0.5 * down)) @ right) / unit, size)


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """``alpha`` float32 [size, size] 0-1, ``colour`` float32 [size, size, 3] 0-255; ``is_mask``: a face mask."""

    alpha: Floats
    colour: Floats
    is_mask: bool = False


def paint(crop: Pixels, cover: Cover) -> tuple[Pixels, NDArray[np.bool_]]:
    """The crop with the cover on it, and the pixels [size, size] that no longer show the face."""
    alpha = cover.alpha[..., None]
    return (crop * (1 - alpha) + cover.colour * alpha).astype(np.uint8), cover.alpha > 0.5


Occluder = Callable[[Frame, Pixels, np.random.Generator], Cover]
"""``Pixels`` is another picture's crop, of which a texture may be made."""
