"""Protocols against closed forms, hand counts and brute force."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import protocols as p


def gaussians(n: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(shift, 1, n), rng.normal(0, 1, n)])
    return scores, np.arange(2 * n) < n


def unit_rows(n: int, width: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("shift", [0.5, 2.0, 3.5])
def test_equal_error_rate_of_two_shifted_gaussians_is_the_closed_form(shift: float) -> None:
    scores, mated = gaussians(200_000, shift)
    expected = NormalDist().cdf(-shift / 2)
    assert p.equal_error_rate(scores, mated) == pytest.approx(expected, abs=4 * np.sqrt(expected / 200_000))


def test_equal_error_rate_is_zero_when_parted_and_one_when_reversed() -> None:
    scores, mated = np.array([0.9, 0.8, 0.1, 0.0]), np.array([True, True, False, False])
    assert p.equal_error_rate(scores, mated) == 0
    assert p.equal_error_rate(-scores, mated) == 1


def test_equal_error_rate_of_scores_that_say_nothing_is_a_half() -> None:
    assert p.equal_error_rate(np.zeros(10), np.arange(10) < 5) == pytest.approx(0.5)


def test_shuffled_labels_give_half() -> None:
    scores, mated = gaussians(10_000, 4)
    mated = np.random.default_rng(1).permutation(mated)
    folded = p.folded_accuracy(scores, mated, np.arange(len(scores)) % 10)
    assert folded.mean == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(scores)))


def test_a_fold_s_threshold_comes_from_the_other_folds() -> None:
    # fold 2 alone would be parted perfectly at 0.5; the others say 0.05
    scores = np.array([0.1, 0.0, 0.1, 0.0, 0.6, 0.4])
    mated = np.array([True, False] * 3)
    folded = p.folded_accuracy(scores, mated, np.array([0, 0, 1, 1, 2, 2]))
    assert folded.per_fold == (1.0, 1.0, 0.5)
    assert folded.thresholds[2] == pytest.approx(0.05)
    assert folded.mean == pytest.approx(2.5 / 3)
    assert folded.std == pytest.approx(np.std([1, 1, 0.5]))


def test_a_lost_face_is_an_error_whatever_the_label() -> None:
    scores, mated = np.array([0.9, 0.1, 0.9, 0.1, -1.0, -1.0]), np.array([True, False] * 3)
    lost = np.arange(6) > 3
    assert p.folded_accuracy(scores, mated, np.array([0, 0, 1, 1, 0, 1]), lost).per_fold == (2 / 3, 2 / 3)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_beats_the_best_one(rows: list[tuple[int, bool]]) -> None:
    scores, mated = np.array([r[0] / 5 for r in rows]), np.array([r[1] for r in rows])
    best = p.accuracy(scores, mated, p.best_threshold(scores, mated))
    assert best == max(p.accuracy(scores, mated, t) for t in np.linspace(-1.1, 1.1, 23))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.floats(0, 1))
def test_threshold_at_keeps_the_rate_and_is_the_lowest_that_does(values: list[int], rate: float) -> None:
    impostor = np.array(values) / 50
    threshold = p.threshold_at(impostor, rate)
    assert np.mean(impostor >= threshold) <= rate + 1e-9
    lower = impostor[impostor < threshold]
    if len(lower):
        assert np.mean(impostor >= lower.max()) > rate


def test_tpr_at_fpr_by_hand() -> None:
    scores = np.array([0.9, 0.7, 0.5, 0.3, 0.8, 0.4, 0.2, 0.1])
    mated = np.array([True] * 4 + [False] * 4)
    assert p.tpr_at(scores, mated, 0.0) == 0.25
    assert p.tpr_at(scores, mated, 0.25) == 0.75
    assert p.tpr_at(scores, mated, 1.0) == 1.0


def test_det_counts_errors_at_each_threshold() -> None:
    scores, mated = np.array([0.9, 0.5, 0.6, 0.1]), np.array([True, True, False, False])
    fmr, fnmr, thresholds = p.det(scores, mated)
    for a, b, t in zip(fmr, fnmr, thresholds, strict=True):
        assert a == np.mean(scores[~mated] >= t)
        assert b == np.mean(scores[mated] < t)
    assert fmr[-1] == 0


@pytest.mark.parametrize("block", [7, 64, 1000])
def test_all_pairs_in_blocks_are_the_pairs(block: int) -> None:
    rows, people = unit_rows(100, 8, 0), np.random.default_rng(1).integers(0, 20, 100)
    counts = p.all_pairs(rows, people, block)
    i, j = np.triu_indices(100, 1)
    scores, same = (rows[i] * rows[j]).sum(axis=1), people[i] == people[j]
    assert counts.mated.sum() == same.sum()
    assert counts.non_mated.sum() == (~same).sum()
    for rate in (0.001, 0.01, 0.1, 0.5):
        exact = p.threshold_at(scores[~same], rate)
        assert counts.threshold_at(rate) == pytest.approx(exact, abs=3e-5)
        assert np.mean(scores[~same] >= counts.threshold_at(rate) + 1e-6) <= rate
        assert counts.tar_at(rate) == pytest.approx(np.mean(scores[same] >= exact), abs=0.011)


def test_cross_pairs_count_each_left_with_each_right() -> None:
    rows, people = unit_rows(30, 8, 2), np.arange(30) % 5
    counts = p.cross_pairs(rows[:10], rows[10:], people[:10], people[10:], block=3)
    assert counts.mated.sum() == 10 * 4
    assert counts.non_mated.sum() == 10 * 16


def test_the_threshold_table_leaves_out_rates_that_the_scores_cannot_carry() -> None:
    non_mated = np.zeros(p.BINS, np.int64)
    non_mated[100_000] = 1_000_000
    table = p.PairCounts(np.zeros_like(non_mated), non_mated).threshold_table([1e-2, 1e-5, 1e-6])
    assert [rate for rate, _ in table] == [1e-2, 1e-5]
    assert table[0][1] == pytest.approx(1e-5)


def ten_searches() -> tuple[p.Search, p.Search]:
    """Ten mated searches and ten strangers, written out; the best stranger scores 0.60, the next 0.50."""
    mate = np.array([0.9, 0.8, 0.7, 0.65, 0.61, 0.59, 0.55, 0.4, 0.7, -np.inf], np.float32)
    other = np.array([0.1, 0.2, 0.3, 0.3, 0.1, 0.2, 0.1, 0.3, 0.75, -np.inf], np.float32)
    rank = np.array([1, 1, 1, 1, 1, 1, 1, 1, 2, p.NOT_FOUND], np.int64)
    alarms = np.array([0.6, 0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.0], np.float32)
    usual, nobody = np.zeros(10, np.float32), np.full(10, -np.inf, np.float32)
    return p.Search(mate, other, rank, usual), p.Search(nobody, alarms, np.zeros(10, np.int64), usual)


def test_a_probe_is_judged_by_what_it_scores_above_its_crowd() -> None:
    gallery = np.eye(40, dtype=np.float32)
    probe = np.linspace(1.0, 0.1, 40, dtype=np.float32)[None]
    found = p.search(probe, np.array([0]), gallery, np.arange(40))
    assert found.level[0] == pytest.approx(probe[0, 2:12].mean(), abs=1e-6)  # a quarter of 40, behind the nearest two
    judged = p.against_crowds(found)
    assert judged.mate[0] == pytest.approx(1.0 - found.level[0], abs=1e-6)
    assert judged.rank is found.rank
    assert p.search(probe[:, :8], np.array([0]), gallery[:8, :8], np.arange(8)).level[0] == 0, "no crowd among eight"


@pytest.mark.parametrize(
    ("fpir", "misses"),
    [
        (0.0, 5),  # over 0.60: 0.59, 0.55, 0.40, the one at rank 2, the face not found
        (0.1, 3),  # over 0.50: 0.40, rank 2, not found
        (0.2, 3),  # over 0.40, and 0.40 itself is not over it
        (0.3, 2),  # over 0.30
    ],
)
def test_fnir_of_ten_rows_by_hand(fpir: float, misses: int) -> None:
    fnir, threshold = p.fnir_at_fpir(*ten_searches(), fpir)
    assert fnir == pytest.approx(misses / 10)
    assert np.mean(ten_searches()[1].other >= threshold) <= fpir


def test_search_ranks_subjects_by_their_best_template() -> None:
    gallery = np.array([[1, 0, 0], [0, 1, 0], [0, 0.8, 0.6], [0, 0, 1]], np.float32)
    subjects = np.array([7, 3, 7, 9])
    probes = np.array([[0, 0.8, 0.6], [0, 0.6, 0.8], [0, 0, 0], [1, 0, 0], [np.nan] * 3], np.float32)
    found = p.search(probes, np.array([7, 9, 7, 5, 3]), gallery, subjects, block=2)
    assert found.rank.tolist() == [1, 2, p.NOT_FOUND, 0, p.NOT_FOUND]
    assert found.mate[:2] == pytest.approx([1.0, 0.8])
    assert found.other[:2] == pytest.approx([0.8, 0.96])
    assert found.mate[3] == -np.inf
    assert found.other[3] == 1.0
    assert found.other[2] == -np.inf
    assert p.rank_rate(found.rank, 1) == 0.25
    assert p.rank_rate(found.rank, 2) == 0.5
    assert p.cmc(found.rank, 4).tolist() == [0.25, 0.5, 0.5, 0.5]


@given(st.integers(0, 50))
def test_search_agrees_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gallery, people = unit_rows(23, 6, seed), rng.integers(0, 9, 23)
    probes, who = unit_rows(11, 6, seed + 1000), rng.integers(0, 12, 11)
    found = p.search(probes, who, gallery, people, block=4)
    for i in range(11):
        best = {s: float((gallery[people == s] @ probes[i]).max()) for s in set(people.tolist())}
        mine = best.pop(int(who[i]), None)
        assert found.other[i] == pytest.approx(max(best.values()), abs=1e-6)
        assert found.rank[i] == (0 if mine is None else 1 + sum(v >= mine for v in best.values()))


def test_difficulties_part_all_yaws() -> None:
    yaw = np.array([0, -29.9, 30, -59, 60, -90.0])
    parts = p.by_difficulty(yaw)
    assert [parts[k].sum() for k in ("Simple", "Medium", "Hard")] == [2, 2, 2]


def test_wilson_known_values() -> None:
    none = p.wilson(0, 100)
    assert none.low == 0
    assert none.high == pytest.approx(0.0370, abs=1e-4)
    half = p.wilson(50, 100)
    assert (half.low, half.high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))


def test_bootstrap_by_people_is_wider_than_by_pictures() -> None:
    rng = np.random.default_rng(0)
    outcomes = np.repeat(rng.random(50) < 0.3, 10).astype(float)
    people = p.bootstrap(outcomes, np.repeat(np.arange(50), 10))
    pictures = p.bootstrap(outcomes, np.arange(500))
    assert people.low < pictures.low < outcomes.mean() < pictures.high < people.high
    assert people == p.bootstrap(outcomes, np.repeat(np.arange(50), 10))


def test_tables_of_rates_hold_what_the_pairs_can_carry() -> None:
    rows = unit_rows(200, 16, 0)
    counts = p.all_pairs(rows, np.arange(200) // 2)
    assert [rate for rate, _ in counts.threshold_table((1e-1, 1e-3, 1e-5))] == [1e-1, 1e-3]
