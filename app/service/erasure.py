"""Erase a subject everywhere, with a receipt; and prove that they are gone."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, exists, func, or_, select, text
from sqlalchemy.orm import Session

from app.errors import ReceiptNotFound
from app.service import outbox
from app.service.parts import Parts
from app.store import audit, ledger, queries
from app.store.consent_models import Consent
from app.store.erasure_models import Receipt
from app.store.ids import uuid7
from app.store.models import Collection, Subject, Template, now
from app.store.outbox_models import Event
from app.store.picture_models import KeptPicture
from app.store.secret import data_secret
from app.store.visit_models import Impostor, SubjectCode, Visit

Reason = Literal["asked", "withdrawn", "retention"]


@dataclass(frozen=True, slots=True)
class ReceiptView:
    receipt_id: str
    collection: str
    reason: Reason
    counts: dict[str, int]
    erased_at: datetime


def hashed(parts: Parts, collection: str, subject_id: str) -> str:
    """What a receipt calls the subject: it can be checked against an id, and tells none."""
    told = f"receipt\0{collection}\0{subject_id}".encode()
    return hmac.new(data_secret(parts.settings.data_dir), told, hashlib.sha256).hexdigest()


def erase(parts: Parts, collection: str, subject_id: str, reason: Reason = "asked") -> ReceiptView:
    """Rows, index, snapshot, events not yet told. Webhooks are told the subject's id, so that they erase, too.

    Raises ``CollectionNotFound``, ``SubjectNotFound``; ``GalleryError`` with ``written`` true where the rows are
    gone and the index has to be rebuilt.
    """
    with parts.index.changing() as change:
        session = change.session
        owner = queries.collection_named(session, collection, lock=True)
        subject = queries.subject_of(session, owner.id, subject_id)
        counts = _counts(session, subject.id)
        gone = queries.forget_templates(session, owner, Template.subject_id == subject.id)
        session.delete(subject)
        session.flush()
        receipt = Receipt(
            public_id=str(uuid7()),
            collection=collection,
            subject=hashed(parts, collection, subject_id),
            reason=reason,
            counts=counts,
            templates=gone,
            erased_at=now(),
        )
        session.add(receipt)
        told = {"subject_id": subject_id, "receipt_id": receipt.public_id}
        outbox.report(session, owner.id, "subject.erased", told)
        change.remove(owner.id, gone)
        # The receipt, not the subject's id: the log keeps for ever what it is told.
        ids = {"receipt": receipt.public_id, "reason": reason, "templates": len(gone)}
        audit.record(session, parts.caller.key_id, "subject.erased", collection, **ids)
        ledger.note(session, "subjects", [subject.id], receipt)
    parts.index.save()
    if parts.database.is_sqlite:
        # Pages of the log that hold what was deleted; secure_delete sees to those of the file.
        with parts.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return _view(receipt)


def verify(parts: Parts, what: str, collection: str = "default") -> list[str]:
    """What is left of a subject (by id) or of whom a receipt (by id) is of: empty where nothing is.

    Looks at every table that holds what belongs to subjects, the index and the snapshot file. Raises
    ``ReceiptNotFound`` where ``what`` is neither a subject that was erased nor a receipt.
    """
    with parts.database.reading() as session:
        mark = hashed(parts, collection, what)
        known = or_(Receipt.public_id == what, (Receipt.subject == mark) & (Receipt.collection == collection))
        receipts = list(session.scalars(select(Receipt).where(known)))
        if not receipts:
            raise ReceiptNotFound(f"Nothing was erased under {what!r}")
        found: list[str] = []
        for receipt in receipts:
            found += _left(parts, session, receipt)
        return found + _ownerless(session)


def _left(parts: Parts, session: Session, receipt: Receipt) -> list[str]:
    found = []
    owner = session.scalars(select(Collection).where(Collection.name == receipt.collection)).one_or_none()
    if owner is not None:
        ids = session.scalars(select(Subject.public_id).where(Subject.collection_id == owner.id))
        if any(hashed(parts, receipt.collection, one) == receipt.subject for one in ids):
            found.append("the subject has a row: enrolled again, or put back by a restore")
    templates = set(receipt.templates)
    if templates & set(session.scalars(select(Template.id).where(Template.id.in_(templates)))):
        found.append("templates have rows")
    if session.scalar(select(exists().where(KeptPicture.template_id.in_(templates)))):
        found.append("pictures have rows")
    for place, held in (("the index", parts.index.templates()), ("the snapshot file", parts.index.saved_templates())):
        if templates & held:
            found.append(f"{place} holds templates")
    return found


def _ownerless(session: Session) -> list[str]:
    """What belongs to a subject without a row. The database's own constraints should leave nothing; this looks."""
    owners = {
        "visits": (Visit.subject_id,),
        "consents": (Consent.subject_id,),
        "codes": (SubjectCode.subject_id,),
        "impostors": (Impostor.subject_id, Impostor.true_subject_id),
        "events": (Event.subject_id,),
        "templates": (Template.subject_id,),
    }
    lost = {
        name: any(
            session.scalar(select(exists().where(column.is_not(None), column.not_in(select(Subject.id)))))
            for column in columns
        )
        for name, columns in owners.items()
    }
    return [f"{name} of a subject without a row" for name, found in lost.items() if found]


def _counts(session: Session, subject: int) -> dict[str, int]:
    tables: dict[str, ColumnElement[bool]] = {
        "templates": Template.subject_id == subject,
        "pictures": KeptPicture.template_id.in_(select(Template.id).where(Template.subject_id == subject)),
        "visits": Visit.subject_id == subject,
        "consents": Consent.subject_id == subject,
        "codes": SubjectCode.subject_id == subject,
        "impostors": or_(Impostor.subject_id == subject, Impostor.true_subject_id == subject),
        "events": Event.subject_id == subject,
    }
    return {name: session.scalar(select(func.count()).where(where)) or 0 for name, where in tables.items()}


def _view(row: Receipt) -> ReceiptView:
    return ReceiptView(row.public_id, row.collection, row.reason, row.counts, row.erased_at)  # type: ignore[arg-type]
