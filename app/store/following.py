"""What changed since a number: the queries by which a process follows the others.

``collections.change`` is the sequence. It grows by one with every transaction that adds, alters or removes
templates, under the lock of the collection's row (SQLite: of the database), which is held until the commit. So
numbers are committed in their order and without gaps on both databases, unlike those of a Postgres sequence: who
reads n in one state of the database sees in it every change up to n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.store.models import Collection, Removal, Template
from app.store.vectors import checked

BATCH: Final = 5_000
LAST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """How far one has read: everything up to the template (row id) within the change."""

    change: int
    template: int = LAST


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """Templates written after a place, oldest first: ids and subjects int64 [n], float32 [n, width].

    ``others``: templates that another model has written anew; they are none of ours any more.
    """

    templates: NDArray[np.int64]
    subjects: NDArray[np.int64]
    vectors: NDArray[np.float32]
    others: NDArray[np.int64]
    place: Place
    more: bool


def heads(session: Session) -> dict[int, int]:
    """Each collection (row id) and the number of its last change."""
    return {row[0]: row[1] for row in session.execute(select(Collection.id, Collection.change))}


def removed_after(session: Session, collection: int, change: int) -> NDArray[np.int64]:
    """Templates that went with a later change."""
    query = select(Removal.template_id).where(Removal.collection_id == collection, Removal.change > change)
    return np.array(session.scalars(query).all(), np.int64)


def written_after(session: Session, collection: int, place: Place, head: int, model_id: str, width: int) -> News:
    """The next templates up to ``BATCH``, as they are now. ``head``: the collection's last change."""
    columns = (Template.change, Template.id, Template.subject_id, Template.model_id, Template.frontalized)
    rows = session.execute(
        select(*columns)
        .where(Template.collection_id == collection, Template.change >= place.change)
        .where(tuple_(Template.change, Template.id) > (place.change, place.template))
        .order_by(Template.change, Template.id)
        .limit(BATCH)
    ).all()
    more = len(rows) == BATCH
    ours = [row for row in rows if row.model_id == model_id]
    return News(
        np.array([row.id for row in ours], np.int64),
        np.array([row.subject_id for row in ours], np.int64),
        np.frombuffer(b"".join(checked(row.frontalized, collection, row.subject_id) for row in ours), "<f4").reshape(
            len(ours), width
        ),
        np.array([row.id for row in rows if row.model_id != model_id], np.int64),
        Place(rows[-1].change, rows[-1].id) if more else Place(head),
        more,
    )
