"""Which score counts, at the present size of the collection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.face.faces import Face
from app.face.thresholds import ThresholdTable, fmr_for_fpir
from app.service.contrast import MOST, SKIPPED, contrast, crowd_size
from app.service.decision import Limit
from app.service.parts import Parts
from app.store import queries

RAREST: Final = 1e-12
"""No threshold is said to keep a false match rate below this."""

CROWD: Final = SKIPPED + MOST
"""Subjects that a search asks for at least, to know a face's crowd."""


def limit_for_fpir(parts: Parts, subjects: int, fpir: float | None = None) -> Limit:
    """For one search among ``subjects`` that knows no crowd. ``fpir`` None: the setting."""
    return _limit(parts, parts.engine.thresholds, _fmr(parts, subjects, fpir), subjects)


def limit_for_search(parts: Parts, subjects: int, fpir: float | None = None) -> Limit:
    """For one search among ``subjects`` whose faces are then held ``against_crowd``."""
    table = parts.engine.search_thresholds
    if not table.rows or not crowd_size(subjects):
        return limit_for_fpir(parts, subjects, fpir)
    return _limit(parts, table, _fmr(parts, subjects, fpir), subjects)


def against_crowd(parts: Parts, limit: Limit, scores: Sequence[float]) -> Limit:
    """``limit`` for a face with these cosines with the nearest subjects, falling, ``CROWD`` of them or all."""
    by = contrast(parts.engine.search_thresholds, scores, limit.subjects)
    return replace(_moved(limit, by), contrast=by)


def limit_now(parts: Parts, collection: str, fpir: float | None = None) -> Limit:
    """For one search in the collection as it is. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        return limit_for_search(parts, queries.count_subjects(session, row.id), fpir)


def limit_for_fmr(parts: Parts, fmr: float | None = None) -> Limit:
    """For one comparison. ``fmr`` None: the setting."""
    rate = max(RAREST, parts.settings.fmr if fmr is None else fmr)
    return _limit(parts, parts.engine.thresholds, rate, 1)


def limit_at(parts: Parts, threshold: float, subjects: int) -> Limit:
    """As the caller said, with the rates that it amounts to."""
    known = _limit(parts, parts.engine.thresholds, fmr_at(parts.engine.thresholds, threshold), subjects)
    return replace(known, threshold=threshold, review=threshold - known.margin)


def raised(parts: Parts, limit: Limit, *faces: Face) -> Limit:
    """``limit`` for these faces: stricter where less is seen of one, so that the false match rate stays the same."""
    by = max((parts.engine.stricter.at(face.occlusion.covered) for face in faces if face.occlusion), default=0.0)
    return replace(_moved(limit, by), raised=by)


def _moved(limit: Limit, by: float) -> Limit:
    return replace(limit, threshold=min(1.0, limit.threshold + by), review=min(1.0, limit.review + by))


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


def _fmr(parts: Parts, subjects: int, fpir: float | None) -> float:
    return max(RAREST, fmr_for_fpir(parts.settings.fpir if fpir is None else fpir, subjects))


def _limit(parts: Parts, table: ThresholdTable, fmr: float, subjects: int) -> Limit:
    threshold, extrapolated = table.at_fmr(fmr)
    review = table.at_fmr(min(1.0, fmr * parts.settings.review_factor))[0]
    fpir = 1.0 if fmr == 1 else -math.expm1(math.log1p(-fmr) * max(1, subjects))
    return Limit(threshold, review, fpir, fmr, subjects, extrapolated)
