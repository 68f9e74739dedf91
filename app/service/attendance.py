"""What a sign-in does to somebody's last visit. Pure: times in, one step out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from app.errors import NoOpenVisit

Direction = Literal["in", "out", "auto"]
Step = Literal["check_in", "check_out", "repeat", "resume"]


def step(direction: Direction, now: datetime, window: timedelta, is_open: bool, touched: datetime | None) -> Step:
    """``is_open``, ``touched``: the subject's newest visit, and when it was last touched; None without one.

    - ``out`` ends the open visit.
    - ``in`` and ``auto`` within the window of the last event of an open visit ``repeat`` it; after the window
      ``auto`` ends it, and ``in`` checks in anew (the visit that was forgotten ends there).
    - Within the window of a check-out ``out`` and ``auto`` ``repeat`` it; ``in`` ``resume``s it.

    The window counts both ways, so that a clock that was put back a little makes no second visit, and one put
    back by hours locks nobody out. Raises ``NoOpenVisit`` for an ``out`` with nothing to end.
    """
    recent = touched is not None and abs(now - touched) < window
    if is_open:
        if direction == "out":
            return "check_out"
        if recent:
            return "repeat"
        return "check_out" if direction == "auto" else "check_in"
    if recent:
        return "resume" if direction == "in" else "repeat"
    if direction == "out":
        raise NoOpenVisit
    return "check_in"
