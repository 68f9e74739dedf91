"""The page of action units says what the card says."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.face.action_units import UNITS
from app.face.weights import SHIPPED, read_card
from training.facial_report import row_of_run, table_of_bars, table_of_units

PAGE = Path(__file__).parents[2] / "docs" / "action-units.md"


@pytest.fixture(scope="module")
def measures() -> dict[str, object]:
    (found,) = read_card(SHIPPED / "action-units").metrics
    return dict(found)


def test_the_page_has_the_tables_of_the_card(measures: dict[str, object]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in (table_of_bars(measures), table_of_units(measures)):
        assert table in page
    assert row_of_run(measures) in page


def test_a_bar_is_met_where_it_is_reached(measures: dict[str, object]) -> None:
    better = {**measures, "ckplus": areas(0.85)}
    worse = {**measures, "ckplus": areas(0.84)}
    rows = [row for row in table_of_bars(better).splitlines() if "CK+48" in row]
    assert all(row.endswith("0.850 | met |") for row in rows)
    assert len(rows) == 4
    assert table_of_bars(worse).count("0.840 | missed |") == 4


def areas(every: float) -> dict[str, float]:
    return dict.fromkeys(("happy", "surprise", "anger", "disgust", "AU9 in disgust", "AU10 in disgust"), every)


def test_every_unit_has_a_row(measures: dict[str, object]) -> None:
    assert len(table_of_units(measures).splitlines()) == 2 + len(UNITS)
