"""How well facial parameters are estimated: on renders, against the pose labeller, a landmarker, and posed expressions.

Everything takes y [n, 269] as the network answers it and is pure but for ``expressions``, which reads pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from app.face.action_units import NAMES, named, unique
from app.face.align import align
from app.face.faces import Detection
from app.face.nets.facial_parameters import DEGREES, FIRST_UNIT, IDENTITY, MARGIN, SIDE
from app.face.refine import LandmarkRefiner
from training.photographs import units_of

Values = NDArray[np.floating]
Estimate = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Crops uint8 [n, SIDE, SIDE, 3] to y [n, 269]."""

POSED: Final[Mapping[str, tuple[str, ...]]] = {
    "happy": ("AU12",),
    "surprise": ("AU1", "AU2", "AU5", "AU26"),
    "anger": ("AU4",),
    "disgust": ("AU9", "AU10"),
}
"""The folders of CK+48 and the units that FACS sees in them; these are an actor's instructions, not what is served."""

TIGHT: Final = (0.1, 0.08, 0.9, 1.0)
"""A face's box in a picture that was cut to it, in parts of its side."""
ENLARGED: Final = 4


def icc31(one: Values, other: Values) -> float:
    """ICC(3,1), consistency of single measurements of two fixed raters (Shrout and Fleiss 1979).

    (BMS - EMS) / (BMS + EMS) for k = 2; zero where nothing varies.
    """
    both = np.stack([one, other], axis=1).astype(np.float64)
    n, k = both.shape
    grand = both.mean()
    between = k * ((both.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    judges = n * ((both.mean(axis=0) - grand) ** 2).sum()
    residual = (((both - grand) ** 2).sum() - between * (n - 1) - judges) / ((n - 1) * (k - 1))
    whole = between + (k - 1) * residual
    return float((between - residual) / whole) if whole > 0 else 0.0


def pearson(one: Values, other: Values) -> float:
    """Zero where either does not vary."""
    if min(float(np.std(one)), float(np.std(other))) < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def of_renders(found: Values, true: Values, within: float = 60.0) -> dict[str, float | dict[str, float]]:
    """Units and angles against the exact ones; units on all faces and on those with |yaw| <= ``within`` degrees."""
    units, exact = unique(found[:, FIRST_UNIT:]), true[:, FIRST_UNIT:]
    seen = np.abs(true[:, IDENTITY + 1]) * DEGREES <= within
    by_unit = {name: icc31(units[:, at], exact[:, at]) for at, name in enumerate(NAMES)}
    off = np.abs(found[:, IDENTITY:FIRST_UNIT] - true[:, IDENTITY:FIRST_UNIT]) * DEGREES
    return {
        "icc": float(np.mean(list(by_unit.values()))),
        "icc_within": float(np.mean([icc31(units[seen, at], exact[seen, at]) for at in range(len(NAMES))])),
        "mae": float(np.abs(units - exact).mean()),
        "mae_within": float(np.abs(units - exact)[seen].mean()),
        "pitch": float(off[:, 0].mean()),
        "yaw": float(off[:, 1].mean()),
        "by_unit": by_unit,
    }


def of_pose(found: Values, yaw: Values, pitch: Values) -> dict[str, float]:
    """Mean absolute error in degrees against a labeller's angles for |yaw| <= 60; and at profile, where it compresses,
    how often the direction agrees (beyond 30) and how far the median of our own angle is."""
    ours, near = found[:, IDENTITY + 1] * DEGREES, np.abs(yaw) <= 60
    side = np.abs(yaw) > 30
    answer = {
        "faces": float(near.sum()),
        "yaw": float(np.abs(ours - yaw)[near].mean()),
        "pitch": float(np.abs(found[:, IDENTITY] * DEGREES - pitch)[near].mean()),
    }
    if side.any():
        answer["direction"] = float((np.sign(ours) == np.sign(yaw))[side].mean())
        answer["median"] = float(np.median(np.abs(ours)[side]))
    return answer


def served_pose(refiner: LandmarkRefiner, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """y of aligned crops [n, s, s, 3] whose angles alone are said, by the network that the engine's pose comes from.

    It looks as it does at a detected face: first into a box, then along its own points.
    """
    box = (0.16 * crops.shape[1], 0.08 * crops.shape[1], 0.84 * crops.shape[1], 0.94 * crops.shape[1])
    face = Detection(box, np.zeros((5, 2), np.float32), 1.0)
    refined = refiner.refine([(np.ascontiguousarray(crop), face) for crop in crops])
    y = np.zeros((len(crops), FIRST_UNIT), np.float32)
    y[:, IDENTITY:] = np.array([(one.pose.pitch, one.pose.yaw) for one in refined], np.float32) / DEGREES
    return y


def of_blendshapes(found: Values, shapes: Values, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Pearson by unit with the mean of the landmarker's blendshapes of that unit: ``moving`` ones; ``still`` ones,
    of which it says nothing, have 0."""
    units, theirs = unique(found[:, FIRST_UNIT:]), units_of(shapes, names)
    answer: dict[str, dict[str, float]] = {"moving": {}, "still": {}}
    for at, name in enumerate(NAMES):
        silent = bool(np.isnan(theirs[:, at]).all())
        answer["still" if silent else "moving"][name] = 0.0 if silent else pearson(units[:, at], theirs[:, at])
    return answer


def expressions(folder: Path, refiner: LandmarkRefiner, estimate: Estimate) -> dict[str, float]:
    """Area under the curve of each of ``POSED``: its units' mean against all other folders of CK+48, and each of
    several units alone, as "AU9 in disgust".

    ``folder/<expression>/*.png`` are 48 pixels a side, cut to the face; the landmark refiner finds their points.
    """
    crops, labels = [], []
    for path in sorted(folder.glob("*/*.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise OSError(f"{path.name} is no picture")
        crops.append(_cut(np.asarray(picture[:, :, ::-1], np.uint8), refiner))
        labels.append(path.parent.name)
    said = [named(row) for row in unique(estimate(np.stack(crops))[:, FIRST_UNIT:])]
    answer = {}
    for expression, units in POSED.items():
        posed = [label == expression for label in labels]
        alone = {f"{unit} in {expression}": (unit,) for unit in units} if len(units) > 1 else {}
        for name, some in ({expression: units} | alone).items():
            answer[name] = float(roc_auc_score(posed, [float(np.mean([one[unit] for unit in some])) for one in said]))
    return answer


def _cut(picture: NDArray[np.uint8], refiner: LandmarkRefiner) -> NDArray[np.uint8]:
    large = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    border = large.shape[0] // 4
    padded = np.asarray(cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_REFLECT_101), np.uint8)
    x0, y0, x1, y1 = (border + side * large.shape[0] for side in TIGHT)
    (refined,) = refiner.refine([(padded, Detection((x0, y0, x1, y1), np.zeros((5, 2), np.float32), 1.0))])
    return align(padded, refined.landmarks, SIDE, MARGIN)
