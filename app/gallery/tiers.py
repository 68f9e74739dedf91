"""When rows are sealed, joined and tidied: decisions from sizes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_ABSORB: Final = 3
_DEAD_SHARE: Final = 0.2
_DEAD_IN_TAIL: Final = 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """Make one segment of these (by position) and, with ``tail``, of the tail. ``compact``: tidy the tail only."""

    segments: tuple[int, ...]
    tail: bool = False
    compact: bool = False


@dataclass(frozen=True, slots=True)
class Tiers:
    """Sizes in rows. The defaults were measured: below ``exact_below`` comparing everything is the fastest;
    beside segments a tail of ``seal_at`` rows costs little; building ``largest`` rows takes seconds and the
    memory of those rows once more."""

    exact_below: int = 32_768
    seal_at: int = 8192
    largest: int = 1 << 20
    most_segments: int = 12

    def worth_sealing(self, rows: int, *, beside_segments: bool) -> bool:
        """Whether this many new rows are better scanned by their codes than compared one by one."""
        return rows >= (self.seal_at if beside_segments else self.exact_below)

    def plan(self, sizes: list[int], dead: list[int], tail: int, tail_alive: int) -> Plan | None:
        """What to do next with segments of ``sizes`` rows, ``dead`` of them, and a tail; None when all is well.

        Segments grow geometrically, so a row is encoded a few times in its life whatever the size of the
        collection; a full one is touched again only when a fifth of it is dead.
        """
        for i, (size, gone) in enumerate(zip(sizes, dead, strict=True)):
            if gone > _DEAD_SHARE * size:
                return Plan((i,))
        alive = [size - gone for size, gone in zip(sizes, dead, strict=True)]
        if self.worth_sealing(tail_alive, beside_segments=bool(sizes)):
            return Plan(self._absorbed(alive, tail_alive), tail=True)
        if tail - tail_alive > max(_DEAD_IN_TAIL, tail_alive):
            return Plan((), tail=True, compact=True)
        joined = self._absorbed(alive, 0)
        return Plan(joined) if len(joined) > 1 else None

    def _absorbed(self, alive: list[int], total: int) -> tuple[int, ...]:
        chosen: list[int] = []
        for i in sorted(range(len(alive)), key=alive.__getitem__):
            if total + alive[i] > self.largest or (total and alive[i] >= _ABSORB * total):
                break
            chosen.append(i)
            total += alive[i]
        return tuple(chosen)
