"""Which score counts, at the present size of the collection."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from app.face.faces import Face
from app.face.thresholds import ThresholdTable, fmr_for_fpir
from app.service.decision import Limit
from app.service.parts import Parts
from app.store import queries

RAREST: Final = 1e-12
"""No threshold is said to keep a false match rate below this."""


def limit_for_fpir(parts: Parts, subjects: int, fpir: float | None = None) -> Limit:
    """For one search among ``subjects``. ``fpir`` None: the setting."""
    wanted = parts.settings.fpir if fpir is None else fpir
    return _limit(parts, max(RAREST, fmr_for_fpir(wanted, subjects)), subjects)


def limit_now(parts: Parts, collection: str, fpir: float | None = None) -> Limit:
    """For one search in the collection as it is. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        return limit_for_fpir(parts, queries.count_subjects(session, row.id), fpir)


def limit_for_fmr(parts: Parts, fmr: float | None = None) -> Limit:
    """For one comparison. ``fmr`` None: the setting."""
    return _limit(parts, max(RAREST, parts.settings.fmr if fmr is None else fmr), 1)


def limit_at(parts: Parts, threshold: float, subjects: int) -> Limit:
    """As the caller said, with the rates that it amounts to."""
    table = _limit(parts, fmr_at(parts.engine.thresholds, threshold), subjects)
    return replace(table, threshold=threshold, review=threshold - (table.threshold - table.review))


def raised(parts: Parts, limit: Limit, *faces: Face) -> Limit:
    """``limit`` for these faces: stricter where less is seen of one, so that the false match rate stays the same."""
    by = max((parts.engine.stricter.at(face.occlusion.covered) for face in faces if face.occlusion), default=0.0)
    if by == 0:
        return limit
    return replace(limit, threshold=min(1.0, limit.threshold + by), review=min(1.0, limit.review + by), raised=by)


def fmr_at(table: ThresholdTable, threshold: float) -> float:
    """The least false match rate that the table promises at ``threshold``, 1 below its first row."""
    if table.at_fmr(1.0)[0] > threshold:
        return 1.0
    low, high = math.log(RAREST), 0.0
    for _ in range(50):
        middle = (low + high) / 2
        if table.at_fmr(math.exp(middle))[0] <= threshold:
            high = middle
        else:
            low = middle
    return math.exp(high)


def _limit(parts: Parts, fmr: float, subjects: int) -> Limit:
    table = parts.engine.thresholds
    threshold, extrapolated = table.at_fmr(fmr)
    review = table.at_fmr(min(1.0, fmr * parts.settings.review_factor))[0]
    fpir = 1.0 if fmr == 1 else -math.expm1(math.log1p(-fmr) * max(1, subjects))
    return Limit(threshold, review, fpir, fmr, subjects, extrapolated)
