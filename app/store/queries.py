"""What is asked of the rows. Functions over an open session; none commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session, defer, joinedload

from app.errors import CollectionNotFound, SubjectNotFound, TemplateNotFound
from app.store.models import Collection, Removal, Subject, Template
from app.store.vectors import checked

BATCH = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Frontalized vectors of one collection: row ids int64 [n], subjects int64 [n], float32 [n, width]."""

    collection: int
    templates: NDArray[np.int64]
    subjects: NDArray[np.int64]
    vectors: NDArray[np.float32]


def collection_named(session: Session, name: str, lock: bool = False) -> Collection:
    """``lock`` makes other writers of the collection wait. Raises ``CollectionNotFound``."""
    query = select(Collection).where(Collection.name == name)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise CollectionNotFound(f"There is no collection {name!r}", collection=name)
    return row


def all_collections(session: Session) -> Sequence[Collection]:
    """By name."""
    return session.scalars(select(Collection).order_by(Collection.name)).all()


def find_subject(session: Session, collection: int, public_id: str) -> Subject | None:
    return session.scalars(
        select(Subject).where(Subject.collection_id == collection, Subject.public_id == public_id)
    ).one_or_none()


def subject_of(session: Session, collection: int, public_id: str) -> Subject:
    """Raises ``SubjectNotFound``."""
    row = find_subject(session, collection, public_id)
    if row is None:
        raise SubjectNotFound(f"There is no subject {public_id!r}", subject_id=public_id)
    return row


def template_of(session: Session, subject: Subject, public_id: str) -> Template:
    """Raises ``TemplateNotFound``."""
    row = session.scalars(
        select(Template).where(Template.subject_id == subject.id, Template.public_id == public_id)
    ).one_or_none()
    if row is None:
        raise TemplateNotFound(f"The subject has no template {public_id!r}", template_id=public_id)
    return row


def count_subjects(session: Session, collection: int) -> int:
    return session.scalar(select(func.count()).where(Subject.collection_id == collection)) or 0


def count_templates(session: Session, where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Template).where(where)) or 0


def templates_by_subject(session: Session, subjects: Iterable[int]) -> dict[int, int]:
    """How many templates each of these subjects (row ids) has; subjects without any are left out."""
    query = select(Template.subject_id, func.count()).where(Template.subject_id.in_(list(subjects)))
    return {row[0]: row[1] for row in session.execute(query.group_by(Template.subject_id))}


def subjects_after(session: Session, collection: int, after: str, limit: int) -> Sequence[Subject]:
    """The next ``limit`` subjects in the order of their public ids; ``after`` "" starts at the first."""
    query = select(Subject).where(Subject.collection_id == collection, Subject.public_id > after)
    return session.scalars(query.order_by(Subject.public_id).limit(limit)).all()


def templates_with_subjects(session: Session, ids: Iterable[int]) -> dict[int, Template]:
    """Templates by row id, their subjects loaded, their vectors not. Those that are gone are left out."""
    light = (joinedload(Template.subject), defer(Template.embedding), defer(Template.frontalized))
    query = select(Template).options(*light).where(Template.id.in_(list(ids)))
    return {row.id: row for row in session.scalars(query)}


def known_digests(session: Session, collection: int, digests: Iterable[str]) -> set[str]:
    """Which of these SHA-256 hex digests have a template in the collection."""
    query = select(Template.digest).where(Template.collection_id == collection, Template.digest.in_(list(digests)))
    return set(session.scalars(query))


def vectors_of(session: Session, subject: int) -> Sequence[Template]:
    """All templates of a subject (row id), oldest first."""
    rows = session.scalars(select(Template).where(Template.subject_id == subject).order_by(Template.id)).all()
    for row in rows:
        checked(row.frontalized, row.collection_id, row.subject_id)
    return rows


def all_vectors(session: Session, model_id: str, width: int) -> Iterator[Vectors]:
    """Every vector that the model made, by collection, in batches: never all in memory."""
    columns = (Template.collection_id, Template.id, Template.subject_id, Template.frontalized)
    last = (0, 0)
    while True:
        rows = session.execute(
            select(*columns)
            .where(Template.model_id == model_id)
            .where((Template.collection_id > last[0]) | ((Template.collection_id == last[0]) & (Template.id > last[1])))
            .order_by(Template.collection_id, Template.id)
            .limit(BATCH)
        ).all()
        if not rows:
            return
        last = (rows[-1][0], rows[-1][1])
        for collection in sorted({row[0] for row in rows}):
            yield _vectors(collection, [row[1:] for row in rows if row[0] == collection], width)


def vectors_of_templates(
    session: Session, collection: int, templates: NDArray[np.int64], width: int
) -> Iterator[Vectors]:
    """The vectors of these templates (row ids) in batches; those that are gone are left out."""
    columns = (Template.id, Template.subject_id, Template.frontalized)
    for start in range(0, len(templates), BATCH):
        wanted = templates[start : start + BATCH].tolist()
        rows = session.execute(
            select(*columns).where(Template.collection_id == collection, Template.id.in_(wanted)).order_by(Template.id)
        ).all()
        yield _vectors(collection, rows, width)


def _vectors(collection: int, rows: Sequence[Any], width: int) -> Vectors:
    return Vectors(
        collection,
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.frombuffer(b"".join(checked(row[2], collection, row[1]) for row in rows), "<f4").reshape(len(rows), width),
    )


def template_ids(session: Session, collection: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row ids of all templates of a collection and of their subjects [n], in no order.

    By way of the subjects: their index answers alone, without a page of the vectors being read.
    """
    owners = select(Subject.id).where(Subject.collection_id == collection)
    query = select(Template.id, Template.subject_id).where(Template.subject_id.in_(owners))
    rows = session.connection().execute(query, execution_options={"yield_per": BATCH})
    # Through one flat iterator: an array of a million Row objects takes many times as long.
    flat = chain.from_iterable(chain.from_iterable(rows.partitions()))
    pairs = np.fromiter(flat, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def forget_templates(session: Session, collection: Collection, where: ColumnElement[bool]) -> list[int]:
    """Delete templates of the (locked) collection and note their numbers for followers. Answers their row ids."""
    ids = list(session.scalars(select(Template.id).where(Template.collection_id == collection.id, where)))
    if ids:
        collection.change += 1
        session.execute(delete(Template).where(Template.collection_id == collection.id, where))
        session.add_all(Removal(collection_id=collection.id, template_id=one, change=collection.change) for one in ids)
        session.flush()
    return ids
