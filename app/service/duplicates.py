"""Who may be there twice: pairs of subjects whose faces are at or above the threshold, to be merged or told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import RequestError
from app.gallery.contract import Hit
from app.service.parts import Parts
from app.service.thresholds import limit_for_fpir
from app.store import audit, queries
from app.store.models import Collection, Subject, Template
from app.store.stranger_models import Stranger

SCANNED: Final = 500
"""Templates that one request looks at."""
AT_ONCE: Final = 100
CANDIDATES: Final = 10
"""Subjects a template that are looked at: its own, and nine that resemble it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """``subject_id`` was enrolled later than ``other_id``. ``score``: of their two nearest templates."""

    subject_id: str
    name: str | None
    template_id: str
    other_id: str
    other_name: str | None
    other_template_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """``last``: row id of the last template that was looked at, None at the end of the collection."""

    pairs: tuple[Pair, ...]
    last: int | None


def find(parts: Parts, collection: str, after: int) -> Pairs:
    """Pairs among the next ``SCANNED`` templates behind row id ``after``. A pair that has templates on two pages may
    come twice. Raises ``CollectionNotFound``, ``ModelMismatch``, ``GalleryError``."""
    with parts.database.reading() as session:
        owner = queries.collection_named(session, collection)
        parts.require_model(owner)
        ids = list(
            session.scalars(
                select(Template.id)
                .where(Template.collection_id == owner.id, Template.id > after)
                .order_by(Template.id)
                .limit(SCANNED)
            )
        )
        best = _nearest(parts, session, owner, ids)
        return Pairs(_told(session, best), ids[-1] if len(ids) == SCANNED else None)


def _nearest(
    parts: Parts, session: Session, owner: Collection, ids: list[int]
) -> dict[tuple[int, int], tuple[int, Hit]]:
    """By pair of subjects (row ids, the later one first): its own template and the other's nearest one."""
    threshold = limit_for_fpir(parts, queries.count_subjects(session, owner.id)).threshold
    best: dict[tuple[int, int], tuple[int, Hit]] = {}
    for start in range(0, len(ids), AT_ONCE):
        wanted = np.array(ids[start : start + AT_ONCE], np.int64)
        for part in queries.vectors_of_templates(session, owner.id, wanted, parts.engine.width):
            found = parts.index.search(owner.id, part.vectors, CANDIDATES) if len(part.templates) else []
            for template, subject, hits in zip(part.templates.tolist(), part.subjects.tolist(), found, strict=True):
                # Once a pair: the later of the two finds the earlier.
                for hit in hits:
                    pair = (subject, hit.subject)
                    if hit.subject < subject and hit.score >= threshold and _beats(hit, best.get(pair)):
                        best[pair] = (template, hit)
    return best


def _beats(hit: Hit, known: tuple[int, Hit] | None) -> bool:
    return known is None or hit.score > known[1].score


def _told(session: Session, best: dict[tuple[int, int], tuple[int, Hit]]) -> tuple[Pair, ...]:
    named = {one for template, hit in best.values() for one in (template, hit.template)}
    rows = queries.templates_with_subjects(session, named)
    subjects = {one for pair in best for one in pair}
    apart = select(Stranger.subject_id, Stranger.other_id).where(Stranger.subject_id.in_(subjects))
    told_apart = {(row[0], row[1]) for row in session.execute(apart)}
    pairs = []
    for pair, (template, hit) in best.items():
        one, other = rows.get(template), rows.get(hit.template)  # what was deleted meanwhile is not there
        if one is not None and other is not None and pair not in told_apart:
            names = (one.subject.public_id, one.subject.name, one.public_id)
            others = (other.subject.public_id, other.subject.name, other.public_id)
            pairs.append(Pair(*names, *others, hit.score))
    return tuple(sorted(pairs, key=lambda one: (-one.score, one.subject_id, one.other_id)))


def tell_apart(parts: Parts, collection: str, subject_id: str, other_id: str) -> None:
    """They are two people: the pair is not shown again. Raises ``CollectionNotFound``, ``SubjectNotFound``."""
    with parts.database.writing() as session:
        owner = queries.collection_named(session, collection, lock=True)
        later, earlier = two_of(session, owner, subject_id, other_id)
        if later.id < earlier.id:
            later, earlier = earlier, later
        query = select(Stranger.id).where(Stranger.subject_id == later.id, Stranger.other_id == earlier.id)
        if session.scalars(query).first() is None:
            session.add(Stranger(subject_id=later.id, other_id=earlier.id))
            audit.record(
                session, parts.caller.key_id, "subject.told_apart", collection, subject=subject_id, other=other_id
            )


def two_of(session: Session, owner: Collection, one: str, other: str) -> tuple[Subject, Subject]:
    """Raises ``SubjectNotFound``, ``RequestError`` where both are the same."""
    if one == other:
        raise RequestError("That is one subject, not two")
    return queries.subject_of(session, owner.id, one), queries.subject_of(session, owner.id, other)
