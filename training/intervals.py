"""How far an interval around a predicted age must reach to hold most true ages, by that age (split conformal)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 10.0
"""Years of predicted age to either side whose faces say how far an interval reaches."""

DECADE = 10


def reaches(
    years: NDArray[np.float32],
    spread: NDArray[np.float32],
    true: NDArray[np.float32],
    ages: NDArray[np.float32],
    covered: float,
    even: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far down and up, in multiples of (spread + 1), float32 [len(ages)] each, not negative.

    ``years``, ``spread``, ``true`` [n] of calibration faces. At each of ``ages`` the faces predicted near it count,
    the nearer the more; half of the rest beyond ``covered`` may lie on either side, as with normalised residuals
    in Lei et al. 2018, section 5.2. ``even`` 0-1 lets faces count by one over the number of their true decade to that
    power: 0 holds ``covered`` of the calibration faces, 1 weighs all decades alike, so that the rare old count.
    """
    decades = (true // DECADE).astype(np.int64)
    rarity = (1 / np.bincount(decades)[decades]) ** even
    down, up = [], []
    for age in ages:
        near = np.maximum(1 - np.abs(np.clip(years, ages[0], ages[-1]) - age) / REACH, 0)
        away = (years - true) / (spread + 1)
        down.append(_quantile(away, near * rarity, (1 + covered) / 2))
        up.append(_quantile(-away, near * rarity, (1 + covered) / 2))
    return _filled(down), _filled(up)


def _quantile(values: NDArray[np.float32], weights: NDArray[np.floating], share: float) -> float:
    """The least value up to which ``share`` of the weight lies, not negative; NaN where nothing has weight."""
    if weights.sum() <= 0:
        return float("nan")
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order])
    place = min(int(np.searchsorted(summed, share * summed[-1])), len(values) - 1)
    return max(float(values[order][place]), 0.0)


def _filled(row: list[float]) -> NDArray[np.float32]:
    """Ages that nobody was predicted near take the nearest known one's."""
    found = np.array(row, np.float32)
    known = np.flatnonzero(np.isfinite(found))
    nearest = known[np.abs(np.arange(len(found))[:, None] - known[None]).argmin(axis=1)]
    return found[nearest]
