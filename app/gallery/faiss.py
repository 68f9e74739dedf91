"""The gallery inside the process: exact where it is small, a quantized scan settled exactly where it is large."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.gallery import snapshot
from app.gallery.contract import Hit
from app.gallery.partition import Partition
from app.gallery.rows import checked_queries, checked_rows
from app.gallery.source import use_one_thread
from app.gallery.tiers import Tiers
from app.gallery.turns import Turns
from app.gallery.upkeep import Upkeep
from app.seal import Keyring


class FaissGallery:
    """``Gallery`` in memory. Thread safe; searches never wait for a change.

    ``seals``: vectors are held in each collection's own secret rotation, and snapshots are sealed. ``device``: what
    torch calls the GPU on which large parts are searched, as far as they fit there.
    """

    def __init__(
        self, width: int, tiers: Tiers | None = None, seals: Keyring | None = None, device: str = "cpu"
    ) -> None:
        self.width, self._device = width, device
        self._seals = seals
        self._turns = None if seals is None else Turns(width, seals.derive("space"))
        self._tiers = tiers or Tiers()
        self._upkeep = Upkeep()
        self._partitions: dict[int, Partition] = {}
        self._lock = threading.Lock()
        self._saving = threading.Lock()

    def add(
        self, collection: int, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        ids, owners, rows = checked_rows(self.width, templates, subjects, vectors)
        use_one_thread()
        with self._lock:
            partition = self._partitions.setdefault(collection, Partition.empty(self.width, self._tiers, self._device))
        partition.add(ids, owners, self._turned(collection, rows))
        while partition.backlog() and partition.rebuild_once():  # a writer that runs ahead does the work itself
            pass
        self._upkeep.notice(partition)

    def remove(self, collection: int, templates: NDArray[np.int64]) -> int:
        use_one_thread()
        partition = self._partitions.get(collection)
        if partition is None:
            return 0
        gone = partition.remove(np.asarray(templates, np.int64))
        self._upkeep.notice(partition)
        return gone

    def drop(self, collection: int) -> None:
        with self._lock:
            self._partitions.pop(collection, None)

    def search(self, collection: int, queries: NDArray[np.float32], k: int) -> list[list[Hit]]:
        queries = checked_queries(self.width, queries, k)
        use_one_thread()
        partition = self._partitions.get(collection)
        found = partition.search(self._turned(collection, queries), k) if partition and len(queries) else []
        return [ranked.hits() for ranked in found] or [[] for _ in queries]

    def _turned(self, collection: int, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return vectors if self._turns is None else self._turns.turn(collection, vectors)

    def count(self, collection: int) -> int:
        partition = self._partitions.get(collection)
        return len(partition) if partition else 0

    def fingerprint(self, collection: int) -> tuple[int, int]:
        """How many templates, and ``snapshot.fingerprint`` of them: equal to the rows', or rebuild."""
        templates, subjects = self.ids(collection)
        return len(templates), snapshot.fingerprint(templates, subjects)

    def collections(self) -> list[int]:
        """Collections that were ever added to and not dropped."""
        with self._lock:
            return list(self._partitions)

    def ids(self, collection: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Templates and their subjects [n] that the collection holds, in no order."""
        partition = self._partitions.get(collection)
        return partition.ids() if partition else (np.zeros(0, np.int64), np.zeros(0, np.int64))

    def save(self, path: Path, change: int) -> None:
        """Write a snapshot that holds every change up to ``change`` (and perhaps later ones).

        Neither searches nor changes wait. Raises ``GalleryError``; an older snapshot is then still there.
        """
        with self._saving:
            with self._lock:
                states = {collection: partition.state for collection, partition in self._partitions.items()}
            snapshot.save(path, self.width, change, states, self._seals)

    def restore(self, path: Path) -> int | None:
        """Become what the snapshot holds and answer its change number; the rows tell what came after.

        None, and nothing changed, where no whole snapshot of this width and FAISS is there: fill from the rows.
        """
        read = snapshot.load(path, self.width, self._seals)
        if read is None:
            return None
        change, states = read
        with self._lock:
            self._partitions = {
                collection: Partition(self._tiers, state, self._device) for collection, state in states.items()
            }
        return change

    def settle(self) -> None:
        """Wait until the background has nothing left to rebuild."""
        self._upkeep.settle()

    def close(self) -> None:
        self._upkeep.close()
        with self._lock:
            self._partitions.clear()
