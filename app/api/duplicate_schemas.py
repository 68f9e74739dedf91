"""Pairs of subjects that may be one person, over the wire."""

from __future__ import annotations

from pydantic import Field

from app.api.schemas import Create, Id, Public


class PairPublic(Public):
    """``subject_id`` was enrolled later than ``other_id``. The templates are their two nearest, ``score`` is
    their cosine."""

    subject_id: str
    name: str | None
    template_id: str
    other_id: str
    other_name: str | None
    other_template_id: str
    score: float


class PairPagePublic(Public):
    """``next_cursor`` is null where all templates were looked at; a page may hold no pair and have one."""

    pairs: list[PairPublic]
    next_cursor: str | None


class MergeCreate(Create):
    into: Id = Field(description="The subject that stays.")


class ApartCreate(Create):
    other_id: Id = Field(description="Who this is not.")


class MergedPublic(Public):
    """``subject_id``: who stays. ``templates``: how many moved."""

    subject_id: str
    templates: int
