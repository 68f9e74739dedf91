from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from app.gallery.contract import Hit
from app.service.fusion import cosines_of_subjects, nearest_of_subjects, reranked


def unit(rows: object) -> NDArray[np.float32]:
    x = np.asarray(rows, np.float32)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def test_a_subject_of_one_template_scores_its_cosine() -> None:
    frames, templates = unit([[1, 0, 0], [1, 1, 0]]), unit([[0, 1, 0], [1, 0, 0]])
    subjects, cosines = cosines_of_subjects(frames, templates, np.array([7, 3]))
    assert subjects.tolist() == [3, 7]
    assert cosines == pytest.approx(np.array([[1, 0], [0.5**0.5, 0.5**0.5]]))


def test_what_templates_share_counts_for_more_than_the_best_of_them() -> None:
    """Each template is the person and an accident of its own; the next picture is the person and another accident."""
    person, accidents = np.eye(6)[0], np.eye(6)[1:]
    frame, templates = unit([person + accidents[4]]), unit(person + accidents[:4])
    _, cosines = cosines_of_subjects(frame, templates, np.zeros(4, np.int64))
    assert cosines[0, 0] > (templates @ frame[0]).max()


@given(
    arrays(np.float32, (5, 8), elements=st.floats(-1, 1, width=32)),
    st.lists(st.integers(0, 3), min_size=5, max_size=5),
)
def test_scores_are_cosines_in_any_order_and_of_opposites(raw: NDArray[np.float32], owners: list[int]) -> None:
    templates, subjects = unit(raw + 1e-3), np.array(owners)
    both, owned = np.concatenate([templates, -templates]), np.concatenate([subjects, subjects])
    found, cosines = cosines_of_subjects(templates, both, owned)
    assert np.isfinite(cosines).all()
    assert (np.abs(cosines) <= 1).all()
    order = np.random.default_rng(0).permutation(5)
    _, again = cosines_of_subjects(templates, templates[order], subjects[order])
    assert again == pytest.approx(cosines_of_subjects(templates, templates, subjects)[1], abs=1e-6)
    assert found.tolist() == sorted(set(owners))


def test_the_nearest_vector_counts_where_the_mean_is_nobody() -> None:
    frames, faces = unit([[1, 0, 0], [0, 1, 0]]), unit([[1, 0, 0], [-1, 0, 0], [0, 0, 1]])
    subjects, nearest = nearest_of_subjects(frames, faces, np.array([5, 5, 2]))
    assert subjects.tolist() == [2, 5]
    assert nearest.tolist() == [[0, 1], [0, 0]]


def test_hits_are_reranked_and_who_has_no_score_is_gone() -> None:
    hits = [Hit(1, 10, 0.9), Hit(2, 20, 0.8), Hit(3, 30, 0.7)]
    assert reranked(hits, {2: 0.85, 1: 0.5}) == [Hit(2, 20, 0.85), Hit(1, 10, 0.5)]
    assert [hit.subject for hit in reranked(hits, {3: 0.5, 1: 0.5})] == [1, 3]
