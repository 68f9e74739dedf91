"""Which score counts, at the present size of the collection."""

from __future__ import annotations

import math

from app.service.decision import Limit
from app.service.parts import Parts


def fmr_for(fpir: float, subjects: int) -> float:
    """The false match rate that keeps ``fpir`` against ``subjects``: from FPIR = 1 - (1 - FMR)^N."""
    return -math.expm1(math.log1p(-fpir) / max(1, subjects))


def limit_for_fpir(parts: Parts, subjects: int, fpir: float | None = None) -> Limit:
    """For one search among ``subjects``. ``fpir`` None: the setting."""
    wanted = parts.settings.fpir if fpir is None else fpir
    fmr = fmr_for(wanted, subjects)
    threshold, extrapolated = parts.engine.thresholds.at_fmr(fmr)
    return Limit(threshold, _review(parts, threshold), wanted, fmr, subjects, extrapolated)


def limit_for_fmr(parts: Parts, fmr: float | None = None) -> Limit:
    """For one comparison. ``fmr`` None: the setting."""
    wanted = parts.settings.fmr if fmr is None else fmr
    threshold, extrapolated = parts.engine.thresholds.at_fmr(wanted)
    return Limit(threshold, _review(parts, threshold), None, wanted, 1, extrapolated)


def limit_at(parts: Parts, threshold: float, subjects: int) -> Limit:
    """As the caller said."""
    return Limit(threshold, _review(parts, threshold), None, None, subjects, extrapolated=False)


def _review(parts: Parts, threshold: float) -> float:
    return max(-1.0, threshold - parts.settings.review_band)
