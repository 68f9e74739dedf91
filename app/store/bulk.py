"""Many rows at once: subjects and templates as plain values, in and out of a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Table, func, insert, select
from sqlalchemy.orm import Session

from app.errors import BadArchive
from app.store.models import Collection, Subject, Template, Utc
from app.store.vectors import owned_by

AT_ONCE: Final = 500
"""Values of one IN list."""
SUBJECTS: Final = 1000
TEMPLATES: Final = 2000
"""What one block holds at most, unless one subject alone has more."""
_COPIES: Final = UUID("6f1f4c0e-2a8b-4d1c-9c55-0f3f5b1f5a10")
_SUBJECTS: Final[Table] = Subject.__table__  # type: ignore[assignment]
_TEMPLATES: Final[Table] = Template.__table__  # type: ignore[assignment]
_OURS: Final = frozenset({"id", "change", "embedding", "frontalized"})

Values = dict[str, Any]
People = list[tuple[Values, list[Values]]]
"""Pairs of a subject and its templates; values of the columns by name, as JSON has them."""


@dataclass(frozen=True, slots=True)
class Written:
    """``templates`` are new; ``known`` were there before."""

    subjects: int
    templates: int
    known: int


def plain_columns(table: Table) -> list[Column[Any]]:
    """What a row is beside its number, its owners and its vectors."""
    return [column for column in table.columns if column.name not in _OURS and not column.foreign_keys]


def people_after(session: Session, collection: int, after: str, width: int) -> tuple[People, NDArray[np.float32]]:
    """The next people in the order of their public ids, and float32 [templates, 2, width]: raw embeddings and
    frontalized ones, in the order of the templates. So many that memory stays small; empty at the end."""
    columns = plain_columns(_SUBJECTS)
    rows = session.execute(
        select(_SUBJECTS.c.id, *columns)
        .where(_SUBJECTS.c.collection_id == collection, _SUBJECTS.c.public_id > after)
        .order_by(_SUBJECTS.c.public_id)
        .limit(SUBJECTS)
    ).all()
    rows = rows[: _fitting(session, [row[0] for row in rows])]
    people: People = [(_plain(columns, row[1:]), []) for row in rows]
    place = {row[0]: at for at, row in enumerate(rows)}
    vectors: list[list[bytes]] = [[] for _ in rows]
    columns = plain_columns(_TEMPLATES)
    for batch in batches(list(place), AT_ONCE):
        found = session.execute(
            select(_TEMPLATES.c.subject_id, _TEMPLATES.c.embedding, _TEMPLATES.c.frontalized, *columns)
            .where(_TEMPLATES.c.subject_id.in_(batch))
            .order_by(_TEMPLATES.c.id)
        )
        for row in found:
            people[place[row[0]]][1].append(_plain(columns, row[3:]))
            vectors[place[row[0]]].append(row[1] + row[2])
    data = np.frombuffer(b"".join(pair for own in vectors for pair in own), "<f4")
    return people, data.reshape(sum(map(len, vectors)), 2, width)


def _fitting(session: Session, subjects: list[int]) -> int:
    """How many of these subjects have ``TEMPLATES`` together, one at least."""
    held: dict[int, int] = {}
    for batch in batches(subjects, AT_ONCE):
        query = select(_TEMPLATES.c.subject_id, func.count()).where(_TEMPLATES.c.subject_id.in_(batch))
        held |= {row[0]: row[1] for row in session.execute(query.group_by(_TEMPLATES.c.subject_id))}
    ends = np.cumsum([held.get(subject, 0) for subject in subjects])
    return max(1, int(np.searchsorted(ends, TEMPLATES, side="right")))


def write_people(session: Session, collection: Collection, people: People, vectors: NDArray[np.float32]) -> Written:
    """Add what is not there yet to the (locked) collection. Subjects that are there stay as they are.

    Raises ``BadArchive`` for values that this version does not know.
    """
    subjects, columns = [subject for subject, _ in people], plain_columns(_SUBJECTS)
    known = _ids(session, _SUBJECTS, collection.id, [one["public_id"] for one in subjects])
    fresh = [one for one in subjects if one["public_id"] not in known]
    if fresh:
        session.execute(insert(_SUBJECTS), [{**_typed(columns, one), "collection_id": collection.id} for one in fresh])
        known |= _ids(session, _SUBJECTS, collection.id, [one["public_id"] for one in fresh])
    owners = [known[subject["public_id"]] for subject, templates in people for _ in templates]
    templates, columns = [one for _, own in people for one in own], plain_columns(_TEMPLATES)
    names = template_names(session, collection, [one["public_id"] for one in templates])
    there = _ids(session, _TEMPLATES, collection.id, names)
    rows = [
        {
            **_typed(columns, one),
            "public_id": name,
            "collection_id": collection.id,
            "subject_id": owner,
            "change": collection.change + 1,
            "embedding": owned_by(raw.tobytes(), collection.id, owner),
            "frontalized": owned_by(frontalized.tobytes(), collection.id, owner),
        }
        for one, name, owner, (raw, frontalized) in zip(templates, names, owners, vectors.astype("<f4"), strict=True)
        if name not in there
    ]
    if rows:
        collection.change += 1
        session.execute(insert(_TEMPLATES), rows)
    return Written(len(fresh), len(rows), len(there))


def template_names(session: Session, collection: Collection, names: Sequence[str]) -> list[str]:
    """The public ids under which these templates stand, or would, in this collection: their own, unless another
    collection has it; then one that follows from both."""
    taken: set[str] = set()
    for batch in batches(names, AT_ONCE):
        query = select(Template.public_id).where(Template.public_id.in_(batch), Template.collection_id != collection.id)
        taken.update(session.scalars(query))
    return [str(uuid5(_COPIES, f"{collection.id} {name}")) if name in taken else name for name in names]


def differing(
    session: Session, collection: Collection, names: Sequence[str], vectors: NDArray[np.float32]
) -> list[str]:
    """Which of these templates are not there, or not with these vectors float32 [n, 2, width]."""
    wanted = {name: pair.tobytes() for name, pair in zip(names, vectors.astype("<f4"), strict=True)}
    for batch in batches(names, AT_ONCE):
        columns = (Template.public_id, Template.embedding, Template.frontalized)
        query = select(*columns).where(Template.collection_id == collection.id, Template.public_id.in_(batch))
        for name, raw, frontalized in session.execute(query):
            if wanted[name] == raw + frontalized:
                del wanted[name]
    return list(wanted)


def held_by(session: Session, collection: Collection, names: Sequence[str]) -> dict[str, int]:
    """How many templates each of these subjects (public ids) has; those without any are left out."""
    held: dict[str, int] = {}
    for batch in batches(names, AT_ONCE):
        query = select(Subject.public_id, func.count()).join(Template, Template.subject_id == Subject.id)
        mine = (Subject.collection_id == collection.id) & Subject.public_id.in_(batch)
        held |= {row[0]: row[1] for row in session.execute(query.where(mine).group_by(Subject.public_id))}
    return held


def state_of(session: Session, collection: Collection) -> str:
    """Another text after any change of the collection's templates or subjects."""
    query = select(func.count(), func.max(Subject.id), func.max(Subject.updated_at))
    number, last, updated = session.execute(query.where(Subject.collection_id == collection.id)).one()
    return f"{collection.change} {number} {last} {updated.isoformat() if updated else None}"


def batches(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """One after another, ``size`` long, the last one shorter."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _ids(session: Session, table: Table, collection: int, names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in batches(list(names), AT_ONCE):
        query = select(table.c.public_id, table.c.id).where(table.c.collection_id == collection)
        found |= {row[0]: row[1] for row in session.execute(query.where(table.c.public_id.in_(batch)))}
    return found


def _plain(columns: list[Column[Any]], row: Sequence[Any]) -> Values:
    return {
        column.name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for column, value in zip(columns, row, strict=True)
    }


def _typed(columns: list[Column[Any]], values: Values) -> Values:
    known = {column.name: column for column in columns}
    if unknown := values.keys() - known.keys():
        raise BadArchive(f"The file has values that this version does not know: {', '.join(sorted(unknown))}")
    return {name: _value(known[name], value) for name, value in values.items()}


def _value(column: Column[Any], value: Any) -> Any:
    if value is None or not isinstance(column.type, Utc):
        return value
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise BadArchive("The file has a time that is none") from error
