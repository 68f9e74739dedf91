"""Two subjects that are one person become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.orm import Session

from app.errors import TooManyTemplates
from app.service import outbox
from app.service.duplicates import two_of
from app.service.parts import Parts
from app.store import audit, ledger, queries
from app.store.consent_models import Consent
from app.store.models import Base, Collection, Subject, Template
from app.store.outbox_models import Event
from app.store.vectors import checked, owned_by
from app.store.visit_models import Impostor, SubjectCode, Visit


@dataclass(frozen=True, slots=True)
class Merged:
    """``subject_id``: who stays. ``templates``: how many moved."""

    subject_id: str
    templates: int


def merge(parts: Parts, collection: str, subject_id: str, into: str) -> Merged:
    """Templates, visits, codes, consents of ``subject_id`` become those of ``into``, who keeps name and metadata;
    ``subject_id`` is gone.

    Raises ``CollectionNotFound``, ``SubjectNotFound``, ``RequestError``, ``TooManyTemplates``: nothing changed. Raises
    ``GalleryError`` with ``written`` true where the rows are changed and the index has to be rebuilt.
    """
    with parts.index.changing() as change:
        session = change.session
        owner = queries.collection_named(session, collection, lock=True)
        change.catch_up(owner)
        goes, stays = two_of(session, owner, subject_id, into)
        _require_room(parts, session, goes, stays)
        owner.change += 1
        vectors = _templates(session, owner, goes, stays, parts.engine.model_id)
        if vectors is not None:
            change.add(vectors)
        _impostors(session, owner, goes, stays)
        for table in (Visit, Consent, SubjectCode, Event):
            session.execute(update(table).where(table.subject_id == goes.id).values(subject_id=stays.id))
        stays.name, stays.details = stays.name or goes.name, {**goes.details, **stays.details}
        row = goes.id
        session.delete(goes)
        session.flush()
        told = {"subject_id": subject_id, "into": into}
        outbox.report(session, owner.id, "subject.merged", told, subject=stays.id)
        number = 0 if vectors is None else len(vectors.templates)
        ids = {"subject": subject_id, "into": into, "templates": number}
        audit.record(session, parts.caller.key_id, "subject.merged", collection, **ids)
        # A backup from before must not bring back what a later erasure of the other would not find.
        ledger.note(session, "subjects", [row])
    return Merged(into, number)


def _require_room(parts: Parts, session: Session, goes: Subject, stays: Subject) -> None:
    held = queries.count_templates(session, Template.subject_id.in_((goes.id, stays.id)))
    if held > parts.settings.max_templates:
        raise TooManyTemplates(
            f"Together they have {held} templates, at most {parts.settings.max_templates} may be",
            limit=parts.settings.max_templates,
        )


def _templates(
    session: Session, owner: Collection, goes: Subject, stays: Subject, model_id: str
) -> queries.Vectors | None:
    """Give them over, sealed for their new owner; answers what the index has to be told."""
    rows = session.execute(
        select(Template.id, Template.model_id, Template.embedding, Template.frontalized)
        .where(Template.subject_id == goes.id)
        .order_by(Template.id)
    ).all()
    _give(session, Base.metadata.tables[Template.__tablename__], owner, goes, stays, rows, {"change": owner.change})
    ours = [row for row in rows if row.model_id == model_id]
    if not ours:
        return None
    return queries.Vectors(
        owner.id,
        np.array([row.id for row in ours], np.int64),
        np.full(len(ours), stays.id, np.int64),
        np.stack([np.frombuffer(row.frontalized, "<f4") for row in ours]),
    )


def _impostors(session: Session, owner: Collection, goes: Subject, stays: Subject) -> None:
    both = (goes.id, stays.id)
    # A face of the one that was taken for the other was no mistake.
    session.execute(delete(Impostor).where(Impostor.subject_id.in_(both), Impostor.true_subject_id.in_(both)))
    session.execute(update(Impostor).where(Impostor.true_subject_id == goes.id).values(true_subject_id=stays.id))
    rows = session.execute(
        select(Impostor.id, Impostor.embedding, Impostor.frontalized).where(Impostor.subject_id == goes.id)
    ).all()
    _give(session, Base.metadata.tables[Impostor.__tablename__], owner, goes, stays, rows, {})


def _give(
    session: Session,
    table: Table,
    owner: Collection,
    goes: Subject,
    stays: Subject,
    rows: Sequence[Any],
    beside: dict[str, int],
) -> None:
    """Rows with an ``id``, an ``embedding`` and a ``frontalized`` one, to ``stays``."""
    if not rows:
        return

    def fresh(vector: bytes) -> bytes:
        return owned_by(checked(vector, owner.id, goes.id), owner.id, stays.id)

    values = [{"row": row.id, "raw": fresh(row.embedding), "frontal": fresh(row.frontalized)} for row in rows]
    statement = update(table).where(table.c.id == bindparam("row"))
    session.connection().execute(
        statement.values(subject_id=stays.id, embedding=bindparam("raw"), frontalized=bindparam("frontal"), **beside),
        values,
    )
