"""Test people are found by name, by their mean and by single pictures; nobody else goes."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import leaks
from training.data.leaks import Faces
from training.data.readers import Row
from training.embeddings import unit


def faces(name: str, people: list[tuple[str | None, str | None]], vectors: np.ndarray) -> Faces:
    rows = tuple(Row(f"{i}.jpg", identity, called) for i, (identity, called) in enumerate(people))
    return Faces(name, rows, unit(vectors))


@pytest.fixture
def people() -> leaks.People:
    """One test person, Ann Lee, along the first axis."""
    return leaks.people_of([faces("test", [("Ann_Lee", "Ann_Lee")] * 2, np.array([[1, 0.1, 0], [1, -0.1, 0]]))])


def test_a_test_person_goes_by_name_with_all_pictures(people: leaks.People) -> None:
    training = faces("t", [("7", "Ann LEE"), ("7", "Ann LEE"), ("8", "Bo Ek")], np.eye(3)[[1, 2, 2]])
    assert leaks.leaking(training, people).any.tolist() == [True, True, False]


def test_a_nameless_test_person_goes_by_mean_with_all_pictures(people: leaks.People) -> None:
    vectors = np.array([[1, 0, 0], [0.2, 0.9, 0], [0, 0, 1]])
    dropped = leaks.leaking(faces("t", [("7", None), ("7", None), ("8", None)], vectors), people)
    assert dropped.by_mean.tolist() == [True, True, False]
    assert dropped.by_picture.tolist() == [True, False, False]
    assert dropped.any.tolist() == [True, True, False]


def test_a_picture_in_the_wrong_folder_goes_alone(people: leaks.People) -> None:
    vectors = np.array([[0, 1, 0]] * 5 + [[1, 0, 0]])
    assert leaks.leaking(faces("t", [("7", None)] * 6, vectors), people).any.tolist() == [False] * 5 + [True]


def test_pictures_without_identity_are_judged_alone(people: leaks.People) -> None:
    vectors = np.array([[1, 1, 0], [0.3, 1, 0]])
    dropped = leaks.leaking(faces("t", [(None, None)] * 2, vectors), people)
    assert dropped.any.tolist() == [True, False]
    assert not dropped.by_mean.any()


@given(st.text(string.ascii_letters, min_size=1))
def test_a_name_is_known_however_it_is_written(name: str) -> None:
    spelled = {name, name.upper(), f"{name}_0012", f" {name}", "_".join(name), ".".join(name)}
    assert {leaks.name_key(one) for one in spelled} == {name.lower()}


def test_accents_do_not_hide_a_name() -> None:
    assert leaks.name_key("Beyoncé Zoë") == leaks.name_key("beyonce_zoe")


@given(st.sets(st.text(string.ascii_lowercase, min_size=1, max_size=5), min_size=5, max_size=40))
def test_who_is_held_out_does_not_depend_on_order(names: set[str]) -> None:
    chosen = leaks.held_out(names, 4)
    assert chosen == leaks.held_out(sorted(names, reverse=True), 4)
    assert len(chosen) == 4
    # taking somebody else away changes nothing
    assert leaks.held_out(names - {next(iter(names - set(chosen)))}, 4) == chosen


def test_only_later_pictures_of_a_person_are_repetitions() -> None:
    vectors = unit(np.array([[1, 0, 0], [0, 1, 0], [1, 0.1, 0], [0, 0, 1], [0, 1, 0.2]]))
    for block in (1, 2, 10):
        assert leaks.repeated(vectors, block=block).tolist() == [False, False, True, False, True]


def test_lists_counts_and_hash_agree(people: leaks.People, tmp_path: Path) -> None:
    training = faces("t", [("7", "Ann Lee"), ("8", "Bo Ek"), ("9", None)], np.eye(3)[[1, 2, 2]])
    table = leaks.splits([training], people, tmp_path)
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == "0.jpg\n"
    entry = table["t"]
    assert (entry["rows"], entry["kept"], entry["dropped"]) == (3, 2, 1)
    assert entry["kept_sha256"] == leaks.digest(["2.jpg", "1.jpg"])


def test_the_lists_that_are_kept_here_fit_together() -> None:
    held = leaks.lag_test_people()
    assert len(held) == 300
    splits = json.loads(leaks.SPLITS.read_text(encoding="utf-8"))["sets"]
    assert set(splits) == set(leaks.TRAINING_SETS)
    assert all(one["kept"] + one["dropped"] == one["rows"] for one in splits.values())
