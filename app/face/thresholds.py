"""Which cosine keeps a wanted false match rate, from a card's table. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

EXTRAPOLATED_STEP: Final = 1.5
"""Beyond the table's end a tenfold rarer false match costs this many times the last measured step: tails of
non-mated scores are heavier than what is measured of them (twins, the same person twice under two names)."""


def fmr_for_fpir(fpir: float, subjects: int) -> float:
    """The false match rate of one comparison that keeps ``fpir`` over ``subjects``: from FPIR = 1 - (1 - FMR)^N.

    ISO/IEC 19795-1, assuming independent comparisons. Raises ``ValueError`` outside 0 < fpir < 1.
    """
    if not 0 < fpir < 1:
        raise ValueError("fpir must lie between 0 and 1")
    return -math.expm1(math.log1p(-fpir) / max(1, subjects))


@dataclass(frozen=True, slots=True)
class ThresholdTable:
    """``rows``: (FMR, cosine), the FMR falling and the cosine rising. Without rows nothing was measured."""

    rows: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for (fmr, threshold), (rarer, higher) in zip(self.rows, self.rows[1:], strict=False):
            if not (fmr > rarer and threshold <= higher):
                raise ValueError("thresholds must rise while their FMR falls")
        if not all(0 < fmr <= 1 and -1 <= threshold <= 1 for fmr, threshold in self.rows):
            raise ValueError("an FMR lies in (0, 1], a threshold in [-1, 1]")

    @classmethod
    def of(cls, rows: Iterable[Iterable[float]]) -> ThresholdTable:
        """From a card: rows [fmr, threshold] in any order. Raises ``ValueError``."""
        pairs = [tuple(float(v) for v in row) for row in rows]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("a row of thresholds is [fmr, threshold]")
        return cls(tuple(sorted(((pair[0], pair[1]) for pair in pairs), reverse=True)))

    def at_fmr(self, fmr: float) -> tuple[float, bool]:
        """The threshold, at most 1, and whether the table ends before this rate.

        Between rows linear in log(FMR); a rate above the first row gets the first threshold; beyond the last
        the last slope, made steeper by ``EXTRAPOLATED_STEP``. Raises ``ValueError`` unless 0 < fmr <= 1.
        """
        if not 0 < fmr <= 1:
            raise ValueError("fmr must lie in (0, 1]")
        if not self.rows:
            return 1.0, True
        if fmr >= self.rows[0][0]:
            return self.rows[0][1], False
        at = math.log10(fmr)
        for (left, low), (right, high) in zip(self.rows, self.rows[1:], strict=False):
            if fmr >= right:
                begin, end = math.log10(left), math.log10(right)
                return low + (high - low) * (begin - at) / (begin - end), False
        last, highest = self.rows[-1]
        further = self._last_step() * EXTRAPOLATED_STEP * (math.log10(last) - at)
        return min(1.0, highest + further), True

    def at_fpir(self, fpir: float, subjects: int) -> tuple[float, bool]:
        """The threshold for a search among ``subjects``, as ``at_fmr``."""
        return self.at_fmr(fmr_for_fpir(fpir, subjects))

    def _last_step(self) -> float:
        """Cosine for one decade at the table's end; a tenth where a single row cannot tell."""
        if len(self.rows) < 2:
            return 0.1
        (left, low), (right, high) = self.rows[-2:]
        return (high - low) / (math.log10(left) - math.log10(right))
