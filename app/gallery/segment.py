"""The large, sealed part of a partition: every row scanned by a few bytes, the likely best settled exactly.

Graphs and inverted files lose genuine mates, because a turned face lies far from its template. So all rows
are scanned, but as 4-bit product-quantizer codes in registers (FAISS "fast scan", after Andre et al., *Cache
locality is not enough*, VLDB 2015), and what the scan likes best is compared with the stored float16 vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from app.gallery.device_scan import DeviceScan
from app.gallery.source import ALIVE

# Chosen by measurement at a million (docs/gallery.md): three dimensions a code need a third fewer bytes than
# two, and lose nothing once a row in a thousand is settled exactly; four dimensions a code would lose hard probes.
_DIMENSIONS_A_CODE: Final = 3
_SETTLED_AT_LEAST: Final = 500
_ROWS_A_SETTLED_ONE: Final = 1250
_TRAINED_ON: Final = 32_768
_ENCODED_AT_ONCE: Final = 16_384
_ONE_TORCH_THREAD: Final = 32_768  # elements up to which torch stays in the calling thread


@dataclass(frozen=True, slots=True, eq=False)
class Coder:
    """How a query meets the codes: ``rotation`` float32 [coded, width] spreads uneven spectra over all codes,
    ``mean`` float32 [width] was taken off the rows, ``gain`` undoes the shrinking of quantized vectors."""

    rotation: NDArray[np.float32]
    mean: NDArray[np.float32]
    gain: float


class Segment:
    """Rows sorted by template, never added to; a removal only notes when a row died."""

    def __init__(
        self,
        vectors: NDArray[np.float16],
        templates: NDArray[np.int64],
        subjects: NDArray[np.int64],
        coder: Coder,
        codes: faiss.IndexPQFastScan,
    ) -> None:
        self.vectors, self.templates, self.subjects = vectors, templates, subjects
        self.died = np.full(len(templates), ALIVE, np.int64)
        self.dead = 0
        self.coder, self.codes = coder, codes
        self._there: DeviceScan | None = None

    @classmethod
    def build(cls, vectors: NDArray[np.float16], templates: NDArray[np.int64], subjects: NDArray[np.int64]) -> Segment:
        """Train a quantizer on a sample and encode all rows; they must be sorted by template."""
        n, width = vectors.shape
        chosen = np.random.default_rng(0).choice(n, max(min(n, _TRAINED_ON), 256), replace=n < 256)
        sample = widen(vectors, np.sort(chosen))
        rotation, mean = _rotation(width), sample.mean(axis=0)
        turned = (sample - mean) @ rotation.T
        codes = faiss.IndexPQFastScan(len(rotation), len(rotation) // _DIMENSIONS_A_CODE, 4, faiss.METRIC_INNER_PRODUCT)
        codes.pq.cp.min_points_per_centroid = 1
        codes.train(turned)
        quantizer: Any = codes.pq
        quantized = quantizer.decode(quantizer.compute_codes(turned))
        kept, all_of_it = float(np.vdot(quantized, turned)), float(np.vdot(turned, turned))
        for at in range(0, n, _ENCODED_AT_ONCE):
            rows = np.arange(at, min(at + _ENCODED_AT_ONCE, n))
            codes.add((widen(vectors, rows) - mean) @ rotation.T)
        return cls(vectors, templates, subjects, Coder(rotation, mean, all_of_it / kept if kept > 0 else 1.0), codes)

    def __len__(self) -> int:
        return len(self.templates)

    @property
    def slack(self) -> float:
        return self._there.slack if self._there else 0.0

    def lie_on(self, device: str) -> None:
        """From now on search on this GPU; the codes stay for snapshots. Raises ``torch.OutOfMemoryError``."""
        self._there = DeviceScan(self.vectors, device)

    def find(self, templates: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of those of ``templates`` that are here and alive."""
        rows = np.minimum(np.searchsorted(self.templates, templates), len(self) - 1)
        here: NDArray[np.int64] = rows[(self.templates[rows] == templates) & (self.died[rows] == ALIVE)]
        return here

    def bury(self, rows: NDArray[np.int64], died: NDArray[np.int64]) -> None:
        """Note the epochs at which living rows died; ``ALIVE`` leaves one alive."""
        self.died[rows] = died
        self.dead += int((died != ALIVE).sum())

    def vectors_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return widen(self.vectors, rows)

    def guess(
        self, queries: NDArray[np.float32], size: int, fetch: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if fetch >= size:
            return np.zeros((len(queries), size), np.float32), np.tile(np.arange(size), (len(queries), 1))
        if self._there:
            return self._there.search(queries, fetch)
        coder = self.coder
        scores, rows = self.codes.search(queries @ coder.rotation.T, fetch)
        # The scan leaves out rows at the very bottom of its 8-bit scale: it answers -1 for them.
        scores = np.where(rows < 0, -np.inf, scores)
        return scores * np.float32(coder.gain) + (queries @ coder.mean)[:, None], rows

    def first_fetch(self, k: int) -> int:
        if self._there:
            return 4 * k + 16
        return max(4 * k + 16, _SETTLED_AT_LEAST + len(self) // _ROWS_A_SETTLED_ONE)


def widen(vectors: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of float16 vectors as float32 [n, width]. By torch: numpy converts halves ten times slower."""
    halves = torch.from_numpy(vectors.take(rows, axis=0))
    wide = torch.empty(halves.shape, dtype=torch.float32)
    step = max(1, _ONE_TORCH_THREAD // max(1, vectors.shape[1]))
    for at in range(0, len(rows), step):
        wide[at : at + step].copy_(halves[at : at + step])
    return wide.numpy()


def _rotation(width: int) -> NDArray[np.float32]:
    """A fixed random isometry float32 [coded, width], ``coded`` the next even number of whole codes."""
    pairs = -(-width // (2 * _DIMENSIONS_A_CODE))
    coded = pairs * 2 * _DIMENSIONS_A_CODE
    square = np.linalg.qr(np.random.default_rng(width).standard_normal((coded, coded)))[0]
    return np.ascontiguousarray(square[:, :width], np.float32)
