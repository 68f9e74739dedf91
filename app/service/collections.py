"""Collections: sets of subjects that are searched together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import CollectionExists, TooManyCollections
from app.service.parts import Parts
from app.store import audit, ledger, queries
from app.store.database import Database
from app.store.models import Collection, Template

DEFAULT: Final = "default"
"""Always there: made at start, and made anew when it is deleted."""


@dataclass(frozen=True, slots=True)
class CollectionView:
    """``model_id`` is None until the first template pins it."""

    name: str
    model_id: str | None
    subjects: int
    templates: int
    created_at: datetime


def ensure_default(database: Database) -> None:
    """Make the default collection where it is missing."""
    with database.writing() as session:
        if session.scalars(select(Collection.id).where(Collection.name == DEFAULT)).first() is None:
            session.add(Collection(name=DEFAULT))


def list_collections(parts: Parts) -> list[CollectionView]:
    """By name."""
    with parts.database.reading() as session:
        return [_view(session, row) for row in queries.all_collections(session)]


def show_collection(parts: Parts, name: str) -> CollectionView:
    """Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        return _view(session, queries.collection_named(session, name))


def create_collection(parts: Parts, name: str) -> CollectionView:
    """Raises ``CollectionExists``, ``TooManyCollections``."""
    with parts.index.changing() as change:
        names = [row.name for row in queries.all_collections(change.session)]
        if name in names:
            raise CollectionExists(f"There is a collection {name!r} already", collection=name)
        if len(names) >= parts.settings.max_collections:
            raise TooManyCollections(limit=parts.settings.max_collections)
        row = Collection(name=name)
        change.session.add(row)
        try:
            change.session.flush()
        except IntegrityError as error:  # another process was faster
            raise CollectionExists(f"There is a collection {name!r} already", collection=name) from error
        audit.record(change.session, parts.caller.key_id, "collection.created", name)
        return _view(change.session, row)


def delete_collection(parts: Parts, name: str) -> None:
    """With all subjects and templates; the default one is emptied. Raises ``CollectionNotFound``."""
    with parts.index.changing() as change:
        row = queries.collection_named(change.session, name, lock=True)
        change.session.delete(row)
        change.session.flush()
        change.drop(row.id)
        if name == DEFAULT:
            change.session.add(Collection(name=DEFAULT))
        audit.record(change.session, parts.caller.key_id, "collection.deleted", name)
        ledger.note(change.session, "collections", [row.id])


def _view(session: Session, row: Collection) -> CollectionView:
    return CollectionView(
        row.name,
        row.model_id,
        queries.count_subjects(session, row.id),
        queries.count_templates(session, Template.collection_id == row.id),
        row.created_at,
    )
