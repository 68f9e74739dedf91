"""Subjects from an engine that only ranks templates: fetch more until the answer cannot change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.gallery.contract import Hit
from app.gallery.ranking import rank_subjects

Scored = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]
"""Scores, subjects and templates [n] of the best rows, in any order."""

_GROWTH: Final = 4
_SLACK: Final = 1e-5


def best_subjects(nearest: Callable[[int], Scored], k: int, most: int) -> list[Hit]:
    """The best ``k`` subjects, given ``nearest(n)``, the best ``n`` templates (fewer: there are no more).

    ``most`` is how many templates the engine lets us ask for.
    """
    fetch = min(most, 4 * k + 16)
    while True:
        scores, subjects, templates = nearest(fetch)
        found = rank_subjects(scores, subjects, templates, k)
        settled = len(found.scores) == k and float(scores.min()) + _SLACK < float(found.scores[-1])
        if settled or len(scores) < fetch or fetch >= most:
            return found.hits()
        fetch = min(most, fetch * _GROWTH)
