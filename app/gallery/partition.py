"""One collection in memory: searches read a published state, one change at a time makes the next."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.gallery.ranking import Ranked, merge
from app.gallery.source import ALIVE, best_subjects
from app.gallery.tail import Tail

_COMPACT_AT: Final = 1024


@dataclass(frozen=True, slots=True)
class State:
    """What a search sees, whole: the first ``size`` rows of ``tail`` that died after ``epoch``."""

    epoch: int
    tail: Tail
    size: int


class Partition:
    """Rows of one collection.

    A search takes ``State`` once and needs no lock: rows are written beyond every published size, and a
    removal notes the epoch at which a row dies, which older states do not see yet. So a change appears
    whole or not at all, also when it replaces templates.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._state = State(0, Tail(width), 0)
        self._where: dict[int, int] = {}
        self._change = threading.Lock()

    def __len__(self) -> int:
        return len(self._where)

    def add(self, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        with self._change:
            old = self._state
            tail = old.tail.with_room(old.size, len(templates))
            tail.write(old.size, templates, subjects, vectors)
            self._bury(tail, templates, old.epoch + 1)
            for row, template in enumerate(templates.tolist(), start=old.size):
                self._where[template] = row
            self._state = State(old.epoch + 1, tail, old.size + len(templates))

    def remove(self, templates: NDArray[np.int64]) -> int:
        with self._change:
            old = self._state
            gone = self._bury(old.tail, templates, old.epoch + 1)
            self._state = State(old.epoch + 1, old.tail, old.size)
            if old.size - len(self._where) > max(_COMPACT_AT, len(self._where)):
                self._compact()
            return gone

    def search(self, queries: NDArray[np.float32], k: int) -> list[Ranked]:
        state = self._state
        parts = [best_subjects(state.tail, state.size, queries, k, state.epoch)] if state.size else []
        return [merge(list(found), k) for found in zip(*parts, strict=True)]

    def _bury(self, tail: Tail, templates: NDArray[np.int64], epoch: int) -> int:
        rows = [row for row in (self._where.pop(template, None) for template in templates.tolist()) if row is not None]
        tail.died[rows] = epoch
        return len(rows)

    def _compact(self) -> None:
        state = self._state
        rows = np.flatnonzero(state.tail.died[: state.size] == ALIVE)
        tail = state.tail.copy(rows, room=2 * len(rows))
        self._where = {template: row for row, template in enumerate(tail.templates[: len(rows)].tolist())}
        self._state = State(state.epoch, tail, len(rows))
