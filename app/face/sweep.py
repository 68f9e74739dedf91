"""The last resort for a face that fills the frame and that the cascade does not see: the refiner tries every place.

Its score was taught on what a greedy cascade takes for faces, and a face is seen from several windows at once,
while hair or an elbow convinces one or two.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.align import TEMPLATE, similarity
from app.face.faces import Detection
from app.face.refine import LandmarkRefiner

SIDES: Final = (0.5, 0.75, 1.05)
"""Sides of the windows, in shorter sides of the picture."""
PLACES: Final = (0.2, 0.4, 0.6, 0.8)
"""Centres of the windows, along either side of the picture."""
WITNESSES: Final = 3
"""How many windows must agree that there is a face."""
SURE: Final = 0.95
"""Least score of the last witness.

Chosen on 320 tight side views of VGGFace2 and Pins, of which it misses none, and on 676 strips of CelebA's
photographs beside and under the face, mostly bodies, of which it takes 4 for faces."""

USUAL_BOX: Final = np.array([55.0, 55.0, 98.0])
"""Centre x, y and mean side of a detector's box around the face of the alignment template."""


def swept(picture: NDArray[np.uint8], refiner: LandmarkRefiner) -> Detection | None:
    """The face that fills ``picture`` [h, w, 3], or nothing; its box is a square guessed from its points."""
    height, width = picture.shape[:2]
    windows = [
        _around(x * width, y * height, side * min(width, height)) for side in SIDES for y in PLACES for x in PLACES
    ]
    nowhere = np.zeros((5, 2), np.float32)
    seen = refiner.refine([(picture, Detection(window, nowhere, 0.0)) for window in windows], looks=1)
    best = sorted(seen, key=lambda face: -face.score)[:WITNESSES]
    if best[-1].score < SURE:
        return None
    inverse = similarity(TEMPLATE, best[0].landmarks)
    x, y = inverse[:, :2] @ USUAL_BOX[:2] + inverse[:, 2]
    side = USUAL_BOX[2] * float(np.sqrt(np.linalg.det(inverse[:, :2])))
    return Detection(_around(float(x), float(y), side), best[0].landmarks, best[-1].score)


def _around(x: float, y: float, side: float) -> tuple[float, float, float, float]:
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2
