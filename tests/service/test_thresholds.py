from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.face.thresholds import EXTRAPOLATED_STEP, ThresholdTable
from app.service.thresholds import fmr_at, limit_at, limit_for_fmr, limit_for_fpir
from app.settings import Settings

TABLE = ThresholdTable.of([(1e-1, 0.2), (1e-3, 0.4), (1e-5, 0.5)])
PARTS: Any = SimpleNamespace(settings=Settings(data_dir=Path("unused")), engine=SimpleNamespace(thresholds=TABLE))


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
