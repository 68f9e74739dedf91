"""What a partition searches: rows with a lifetime, found by a first guess and settled exactly."""

from __future__ import annotations

from typing import Final, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from app.gallery.ranking import Ranked, cosines, rank_subjects

ALIVE: Final = np.iinfo(np.int64).max
"""``died`` of a row that nobody removed. Else the epoch of the change that did: visible to older searches only."""

_GROWTH: Final = 4


class Source(Protocol):
    """Rows of one partition. ``slack`` bounds how far a guessed score may lie below the exact one."""

    templates: NDArray[np.int64]
    subjects: NDArray[np.int64]
    died: NDArray[np.int64]

    @property
    def slack(self) -> float: ...

    def vectors_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The stored vectors float32 [n, width] of these rows."""
        ...

    def guess(
        self, queries: NDArray[np.float32], size: int, fetch: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Guessed scores and rows [q, fetch] of the likely best among the first ``size`` rows, best first.

        Row -1 where the guess ran out of rows. All rows, in any order, when ``fetch`` is ``size``.
        """
        ...

    def first_fetch(self, k: int) -> int:
        """How many rows to guess at first when ``k`` subjects are wanted."""
        ...


def use_one_thread() -> None:
    """Keep FAISS to the calling thread. OpenMP keeps this number per thread, so every entry calls it.

    Two OpenMP threads on a busy core made single searches ten times slower; we are parallel over requests.
    """
    faiss.omp_set_num_threads(1)


def best_subjects(source: Source, size: int, queries: NDArray[np.float32], k: int, epoch: int) -> list[Ranked]:
    """The best ``k`` subjects for each query among the first ``size`` rows alive at ``epoch``.

    Fetches more until the k-th subject's exact score is out of reach of every row not fetched: dead rows,
    subjects with thousands of templates and runs of equal scores are nothing special.
    """
    fetch = min(size, source.first_fetch(k))
    scores, rows = source.guess(queries, size, fetch)
    return [_settle(source, size, query, k, epoch, scores[i], rows[i]) for i, query in enumerate(queries)]


def _settle(
    source: Source,
    size: int,
    query: NDArray[np.float32],
    k: int,
    epoch: int,
    scores: NDArray[np.float32],
    rows: NDArray[np.int64],
) -> Ranked:
    while True:
        named = rows[rows >= 0]
        alive = named[source.died[named] > epoch]
        found = rank_subjects(
            cosines(source.vectors_at(alive), query), source.subjects[alive], source.templates[alive], k
        )
        enough = len(found.scores) == k and float(scores[-1]) + source.slack < float(found.scores[-1])
        if enough or len(rows) >= size:
            return found
        more, wider = source.guess(query[None], size, min(size, len(rows) * _GROWTH))
        scores, rows = more[0], wider[0]
