"""One collection in memory: searches read a published state, one change at a time makes the next."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from app.gallery.ranking import Ranked, merge
from app.gallery.segment import Segment
from app.gallery.source import ALIVE, best_subjects, use_one_thread
from app.gallery.tail import Tail, as_stored
from app.gallery.tiers import Plan, Tiers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """What a search sees, whole: sealed segments and the first ``size`` rows of ``tail``, as of ``epoch``."""

    epoch: int
    segments: tuple[Segment, ...]
    tail: Tail
    size: int


class Partition:
    """Rows of one collection.

    A search takes ``State`` once and needs no lock: rows are written beyond every published size, and a
    removal notes the epoch at which a row dies, which older states do not see yet. So a change appears
    whole or not at all, also when it replaces templates. Rebuilding makes new segments beside the old ones
    and swaps them in; only the swap excludes changes, nothing excludes a search.
    """

    def __init__(self, tiers: Tiers, state: State, device: str = "cpu") -> None:
        self._tiers, self._state, self._device = tiers, state, device
        for segment in state.segments:
            self._place(segment)
        self._where = dict(zip(state.tail.templates[: state.size].tolist(), range(state.size), strict=True))
        self._count = state.size + sum(len(segment) - segment.dead for segment in state.segments)
        self._change = threading.Lock()
        self._rebuild = threading.Lock()

    @classmethod
    def empty(cls, width: int, tiers: Tiers, device: str = "cpu") -> Partition:
        return cls(tiers, State(0, (), Tail(width), 0), device)

    def __len__(self) -> int:
        return self._count

    @property
    def state(self) -> State:
        return self._state

    def add(self, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        with self._change:
            old, n = self._state, len(templates)
            if self._tiers.worth_sealing(n, beside_segments=bool(old.segments)):
                segments = (*old.segments, *self._sealed(templates, subjects, vectors))
                tail, size = old.tail if old.segments else old.tail.rounded(old.size), old.size
            else:
                segments, tail, size = old.segments, old.tail.with_room(old.size, n), old.size + n
                tail.write(old.size, templates, subjects, as_stored(vectors) if segments else vectors)
            self._count += n - self._bury(old.segments, tail, templates, old.epoch + 1)
            self._where.update(zip(templates.tolist(), range(old.size, size), strict=False))
            self._state = State(old.epoch + 1, segments, tail, size)

    def remove(self, templates: NDArray[np.int64]) -> int:
        with self._change:
            old = self._state
            gone = self._bury(old.segments, old.tail, np.unique(templates), old.epoch + 1)
            self._count -= gone
            self._state = replace(old, epoch=old.epoch + 1)
            return gone

    def ids(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Templates and subjects [n] that are there, in no order."""
        state = self._state
        sources: list[tuple[Segment | Tail, int]] = [(segment, len(segment)) for segment in state.segments]
        sources.append((state.tail, state.size))
        alive = [(source, source.died[:size] > state.epoch) for source, size in sources]
        templates = np.concatenate([source.templates[: len(here)][here] for source, here in alive])
        return templates, np.concatenate([source.subjects[: len(here)][here] for source, here in alive])

    def search(self, queries: NDArray[np.float32], k: int) -> list[Ranked]:
        state = self._state
        parts = [best_subjects(segment, len(segment), queries, k, state.epoch) for segment in state.segments]
        if state.size:
            parts.append(best_subjects(state.tail, state.size, queries, k, state.epoch))
        return [merge(list(found), k) for found in zip(*parts, strict=True)]

    def overdue(self) -> bool:
        """Whether ``rebuild_once`` has something to do."""
        return self._plan(self._state) is not None

    def backlog(self) -> bool:
        """Whether changes run ahead of rebuilding so far that searches suffer."""
        state = self._state
        return (
            state.size > self._tiers.exact_below + 4 * self._tiers.seal_at
            or len(state.segments) > self._tiers.most_segments
        )

    def rebuild_once(self) -> bool:
        """Seal the tail, join segments or drop dead rows: what matters most. False when all is well."""
        use_one_thread()
        with self._rebuild:
            state = self._state
            plan = self._plan(state)
            if plan is None:
                return False
            if plan.compact:
                with self._change:
                    self._keep_of_tail(self._state, np.flatnonzero(self._state.tail.died[: self._state.size] == ALIVE))
                return True
            segments = [state.segments[i] for i in plan.segments]
            parts = [_living(segment, len(segment)) for segment in segments]
            parts += [_living(state.tail, state.size)] if plan.tail else []
            joined = _join(parts)
            if joined.segment is not None:
                self._place(joined.segment)
            with self._change:
                self._swap(segments, state.size if plan.tail else 0, parts, joined)
            return True

    def _plan(self, state: State) -> Plan | None:
        sizes = [len(segment) for segment in state.segments]
        return self._tiers.plan(sizes, [segment.dead for segment in state.segments], state.size, len(self._where))

    def _swap(self, old: list[Segment], of_tail: int, parts: list[Living], joined: Joined) -> None:
        """Publish ``joined`` for the segments and the first ``of_tail`` rows of the tail it was made of."""
        now = self._state
        segments = [segment for segment in now.segments if segment not in old]
        if joined.segment is not None:
            # Rows may have died while we built. The tail may have grown into a copy since: rows keep their numbers.
            sources: list[Segment | Tail] = [*old, *([now.tail] if of_tail else [])]
            died = np.concatenate([s.died[part.rows] for s, part in zip(sources, parts, strict=True)])
            joined.segment.bury(joined.place, died)
            segments.append(joined.segment)
        state = replace(now, segments=tuple(sorted(segments, key=len, reverse=True)))
        if of_tail:
            rest = np.arange(of_tail, now.size)
            self._keep_of_tail(state, rest[now.tail.died[rest] == ALIVE])
        else:
            self._state = state

    def _keep_of_tail(self, state: State, rows: NDArray[np.int64]) -> None:
        """Publish ``state`` with only these living rows of its tail."""
        tail = state.tail.copy(rows, 2 * len(rows))
        tail = tail.rounded(len(rows)) if state.segments else tail
        self._where = {template: row for row, template in enumerate(tail.templates[: len(rows)].tolist())}
        self._state = replace(state, tail=tail, size=len(rows))

    def _bury(self, segments: tuple[Segment, ...], tail: Tail, templates: NDArray[np.int64], epoch: int) -> int:
        rows = [row for row in (self._where.pop(template, None) for template in templates.tolist()) if row is not None]
        tail.died[rows] = epoch
        gone = len(rows)
        for segment in segments:
            found = segment.find(templates)
            segment.bury(found, np.full(len(found), epoch))
            gone += len(found)
        return gone

    def _sealed(
        self, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> list[Segment]:
        order = np.argsort(templates)
        parts = np.array_split(order, -(-len(order) // self._tiers.largest))
        made = [Segment.build(vectors[p].astype(np.float16), templates[p], subjects[p]) for p in parts]
        for segment in made:
            self._place(segment)
        return made

    def _place(self, segment: Segment) -> None:
        if self._device == "cpu":
            return
        try:
            segment.lie_on(self._device)
        except torch.OutOfMemoryError:
            _log.warning("%d templates do not fit on %s: they are searched on the CPU", len(segment), self._device)


@dataclass(frozen=True, slots=True, eq=False)
class Living:
    """The rows of a source that were alive when a rebuild began."""

    source: Segment | Tail
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """What a rebuild made, None of no rows, and where each living row, in the order given, went."""

    segment: Segment | None
    place: NDArray[np.int64]


def _living(source: Segment | Tail, size: int) -> Living:
    return Living(source, np.flatnonzero(source.died[:size] == ALIVE))


def _join(parts: list[Living]) -> Joined:
    templates = np.concatenate([part.source.templates[part.rows] for part in parts])
    subjects = np.concatenate([part.source.subjects[part.rows] for part in parts])
    order = np.argsort(templates)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    if not len(order):
        return Joined(None, place)
    vectors = np.empty((len(order), parts[0].source.vectors.shape[1]), np.float16)
    ends = np.cumsum([len(part.rows) for part in parts])
    for part, end in zip(parts, ends, strict=True):
        vectors[place[end - len(part.rows) : end]] = part.source.vectors[part.rows]
    return Joined(Segment.build(vectors, templates[order], subjects[order]), place)
