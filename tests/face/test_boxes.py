from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from app.face.boxes import areas, moved, overlaps, squared, strongest


@st.composite
def some_boxes(draw: st.DrawFn, most: int = 12) -> NDArray[np.float64]:
    count = draw(st.integers(0, most))
    corners = draw(arrays(np.float64, (count, 2), elements=st.floats(-100, 100)))
    sides = draw(arrays(np.float64, (count, 2), elements=st.floats(0.5, 100)))
    return np.hstack([corners, corners + sides])


def test_overlap_of_known_boxes() -> None:
    a = np.array([[0.0, 0.0, 2.0, 2.0]])
    b = np.array([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0], [0.5, 0.5, 1.5, 1.5]])
    assert np.allclose(overlaps(a, b), [[1 / 3, 0, 1 / 4]])
    assert np.allclose(overlaps(a, b, "smaller"), [[1 / 2, 0, 1]])


@given(some_boxes())
def test_overlap_is_symmetric_bounded_and_one_with_itself(boxes: NDArray[np.float64]) -> None:
    table = overlaps(boxes, boxes)
    assert np.allclose(table, table.T)
    assert np.allclose(np.diag(table), 1)
    assert ((table >= 0) & (table <= 1 + 1e-9)).all()


@given(some_boxes(), st.floats(0.1, 0.9))
def test_the_strongest_do_not_hide_each_other(boxes: NDArray[np.float64], threshold: float) -> None:
    scores = np.linspace(1, 0, len(boxes))
    kept = strongest(boxes, scores, threshold)
    table = overlaps(boxes[kept], boxes[kept])
    assert (np.triu(table, 1) <= threshold).all()
    if len(boxes):
        assert kept[0] == 0
    assert (np.diff(scores[kept]) <= 0).all()


def test_what_is_hidden_still_hides() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [4.0, 0, 14, 10], [8.0, 0, 18, 10]])
    assert strongest(boxes, np.array([0.9, 0.8, 0.7]), 0.3).tolist() == [0]


@given(some_boxes())
def test_squares_hold_their_boxes(boxes: NDArray[np.float64]) -> None:
    squares = squared(boxes)
    sides = squares[:, 2:] - squares[:, :2]
    assert np.allclose(sides[:, 0], sides[:, 1])
    assert np.allclose(squares[:, :2] + squares[:, 2:], boxes[:, :2] + boxes[:, 2:])
    assert (areas(squares) >= areas(boxes) - 1e-6).all()


@given(some_boxes())
def test_no_offset_moves_nothing(boxes: NDArray[np.float64]) -> None:
    assert np.array_equal(moved(boxes, np.zeros((len(boxes), 4))), boxes)
