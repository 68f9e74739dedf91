"""What is asked of the sign-in record. Functions over an open session; none commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, defer, joinedload

from app.errors import VisitNotFound
from app.store.models import Subject, Template
from app.store.visit_models import Impostor, SubjectCode, Visit, VisitKey


@dataclass(frozen=True, slots=True, eq=False)
class Owned:
    """Unit vectors float32 [n, width] and the subjects (row ids) int64 [n] they belong to."""

    subjects: NDArray[np.int64]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which visits are listed. ``decision`` None: any. ``open``: checked in and not out, or the contrary."""

    subject_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    decision: str | None = "match"
    method: str | None = None
    open: bool | None = None


def vectors_of_subjects(session: Session, subjects: Iterable[int], model_id: str) -> Owned:
    """The frontalized templates of these subjects (row ids) that the model made."""
    query = select(Template.subject_id, Template.frontalized)
    return _owned(session.execute(query.where(Template.subject_id.in_(list(subjects)), Template.model_id == model_id)))


def impostors_of(session: Session, subjects: Iterable[int], model_id: str) -> Owned:
    """Faces that were taken for these subjects by mistake."""
    query = select(Impostor.subject_id, Impostor.frontalized)
    return _owned(session.execute(query.where(Impostor.subject_id.in_(list(subjects)), Impostor.model_id == model_id)))


def _owned(rows: Iterable[Any]) -> Owned:
    pairs = [(row[0], np.frombuffer(row[1], "<f4")) for row in rows]
    vectors = np.stack([vector for _, vector in pairs]) if pairs else np.zeros((0, 0), np.float32)
    return Owned(np.array([subject for subject, _ in pairs], np.int64), vectors)


def subject_with_code(session: Session, collection: int, digest: str) -> Subject | None:
    query = select(Subject).join(SubjectCode, SubjectCode.subject_id == Subject.id)
    return session.scalars(
        query.where(SubjectCode.collection_id == collection, SubjectCode.digest == digest)
    ).one_or_none()


def key_of(session: Session, collection: int, key: str) -> VisitKey | None:
    """With its visit and the visit's subject."""
    return session.scalars(
        select(VisitKey)
        .options(joinedload(VisitKey.visit).joinedload(Visit.subject))
        .where(VisitKey.collection_id == collection, VisitKey.key == key)
    ).one_or_none()


def last_visit(session: Session, subject: int) -> Visit | None:
    """The newest visit of a subject (row id)."""
    query = select(Visit).where(Visit.subject_id == subject, Visit.decision == "match")
    return session.scalars(query.order_by(Visit.id.desc()).limit(1)).one_or_none()


def visit_of(session: Session, collection: int, public_id: str, lock: bool = False) -> Visit:
    """With its subject. Raises ``VisitNotFound``."""
    query = select(Visit).where(Visit.collection_id == collection, Visit.public_id == public_id)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise VisitNotFound(f"There is no visit {public_id!r}", visit_id=public_id)
    return row


def visits_before(
    session: Session, collection: int, filters: Filters, before: int | None, limit: int
) -> Sequence[Visit]:
    """The next ``limit`` visits, newest first, older than the row id ``before``; their vectors are not loaded."""
    query = select(Visit).options(joinedload(Visit.subject), defer(Visit.probe))
    query = query.where(*_filtered(collection, filters))
    if before is not None:
        query = query.where(Visit.id < before)
    return session.scalars(query.order_by(Visit.id.desc()).limit(limit)).all()


def count_visits(session: Session, collection: int, filters: Filters) -> int:
    """How many there are."""
    return session.scalar(select(func.count()).select_from(Visit).where(*_filtered(collection, filters))) or 0


def _filtered(collection: int, filters: Filters) -> list[ColumnElement[bool]]:
    where = [Visit.collection_id == collection]
    if filters.subject_id is not None:
        where.append(Visit.subject.has(Subject.public_id == filters.subject_id))
    if filters.since is not None:
        where.append(Visit.created_at >= filters.since)
    if filters.until is not None:
        where.append(Visit.created_at < filters.until)
    if filters.decision is not None:
        where.append(Visit.decision == filters.decision)
    if filters.method is not None:
        where.append(Visit.method == filters.method)
    if filters.open is not None:
        is_open = Visit.checked_in_at.is_not(None) & Visit.checked_out_at.is_(None)
        where.append(is_open if filters.open else ~is_open)
    return where


def names_like(session: Session, collection: int, letters: str, limit: int) -> list[tuple[str, str]]:
    """Public ids and names of subjects a word of whose name begins with ``letters``, whatever their case."""
    name = func.lower(Subject.name)
    begins = name.startswith(letters.lower(), autoescape=True) | name.contains(" " + letters.lower(), autoescape=True)
    query = select(Subject.public_id, Subject.name).where(Subject.collection_id == collection, begins)
    return [(row[0], row[1] or "") for row in session.execute(query.order_by(Subject.name, Subject.id).limit(limit))]
