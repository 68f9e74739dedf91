"""Is this face good enough to enrol: a few components of ISO/IEC 29794-5, measured on the aligned crop. Pure."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.align import TEMPLATE
from app.face.faces import Quality

EYE_TO_MOUTH: Final = float((TEMPLATE[3:].mean(axis=0) - TEMPLATE[:2].mean(axis=0))[1])
EYE_TO_EYE: Final = float(TEMPLATE[1, 0] - TEMPLATE[0, 0])

IDEAL_INTER_EYE: Final = 60.0
"""Pixels between the eyes from which size is no concern; the crop itself holds 35."""

INNER: Final = slice(16, 96)
"""Rows and columns of the 112 crop that show the face and little else."""


def quality_of(crop: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> Quality:
    """Of an aligned ``crop`` uint8 [112, 112, 3] and its ``landmarks`` [5, 2] in pixels of the picture."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[INNER, INNER].astype(np.float32)
    distance = inter_eye(landmarks)
    parts = {
        "sharpness": _between(_detail(grey), 0.0, 0.16),
        "brightness": _within(float(grey.mean()), 20.0, 80.0, 190.0, 250.0),
        "contrast": _between(float(grey.std()), 4.0, 32.0),
        "size": _between(distance, 8.0, IDEAL_INTER_EYE),
    }
    return Quality(overall=min(parts.values()), inter_eye=distance, **parts)


def inter_eye(landmarks: NDArray[np.floating]) -> float:
    """Pixels between the eyes of the same head seen from the front.

    A turned head shows its eyes closer together, but its eyes as far from its mouth: the larger of the two
    lengths counts, the second in the template's proportion.
    """
    points = np.asarray(landmarks, np.float64)
    eyes = float(np.hypot(*(points[1] - points[0])))
    down = float(np.hypot(*(points[3:].mean(axis=0) - points[:2].mean(axis=0))))
    return max(eyes, down * EYE_TO_EYE / EYE_TO_MOUTH)


def _detail(grey: NDArray[np.float32]) -> float:
    """Energy of the finest detail over that of all detail, so that contrast and brightness do not matter."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)
    spread = float(grey.std())
    return float((grey - smooth).std()) / spread if spread > 1e-3 else 0.0


def _between(value: float, worst: float, best: float) -> float:
    return float(np.clip((value - worst) / (best - worst), 0, 1) * 100)


def _within(value: float, low: float, good_from: float, good_to: float, high: float) -> float:
    return min(_between(value, low, good_from), _between(value, high, good_to))
