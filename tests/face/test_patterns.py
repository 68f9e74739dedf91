from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.face.patterns import (
    LEAST,
    cells_of,
    index_of,
    nearest_pattern,
    overlap,
    patterns,
    rectangle_of,
    rectangles,
)


@given(st.integers(1, 7))
def test_there_are_as_many_as_the_method_says(grid: int) -> None:
    assert patterns(grid) == 1 + (grid * (grid + 1) // 2) ** 2


def test_226_on_a_grid_of_five() -> None:
    assert patterns() == 226


@given(st.integers(0, 225))
def test_every_rectangle_has_one_index_and_comes_back(index: int) -> None:
    assert index_of(rectangle_of(index)) == index


@given(st.integers(0, 225))
def test_whole_cells_are_their_own_nearest_pattern(index: int) -> None:
    assert nearest_pattern(cells_of(index)) == index


@given(st.integers(0, 225), st.integers(0, 225))
def test_overlap_is_symmetric_and_one_only_for_the_same(first: int, second: int) -> None:
    assert overlap(first, second) == overlap(second, first)
    assert (overlap(first, second) == 1.0) == (first == second)


def test_little_is_nothing_and_a_part_of_a_cell_goes_to_the_rectangle_that_holds_most() -> None:
    covered = np.zeros((5, 5))
    covered[3:, 1:4] = 1
    covered[2, 1:4] = 0.2
    assert rectangle_of(nearest_pattern(covered)) == (3, 4, 1, 3)
    covered[2, 1:4] = 0.8
    assert rectangle_of(nearest_pattern(covered)) == (2, 4, 1, 3)
    assert nearest_pattern(np.full((5, 5), LEAST / 26)) == 0


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="226"):
        rectangle_of(226)
    with pytest.raises(ValueError, match="not in"):
        index_of((0, 5, 0, 0))
    assert len(set(rectangles())) == 225
