"""Pair lists as their sets publish them, and verification on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.made_up_sets import cfp_paths, lfw_paths, world, write_cfp_protocol, write_lfw_pairs
from training import benchmarks
from training.benchmarks import Embedded, Pairs
from training.data.leaks import lag_test_people

HELD = sorted(lag_test_people())[:20]


def test_lfw_pairs_folds_and_labels(tmp_path: Path) -> None:
    paths = lfw_paths(40)
    pairs = benchmarks.named_pairs("LFW", write_lfw_pairs(tmp_path / "pairs.txt"), paths)
    assert np.bincount(pairs.folds).tolist() == [8] * 10
    people = benchmarks.people_of(paths)
    assert np.array_equal(people[pairs.left] == people[pairs.right], pairs.mated)


def test_pairs_without_a_head_line_are_dealt_to_ten_folds(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("P000 1 2\nP000 1 P001 2\n" * 10, encoding="utf-8")
    pairs = benchmarks.named_pairs("MFR2", tmp_path / "pairs.txt", lfw_paths(2))
    assert np.bincount(pairs.folds).tolist() == [2] * 10


def test_a_pair_without_its_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2"):
        benchmarks.named_pairs("LFW", write_lfw_pairs(tmp_path / "pairs.txt"), lfw_paths(1))


@pytest.mark.parametrize("kind", ["FF", "FP"])
def test_cfp_pairs_name_the_right_pictures(kind: str, tmp_path: Path) -> None:
    paths = cfp_paths(20)
    pairs = benchmarks.cfp_pairs(kind, write_cfp_protocol(tmp_path / "Protocol", 20), paths)
    assert np.bincount(pairs.folds).tolist() == [4] * 10
    people = benchmarks.people_of(paths)
    assert np.array_equal(people[pairs.left] == people[pairs.right], pairs.mated)
    assert all("/frontal/" in paths[i] for i in pairs.left)
    assert all(("/profile/" in paths[i]) == (kind == "FP") for i in pairs.right)


def lag_paths() -> list[str]:
    return [
        f"{who}/{picture}" for who in [*HELD, "somebody_else"] for picture in ("1.png", "2.png", "y/3.png", "y/4.png")
    ]


def test_lag_pairs_are_all_young_adult_pairs_of_the_held_out_people_and_as_many_strangers() -> None:
    paths = lag_paths()
    pairs = benchmarks.lag_pairs(paths, frozenset(HELD))
    assert pairs.mated.sum() == (~pairs.mated).sum() == 20 * 4
    assert all("/y/" in paths[i] for i in pairs.left)
    assert not any("/y/" in paths[i] for i in pairs.right)
    who = [paths[i].split("/")[0] for i in range(len(paths))]
    assert all((who[a] == who[b]) == m for a, b, m in zip(pairs.left, pairs.right, pairs.mated, strict=True))
    assert "somebody_else" not in {who[i] for i in np.concatenate([pairs.left, pairs.right])}
    for person in HELD:
        folds = {f for a, b, f in zip(pairs.left, pairs.right, pairs.folds, strict=True) if person in (who[a], who[b])}
        assert len(folds) == 1
    assert np.array_equal(pairs.right, benchmarks.lag_pairs(paths, frozenset(HELD)).right)


# --- verification ---------------------------------------------------------------------------------


def test_a_lost_face_is_rejected_and_counted() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], np.float32)
    pairs = Pairs(
        "t", np.array([0, 0, 0, 1]), np.array([1, 2, 3, 3]), np.array([1, 0, 1, 0], bool), np.array([0, 1, 0, 1])
    )
    found = benchmarks.verify(pairs, benchmarks.scores_of(pairs, vectors))
    assert found.scores.tolist() == [1, 0, -1, -1]
    assert found.lost == 2
    assert found.folded.mean == 0.5
    assert found.interval.rate == 0.5


def test_g_of_a_fold_never_saw_its_people(tmp_path: Path) -> None:
    cfp = world("cfp", cfp_paths(20), 0.1)
    people = benchmarks.people_of(cfp.paths)
    lists = [benchmarks.cfp_pairs(k, write_cfp_protocol(tmp_path / k, 20), cfp.paths) for k in ("FF", "FP")]
    seen: list[np.ndarray] = []

    def train(vectors: np.ndarray, identities: np.ndarray, yaw: np.ndarray) -> benchmarks.Frontalize:
        assert len(vectors) == len(yaw)
        assert identities.max() == 17
        rows = [int(np.flatnonzero((cfp.vectors == v).all(axis=1))[0]) for v in vectors]
        seen.append(np.unique(people[rows]))
        return lambda v: v

    found = benchmarks.with_folds_of_g(lists, people, cfp, train)
    assert len(seen) == 10
    for fold, trained in enumerate(seen):
        assert set(range(20)) - set(trained.tolist()) == {2 * fold, 2 * fold + 1}
    assert np.array_equal(found[1].scores, benchmarks.scores_of(lists[1], cfp.vectors))


def test_folds_that_share_a_person_are_refused() -> None:
    both = Pairs("t", np.array([0, 1]), np.array([1, 0]), np.array([True, True]), np.array([0, 1]))
    seen = Embedded("t", ("a/1.jpg", "a/2.jpg"), np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="shares people"):
        benchmarks.with_folds_of_g([both], np.array([0, 0]), seen, lambda *_: lambda v: v)
