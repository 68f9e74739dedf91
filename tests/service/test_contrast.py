"""A face's crowd: what it moves, and that false alarms come as rarely as wanted, whoever asks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.face.thresholds import ThresholdTable
from app.service.contrast import FEWEST, LAXEST, MOST, SKIPPED, contrast, crowd_size, usual_level

RATES = (0.5, 0.3, 0.2, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
WIDTH = 0.08


def table_of(scores: NDArray[np.float64]) -> ThresholdTable:
    return ThresholdTable.of((rate, float(np.quantile(scores, 1 - rate))) for rate in RATES)


NOISE = np.random.default_rng(0).normal(0, WIDTH, 2_000_000)
TABLE = table_of(NOISE)


def falling(rng: np.random.Generator, level: float, subjects: int) -> list[float]:
    return sorted(rng.normal(level, WIDTH, subjects).tolist(), reverse=True)


def test_a_crowd_is_a_part_of_the_collection_or_nobody() -> None:
    assert [crowd_size(n) for n in (0, 11, 12, 40, 80, 10**6)] == [0, 0, 3, 10, MOST, MOST]
    assert contrast(TABLE, [0.9, 0.5, 0.3], 3) == 0
    assert contrast(TABLE, [0.9] * (SKIPPED + FEWEST - 1), 1000) == 0, "too few answers"
    assert contrast(ThresholdTable(), [0.9] * 30, 1000) == 0, "nothing was measured"


@given(st.floats(-0.05, 0.6), st.integers(0, 2**32 - 1), st.integers(100, 2000))
def test_what_lifts_all_scores_lifts_the_threshold(by: float, seed: int, subjects: int) -> None:
    scores = falling(np.random.default_rng(seed), 0.0, subjects)
    before = contrast(TABLE, scores, subjects)
    after = contrast(TABLE, [score + by for score in scores], subjects)
    assert after == pytest.approx(max(-LAXEST, before + by), abs=1e-9)


def test_a_twin_or_the_person_itself_is_no_crowd() -> None:
    scores = falling(np.random.default_rng(1), 0.0, 500)
    assert contrast(TABLE, [0.9, 0.85, *scores[SKIPPED:]], 500) == contrast(TABLE, scores, 500)


@pytest.mark.parametrize("subjects", [12, 50, 300, 3000])
def test_a_usual_face_is_left_alone(subjects: int) -> None:
    rng = np.random.default_rng(2)
    moved = [contrast(TABLE, falling(rng, 0.0, subjects), subjects) for _ in range(300)]
    assert abs(np.mean(moved)) < 0.1 * WIDTH
    assert usual_level(TABLE, subjects, crowd_size(subjects)) > 0


def test_strangers_who_resemble_everybody_raise_no_more_alarms_than_wanted() -> None:
    rng, subjects, wanted = np.random.default_rng(3), 200, 0.05
    threshold = TABLE.at_fpir(wanted, subjects)[0]
    alarms = {"one threshold": 0, "against the crowd": 0}
    people = 2000
    for _ in range(people):
        scores = falling(rng, 0.08 if rng.random() < 0.5 else -0.08, subjects)
        alarms["one threshold"] += scores[0] >= threshold
        alarms["against the crowd"] += scores[0] >= threshold + contrast(TABLE, scores, subjects)
    assert alarms["one threshold"] / people > 3 * wanted
    assert alarms["against the crowd"] / people == pytest.approx(wanted, abs=0.025)
