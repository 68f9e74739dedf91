"""A new frontalizer for templates that are there: from their raw embeddings, without pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from app.service.parts import Parts
from app.store import audit, queries
from app.store.models import Base, Collection, Template
from app.store.vectors import checked, owned_by
from app.store.visit_models import Impostor

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Reindexed:
    """``refused``: collections that another extractor enrolled; they stay as they are."""

    templates: int
    changed: int
    refused: tuple[str, ...]
    model_id: str


def reindex(parts: Parts) -> Reindexed:
    """Bring every collection to the running model, each in one transaction, and rebuild the index.

    Raises ``StoreError``, ``GalleryError``.
    """
    changed, refused = 0, []
    with parts.database.reading() as session:
        names = [row.name for row in queries.all_collections(session)]
    for name in names:
        with parts.database.writing() as session:
            collection = queries.collection_named(session, name, lock=True)
            others = (Template.collection_id == collection.id) & (Template.extractor != parts.engine.extractor)
            if queries.count_templates(session, others):
                refused.append(name)
            else:
                changed += _bring(parts, session, collection)
                audit.record(session, parts.caller.key_id, "collection.reindexed", name, model=parts.engine.model_id)
    return Reindexed(parts.index.rebuild(), changed, tuple(refused), parts.engine.model_id)


def _bring(parts: Parts, session: Session, collection: Collection) -> int:
    if collection.model_id is not None:
        collection.model_id = parts.engine.model_id
    collection.change += 1
    # Faces taken for somebody by mistake are compared as templates are, so they come along.
    tables = Base.metadata.tables
    _frontalize(parts, session, collection, tables[Impostor.__tablename__], {})
    return _frontalize(parts, session, collection, tables[Template.__tablename__], {"change": collection.change})


def _frontalize(parts: Parts, session: Session, collection: Collection, table: Table, beside: dict[str, int]) -> int:
    """Anew from the raw embeddings, for each row of the collection that another model made."""
    own, engine = table.c, parts.engine
    old = (own.collection_id == collection.id) & (own.extractor == engine.extractor) & (own.model_id != engine.model_id)
    changed = 0
    # Rows already brought no longer match, so each batch is the next one.
    while rows := session.execute(select(own.id, own.subject_id, own.embedding).where(old).limit(BATCH)).all():
        raw = np.stack([np.frombuffer(checked(row.embedding, collection.id, row.subject_id), "<f4") for row in rows])
        frontal = engine.frontalize(raw).astype("<f4")
        values = [
            {"row": row.id, "vector": owned_by(vector.tobytes(), collection.id, row.subject_id)}
            for row, vector in zip(rows, frontal, strict=True)
        ]
        statement = update(table).where(own.id == bindparam("row"))
        session.connection().execute(
            statement.values(frontalized=bindparam("vector"), model_id=engine.model_id, **beside), values
        )
        changed += len(rows)
    return changed
