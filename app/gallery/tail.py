"""The mutable end of a partition: rows searched exactly, found as soon as they are written."""

from __future__ import annotations

from typing import Final

import faiss
import numpy as np
from numpy.typing import NDArray

from app.gallery.source import ALIVE

_FIRST: Final = 256


class Tail:
    """Float32 rows in arrays with room to grow. One writer; readers hold a size and see no row beyond it."""

    slack: Final = 1e-5

    def __init__(self, width: int, room: int = _FIRST) -> None:
        self.vectors = np.zeros((room, width), np.float32)
        self.templates = np.zeros(room, np.int64)
        self.subjects = np.zeros(room, np.int64)
        self.died = np.full(room, ALIVE, np.int64)

    def with_room(self, size: int, extra: int) -> Tail:
        """This tail, or a bigger copy of its first ``size`` rows when ``extra`` more do not fit."""
        if size + extra <= len(self.templates):
            return self
        return self.copy(np.arange(size), room=max(size + extra, 2 * size))

    def copy(self, rows: NDArray[np.int64], room: int) -> Tail:
        """A new tail that begins with these rows."""
        new, n = Tail(self.vectors.shape[1], max(room, _FIRST)), len(rows)
        new.vectors[:n] = self.vectors[rows]
        new.templates[:n] = self.templates[rows]
        new.subjects[:n] = self.subjects[rows]
        new.died[:n] = self.died[rows]
        return new

    def rounded(self, size: int) -> Tail:
        """A copy of the first ``size`` rows with vectors as segments store them.

        A tail beside segments holds such, so that equal vectors get equal scores wherever they lie.
        """
        new = self.copy(np.arange(size), len(self.templates))
        new.vectors[:size] = as_stored(new.vectors[:size])
        return new

    def write(
        self, at: int, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        """Put rows behind the first ``at``. Invisible until somebody publishes the new size."""
        end = at + len(templates)
        self.vectors[at:end] = vectors
        self.templates[at:end] = templates
        self.subjects[at:end] = subjects
        self.died[at:end] = ALIVE

    def vectors_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.vectors[rows]

    def guess(
        self, queries: NDArray[np.float32], size: int, fetch: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        scores, rows = faiss.knn(queries, self.vectors[:size], fetch, metric=faiss.METRIC_INNER_PRODUCT)
        return scores, rows

    def first_fetch(self, k: int) -> int:
        return 4 * k + 16


def as_stored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounded to what float16 holds."""
    return vectors.astype(np.float16).astype(np.float32)
