"""Augmented batches from a crop store, made ahead in a thread so that the trainer never waits."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.data.augment import Augmentation, augment, blended
from training.data.covered_crops import Covers
from training.data.store import CropStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """``crops`` uint8 [n, 112, 112, 3]; ``index`` rows of the store; ``yaw`` degrees, sign changed where mirrored.

    ``blended`` [n]: another picture shines through, so that it is nobody's face, turned no known way.
    """

    crops: NDArray[np.uint8]
    index: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    yaw: NDArray[np.float32]
    blended: NDArray[np.bool_]


def side_view_weights(yaw: NDArray[np.float32], most: float = 4.0) -> NDArray[np.float64]:
    """Sampling weights over rows, sum 1: side views are few, so they come up to ``most`` times as often."""
    weights = 1 + (most - 1) * np.clip((np.abs(yaw) - 20) / 40, 0, 1)
    return np.asarray(weights / weights.sum(), np.float64)


def batches(
    store: CropStore,
    size: int,
    how: Augmentation,
    seed: tuple[int, ...],
    start: int,
    weights: NDArray[np.float64],
    covers: Covers | None = None,
) -> Iterator[Batch]:
    """Endless batches, from number ``start`` of the sequence that ``seed`` defines, so that a run resumes exactly."""
    cumulative = np.cumsum(weights)
    step = start
    while True:
        rng = np.random.default_rng((*seed, step))
        index = np.searchsorted(cumulative, rng.random(size) * cumulative[-1])
        crops = [covers.on(store, int(i), rng) if covers else store[int(i)] for i in index]
        pairs = [augment(crop, how, rng) for crop in crops]
        mirrored = np.array([m for _, m in pairs])
        pictures, through = blended(np.stack([c for c, _ in pairs]), how.blend, rng)
        yield Batch(pictures, index, mirrored, np.where(mirrored, -1, 1).astype(np.float32) * store.yaw[index], through)
        step += 1


class Ahead(Generic[T]):
    """Runs an iterator in a thread, at most ``depth`` items ahead, while the ``with`` block lasts.

    An error there is raised here.
    """

    def __init__(self, items: Iterator[T], depth: int = 4) -> None:
        self._source = items
        self._items: queue.Queue[T | BaseException | None] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():  # it may be waiting for room
            with contextlib.suppress(queue.Empty):
                self._items.get(timeout=0.1)
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._source:
                self._items.put(item)
                if self._stopped.is_set():
                    return
            self._items.put(None)
        except BaseException as error:
            self._items.put(error)

    def _taken(self) -> Iterator[T]:
        while (item := self._items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
