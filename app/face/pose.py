"""Head angles from five points, for models whose card has no pose head. Pure.

The axis from the eyes' middle to the mouth's middle gives the roll; with it undone, the nose's distance from
that axis against the distance of the eyes gives the yaw, and its place along the axis the pitch. ``DEPTH``,
``STEEPNESS`` are fitted to the 30,257 labelled faces of VGGFace2 (69 people) and CelebA (299 people): with the
labels' points the yaw is 2.1 degrees off in the median, the pitch 3.4.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.faces import Pose

DEPTH: Final = 2.0
"""tan(yaw) for one nose offset over one eye distance: how far the nose stands before the eyes."""

STEEPNESS: Final = 65.1
"""Degrees of pitch for one eyes-to-mouth length."""

LEVEL: Final = 0.495
"""Where the nose of a level head is, from the eyes (0) to the mouth (1): that of the alignment template."""


def pose_from_points(landmarks: NDArray[np.floating]) -> Pose:
    """``landmarks`` [5, 2] in pixels, as ``Detection`` orders them. Coinciding points give zeros."""
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    axis = mouth - eyes
    length = float(np.hypot(*axis))
    if length < 1e-6:
        return Pose(0.0, 0.0, 0.0)
    down = axis / length
    right = np.array([down[1], -down[0]])
    nose = points[2] - eyes
    offset, along = float(nose @ right) / length, float(nose @ down) / length
    apart = abs(float((points[1] - points[0]) @ right)) / length
    return Pose(
        yaw=float(np.degrees(np.arctan2(DEPTH * offset, apart))),
        pitch=float(np.clip(STEEPNESS * (along - LEVEL), -90, 90)),
        roll=float(np.degrees(np.arctan2(-axis[0], axis[1]))),
    )
