"""From scored templates to ranked subjects: the one place that decides order and ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.gallery.contract import Hit


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Subjects in order, best first: ``scores`` float32, ``subjects`` and ``templates`` int64, all [n]."""

    scores: NDArray[np.float32]
    subjects: NDArray[np.int64]
    templates: NDArray[np.int64]

    def hits(self) -> list[Hit]:
        """As the contract hands them out."""
        rows = zip(self.subjects.tolist(), self.templates.tolist(), self.scores.tolist(), strict=True)
        return [Hit(subject, template, score) for subject, template, score in rows]


def rank_subjects(
    scores: NDArray[np.float32], subjects: NDArray[np.int64], templates: NDArray[np.int64], k: int
) -> Ranked:
    """The best ``k`` subjects among scored templates [n], each by its best template.

    Score falling; ties by subject, then template, rising.
    """
    few = 8 * k + 32
    if len(scores) > few:  # sorting everything would cost more than the scan of ten thousand rows
        near = np.flatnonzero(scores >= np.partition(scores, -few)[-few])
        ranked = _rank(scores[near], subjects[near], templates[near], k)
        if len(ranked.scores) == k:
            return ranked
    return _rank(scores, subjects, templates, k)


def _rank(scores: NDArray[np.float32], subjects: NDArray[np.int64], templates: NDArray[np.int64], k: int) -> Ranked:
    order = np.lexsort((templates, subjects, -scores))
    _, first = np.unique(subjects[order], return_index=True)
    best = order[np.sort(first)[:k]]
    return Ranked(scores[best], subjects[best], templates[best])


def merge(parts: list[Ranked], k: int) -> Ranked:
    """The best ``k`` subjects of several sources. A subject may have templates in each."""
    if len(parts) == 1:
        return parts[0]
    return rank_subjects(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.subjects for part in parts]),
        np.concatenate([part.templates for part in parts]),
        k,
    )


def cosines(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products float32 [n] of ``rows`` [n, width] with ``query`` [width].

    A dot product a row, not a matrix product, which treats the last rows of a block differently: equal
    vectors must get bit-equal scores wherever they lie. Nor does it wake the threads of a BLAS.
    """
    scores: NDArray[np.float32] = np.vecdot(rows, query)
    return scores
