"""A gallery in twenty lines of numpy, to hold the real ones against, and vectors that look like faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.gallery.contract import Hit


class PlainGallery:
    """The contract taken literally: a dict of rows, everything compared with everything."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[int, tuple[int, NDArray[np.float32]]]] = {}

    def add(
        self, collection: int, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        new = zip(templates.tolist(), subjects.tolist(), vectors, strict=True)
        self.rows.setdefault(collection, {}).update({t: (s, v) for t, s, v in new})

    def remove(self, collection: int, templates: NDArray[np.int64]) -> int:
        rows = self.rows.get(collection, {})
        return sum(rows.pop(template, None) is not None for template in templates.tolist())

    def drop(self, collection: int) -> None:
        self.rows.pop(collection, None)

    def search(self, collection: int, queries: NDArray[np.float32], k: int) -> list[list[Hit]]:
        return [self._search(self.rows.get(collection, {}), query, k) for query in queries]

    def count(self, collection: int) -> int:
        return len(self.rows.get(collection, {}))

    def collections(self) -> list[int]:
        return list(self.rows)

    def ids(self, collection: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = self.rows.get(collection, {})
        return np.array(list(rows), np.int64), np.array([subject for subject, _ in rows.values()], np.int64)

    @staticmethod
    def _search(rows: dict[int, tuple[int, NDArray[np.float32]]], query: NDArray[np.float32], k: int) -> list[Hit]:
        best: dict[int, Hit] = {}
        hits = [Hit(s, t, float(np.vecdot(v, query))) for t, (s, v) in rows.items()]
        for hit in sorted(hits, key=lambda h: (-h.score, h.subject, h.template)):
            best.setdefault(hit.subject, hit)
        return list(best.values())[:k]


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def random_units(seed: int, n: int, width: int) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).standard_normal((n, width)))
