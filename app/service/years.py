"""Templates and time: when their pictures were taken, and which are too old to rely on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from app.errors import RequestError
from app.face.captured import captured_at
from app.store.models import Template, now

When = datetime | Literal["exif"] | None
"""A time that the caller tells, or the one that each picture's camera wrote into it, or nothing."""

YEAR: Final = timedelta(days=365.2425)

CLOCKS_DIFFER: Final = timedelta(days=1)
"""Cameras without a time zone, and clocks that run ahead."""


def require_past(when: When) -> None:
    """Raises ``RequestError`` for a time to come."""
    if isinstance(when, datetime) and when > now() + CLOCKS_DIFFER:
        raise RequestError("captured_at lies in the future")


def taken_at(when: When, file: bytes) -> datetime | None:
    """When this picture was taken. A camera's time to come is a clock set wrong, and counts as none."""
    if when != "exif":
        return when
    told = captured_at(file)
    return told if told is not None and told <= now() + CLOCKS_DIFFER else None


def years_since(taken: datetime | None) -> float | None:
    """Years from ``taken`` to now, None where it is not known."""
    return None if taken is None else max(0.0, (now() - taken) / YEAR)


def is_old(template: Template, limit: float) -> bool:
    """Whether its picture is known to be older than ``limit`` years."""
    age = years_since(template.captured_at)
    return age is not None and age > limit
