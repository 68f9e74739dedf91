"""A secret rotation of the space for each collection: cosines stay, but two collections cannot be laid side by side.

ISO/IEC 24745 calls it unlinkability. What it does not do: who has one vector before and after, ``width`` times over,
solves for the rotation. It keeps apart what leaks without its key, and no more.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Final

import numpy as np
from numpy.typing import NDArray

HELD: Final = 64
"""Rotations kept at hand: one takes width^2 x 4 bytes."""


class Turns:
    """Rotations float32 [width, width] by collection (row id), from ``seed``. Thread safe."""

    def __init__(self, width: int, seed: bytes) -> None:
        self._width, self._seed = width, seed
        self._held: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def turn(self, collection: int, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors [n, width] of this collection, in its own space."""
        return np.ascontiguousarray(vectors @ self._rotation(collection), np.float32)

    def _rotation(self, collection: int) -> NDArray[np.float32]:
        with self._lock:
            found = self._held.pop(collection, None)
            if found is None:
                found = rotation(self._width, hashlib.sha256(self._seed + b"collection %d" % collection).digest())
            self._held[collection] = found
            while len(self._held) > HELD:
                self._held.popitem(last=False)
            return found


def rotation(width: int, seed: bytes) -> NDArray[np.float32]:
    """An orthogonal matrix [width, width], evenly among all of them (Stewart, SIAM J. Numer. Anal. 17, 1980): the Q of
    normal numbers, R's diagonal positive. The numbers come of SHAKE-256: nothing that leaks tells the seed."""
    words = np.frombuffer(hashlib.shake_256(seed).digest(width * width * 16), "<u8").reshape(2, width, width)
    uniform = (words.astype(np.float64) + 0.5) / 2.0**64
    normal = np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1])
    q, r = np.linalg.qr(normal)
    return np.ascontiguousarray(q * np.where(np.diag(r) < 0, -1.0, 1.0), np.float32)
