"""How far a face stands out of its crowd: the same cosine says more of a face that resembles nobody else.

A turned or blurred face comes closer to everybody, and a face of a group that the extractor knows badly to all of that
group. So a search is judged by how far its best score lies above the face's own crowd: the subjects that come next.
This is test normalisation (Auckenthaler et al. 2000) whose cohort is the nearest of the gallery itself, as in adaptive
score normalisation (Matejka et al. 2017). It is told as a threshold moved for this face; scores stay cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.thresholds import ThresholdTable

SKIPPED: Final = 2
"""The nearest two are no crowd: the person, and a twin or the same person under a second id."""

MOST: Final = 20
SHARE: Final = 4
"""At most one subject in so many is crowd: the nearest of all, not all."""

FEWEST: Final = 3
"""Below this many there is no crowd, and thresholds stay where they are."""

LAXEST: Final = 0.1
"""No face's threshold falls by more, whatever its crowd: that is more than the gallery of any test asked for."""


def crowd_size(subjects: int) -> int:
    """How many subjects of a collection of ``subjects`` are a face's crowd; 0 where there are too few."""
    count = min(MOST, subjects // SHARE)
    return count if count >= FEWEST else 0


def crowd_level(scores: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """The mean of ``count`` of the scores [..., s], falling along the last axis, behind those skipped: [...]."""
    return np.asarray(scores[..., SKIPPED : SKIPPED + count].mean(axis=-1), np.float64)


def usual_level(table: ThresholdTable, subjects: int, count: int) -> float:
    """The crowd level of a usual face among ``subjects``: of so many, one in ``subjects / j`` scores above the jth."""
    places = range(SKIPPED, SKIPPED + count)
    return sum(table.at_fmr((place + 0.5) / subjects)[0] for place in places) / count


def contrast(table: ThresholdTable, scores: Sequence[float], subjects: int) -> float:
    """By how much a face's threshold moves, -LAXEST..1: up for one that resembles everybody.

    ``scores``: its cosines with distinct subjects, falling, at least the nearest ``SKIPPED + MOST`` of ``subjects``.
    ``table`` is of scores that were themselves judged against their crowds. 0 where there is no crowd to speak of.
    """
    count = min(crowd_size(subjects), len(scores) - SKIPPED)
    if count < FEWEST or not table.rows:
        return 0.0
    level = float(crowd_level(np.asarray(scores, np.float64), count))
    return max(-LAXEST, level - usual_level(table, subjects, count))
