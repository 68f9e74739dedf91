from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.face.thresholds import ThresholdTable, fmr_for_fpir

TABLE = ThresholdTable.of([[1e-4, 0.4], [1e-2, 0.2], [1e-3, 0.3]])


@pytest.mark.parametrize(
    ("fmr", "expected"),
    [(1e-2, (0.2, False)), (1e-4, (0.4, False)), (10**-2.5, (0.25, False)), (0.5, (0.2, False)), (1e-5, (0.55, True))],
)
def test_between_rows_linear_in_the_logarithm_and_steeper_beyond(fmr: float, expected: tuple[float, bool]) -> None:
    threshold, extrapolated = TABLE.at_fmr(fmr)
    assert threshold == pytest.approx(expected[0])
    assert extrapolated is expected[1]


@given(st.floats(1e-12, 1), st.floats(1e-12, 1))
def test_a_rarer_false_match_never_costs_less(a: float, b: float) -> None:
    if a <= b:
        assert TABLE.at_fmr(a)[0] >= TABLE.at_fmr(b)[0] - 1e-12


@given(st.floats(1e-4, 0.5), st.integers(1, 10**7))
def test_fmr_of_many_searches_gives_the_fpir_back(fpir: float, subjects: int) -> None:
    fmr = fmr_for_fpir(fpir, subjects)
    assert 1 - (1 - fmr) ** subjects == pytest.approx(fpir, rel=1e-3)


def test_more_subjects_need_more() -> None:
    assert TABLE.at_fpir(0.01, 1)[0] == pytest.approx(0.2)
    assert TABLE.at_fpir(0.01, 100)[0] == pytest.approx(0.4, abs=1e-3)
    assert TABLE.at_fpir(0.01, 10_000)[1] is True


def test_without_rows_nothing_matches() -> None:
    assert ThresholdTable(()).at_fmr(0.1) == (1.0, True)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[0.1, 0.5], [0.01, 0.4]], "rise"),
        ([[0.1, 0.2], [0.1, 0.3]], "rise"),
        ([[0.1, 2.0]], "lies in"),
        ([[0.0, 0.1]], "lies in"),
        ([[0.1]], "a row"),
    ],
)
def test_tables_that_make_no_sense(rows: list[list[float]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ThresholdTable.of(rows)


@pytest.mark.parametrize("fmr", [0.0, -1.0, 1.5, float("nan")])
def test_rates_that_are_none(fmr: float) -> None:
    with pytest.raises(ValueError, match="fmr"):
        TABLE.at_fmr(fmr)
