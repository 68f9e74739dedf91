from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.face.thresholds import EXTRAPOLATED_STEP, ThresholdTable
from app.service.thresholds import against_crowd, fmr_at, limit_at, limit_for_fmr, limit_for_fpir, limit_for_search
from app.settings import Settings

TABLE = ThresholdTable.of([(1e-1, 0.2), (1e-3, 0.4), (1e-5, 0.5)])
SEARCH = ThresholdTable.of([(0.5, 0.05), (1e-1, 0.2), (1e-3, 0.35), (1e-5, 0.45)])


def parts_with(search: ThresholdTable) -> Any:
    engine = SimpleNamespace(thresholds=TABLE, search_thresholds=search)
    return SimpleNamespace(settings=Settings(data_dir=Path("unused")), engine=engine)


PARTS = parts_with(ThresholdTable())
JUDGED = parts_with(SEARCH)


@given(st.floats(1e-11, 0.1))
def test_the_rate_of_a_threshold_is_the_one_it_was_set_for(fmr: float) -> None:
    assert fmr_at(TABLE, TABLE.at_fmr(fmr)[0]) == pytest.approx(fmr, rel=1e-3)


@given(st.floats(-1, 1))
def test_a_named_threshold_keeps_its_place_and_its_band(threshold: float) -> None:
    limit = limit_at(PARTS, threshold, 100)
    assert limit.threshold == threshold
    assert limit.review <= threshold
    assert 0 < limit.fmr <= limit.fpir <= 1
    assert limit.extrapolated == (limit.fmr < 1e-5)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_subjects_never_lower_the_threshold(some: int, more: int) -> None:
    some, more = sorted((some, more))
    one, other = limit_for_fpir(PARTS, some), limit_for_fpir(PARTS, more)
    assert one.threshold <= other.threshold
    assert other.fmr <= one.fmr
    assert one.fpir == pytest.approx(0.01, rel=1e-3)


def test_review_is_what_would_match_at_ten_times_the_rate() -> None:
    assert limit_for_fmr(PARTS, 1e-4).review == pytest.approx(TABLE.at_fmr(1e-3)[0])
    assert limit_for_fmr(PARTS).fmr == 1e-4
    assert limit_at(PARTS, 0.0, 5).fpir == 1.0, "below the table anything goes"
    steps = (0.99 - 0.5) / (0.05 * EXTRAPOLATED_STEP)
    assert limit_at(PARTS, 0.99, 5).fmr == pytest.approx(1e-5 * 10**-steps, rel=1e-6)


def test_a_search_has_its_own_table_where_there_is_a_crowd() -> None:
    assert limit_for_search(JUDGED, 100).threshold == pytest.approx(SEARCH.at_fpir(0.01, 100)[0])
    assert limit_for_search(JUDGED, 11) == limit_for_fpir(JUDGED, 11), "too few people to be a crowd"
    assert limit_for_search(PARTS, 100) == limit_for_fpir(PARTS, 100), "nobody measured that model's searches"


def test_a_face_that_resembles_everybody_needs_a_higher_score_and_both_limits_move() -> None:
    limit = limit_for_search(JUDGED, 100)
    near = against_crowd(JUDGED, limit, [0.6] * 22)
    far = against_crowd(JUDGED, limit, [0.1] * 22)
    assert near.contrast > 0 > far.contrast
    for one in (near, far):
        assert one.threshold == pytest.approx(limit.threshold + one.contrast)
        assert one.margin == pytest.approx(limit.margin)
    assert against_crowd(PARTS, limit_for_search(PARTS, 100), [0.6] * 22) == limit_for_search(PARTS, 100)
