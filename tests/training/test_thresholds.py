"""Thresholds mean what they say, on people who were told apart first."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from app.face.thresholds import ThresholdTable
from app.service.contrast import contrast
from training.benchmarks import Embedded
from training.calibration import calibration
from training.strangers import told_apart
from training.thresholds import measured, search_table


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def crowd(people: int, pictures: int, shared: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Made-up people; ``shared`` is how much every other picture has in common with everybody's."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(people), pictures)
    everybody = rng.normal(size=64)
    vectors = rng.normal(size=(people, 64))[owner] + 0.5 * rng.normal(size=(len(owner), 64))
    vectors[1::2] += shared * everybody
    return unit(vectors + 0.5 * everybody), owner.astype(np.int64)


def test_searches_keep_the_rate_that_they_are_set_for() -> None:
    vectors, people = crowd(300, 4, 1.0, 0)
    rows, compared = search_table(vectors, people, np.zeros(len(people), np.float32))
    assert compared > 1_000_000
    table = ThresholdTable.of(rows)
    strangers, _ = crowd(1500, 1, 1.0, 0)  # the same everybody, other people
    gallery, owner = crowd(300, 2, 1.0, 0)
    subjects = unit(np.stack([gallery[owner == one].sum(axis=0) for one in range(300)]).astype(np.float64))
    wanted, alarms = 0.05, 0
    for scores in np.sort(strangers[300:] @ subjects.T, axis=1)[:, ::-1]:
        threshold = table.at_fpir(wanted, 300)[0] + contrast(table, scores.tolist(), 300)
        alarms += scores[0] >= threshold
    assert alarms / 1200 == pytest.approx(wanted, abs=0.03)


def test_without_a_crowd_there_is_no_table() -> None:
    vectors, people = crowd(8, 3, 0.0, 1)
    assert search_table(vectors, people, np.zeros(len(people), np.float32)) == ([], 0)
    tables, about = measured(vectors, people, np.zeros(len(people), np.float32))
    assert tables["search_thresholds"] == []
    assert about["people"] == 8


def test_two_names_of_one_person_are_joined_and_wrong_pictures_not_believed() -> None:
    rng = np.random.default_rng(2)
    faces = unit(rng.normal(size=(4, 64)))
    people = np.repeat(np.arange(5), 6).astype(np.int64)
    said = faces[np.array([0, 1, 2, 3, 1])[people]]  # the fifth is the second under another name
    said[3] = faces[2]  # and somebody else's picture lies in the first folder
    said = unit(said + 0.02 * rng.normal(size=said.shape))
    joined, kept = told_apart(said, people)
    assert len(np.unique(joined)) == 4
    assert set(joined[people == 1]) == set(joined[people == 4])
    assert np.flatnonzero(~kept).tolist() == [3]


def test_a_wanted_rate_comes_of_the_thresholds_of_its_own_world() -> None:
    vectors, people = crowd(400, 4, 0.0, 3)
    table = ThresholdTable.of(search_table(vectors, people, np.zeros(len(people), np.float32))[0])
    paths = tuple(f"person-{one:04d}/{row}.jpg" for row, one in enumerate(people.tolist()))
    lfw = Embedded("lfw", paths, vectors, np.zeros(len(people), np.float32))
    found = calibration(lfw, table)
    assert {(one.subjects, one.templates) for one in found} == {(n, t) for n in (50, 100, 300) for t in (1, 2)}
    assert all(one.fpir == pytest.approx(one.wanted, abs=0.02) for one in found if one.templates == 2)
    assert calibration(lfw, ThresholdTable()) == []
