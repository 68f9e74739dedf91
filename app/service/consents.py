"""Consent: its texts by version, and who agreed to which, when and how."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.errors import ConsentOutdated, ConsentRequired, ConsentTextNotFound
from app.service.door import door_of
from app.service.parts import Parts
from app.store import audit, queries
from app.store.consent_models import Consent, ConsentText
from app.store.models import Collection, Subject, now

How = Literal["kiosk", "staff", "paper"]


@dataclass(frozen=True, slots=True)
class TextView:
    version: int
    texts: dict[str, str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ConsentView:
    version: int
    how: How
    given_by: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """What an enrolment brings: consent to a version, and how it was given."""

    version: int
    how: How


def add_text(parts: Parts, collection: str, texts: dict[str, str]) -> TextView:
    """A new version, which is the one to agree to from now on. Raises ``CollectionNotFound``."""
    with parts.database.writing() as session:
        owner = queries.collection_named(session, collection, lock=True)
        last = _current(session, owner.id)
        row = ConsentText(
            collection_id=owner.id, version=last.version + 1 if last else 1, texts=texts, created_at=now()
        )
        session.add(row)
        session.flush()
        audit.record(session, parts.caller.key_id, "consent.text_added", collection, version=row.version)
        return TextView(row.version, row.texts, row.created_at)


def all_texts(parts: Parts, collection: str) -> list[TextView]:
    """Every version, newest first. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        owner = queries.collection_named(session, collection)
        query = select(ConsentText).where(ConsentText.collection_id == owner.id).order_by(ConsentText.version.desc())
        return [TextView(row.version, row.texts, row.created_at) for row in session.scalars(query)]


def current_text(parts: Parts, collection: str) -> TextView:
    """Raises ``CollectionNotFound``, ``ConsentTextNotFound``."""
    with parts.database.reading() as session:
        row = _current(session, queries.collection_named(session, collection).id)
        if row is None:
            raise ConsentTextNotFound(collection=collection)
        return TextView(row.version, row.texts, row.created_at)


def consents_of(parts: Parts, collection: str, subject_id: str) -> list[ConsentView]:
    """Newest first. Raises ``CollectionNotFound``, ``SubjectNotFound``."""
    with parts.database.reading() as session:
        subject = queries.subject_of(session, queries.collection_named(session, collection).id, subject_id)
        query = select(Consent).options(joinedload(Consent.text)).where(Consent.subject_id == subject.id)
        return [
            ConsentView(row.text.version, row.how, row.given_by, row.given_at)  # type: ignore[arg-type]
            for row in session.scalars(query.order_by(Consent.id.desc()))
        ]


def give(parts: Parts, collection: str, subject_id: str, given: Given) -> ConsentView:
    """Raises ``CollectionNotFound``, ``SubjectNotFound``, ``ConsentTextNotFound``, ``ConsentOutdated``."""
    with parts.database.writing() as session:
        owner = queries.collection_named(session, collection, lock=True)
        row = record(parts, session, queries.subject_of(session, owner.id, subject_id), given)
        told(parts, session, collection, subject_id, given)
        return ConsentView(given.version, given.how, row.given_by, row.given_at)


def record(parts: Parts, session: Session, subject: Subject, given: Given) -> Consent:
    """The same within a transaction that holds the collection's lock."""
    text = _current(session, subject.collection_id)
    if text is None:
        raise ConsentTextNotFound
    if given.version != text.version:
        raise ConsentOutdated(f"The text in force is version {text.version}", version=text.version)
    row = Consent(subject_id=subject.id, text_id=text.id, how=given.how, given_by=parts.caller.key_id, given_at=now())
    session.add(row)
    session.flush()
    return row


def settle(parts: Parts, session: Session, collection: Collection, subject: Subject, given: Given | None) -> None:
    """Before templates are written: record the consent that came, else hold the subject to what stands.

    Raises ``ConsentRequired``, ``ConsentTextNotFound``, ``ConsentOutdated``.
    """
    require(session, collection, subject, given)
    if given is not None:
        record(parts, session, subject, given)


def told(parts: Parts, session: Session, collection: str, subject_id: str, given: Given) -> None:
    """Into the audit log, at the end of the transaction that records the consent."""
    ids = {"subject": subject_id, "version": given.version, "how": given.how}
    audit.record(session, parts.caller.key_id, "consent.given", collection, **ids)


def require(session: Session, collection: Collection, subject: Subject | None, given: Given | None) -> None:
    """Raises ``ConsentRequired`` where the collection asks for consent and neither brought nor stands one."""
    if given is not None or not door_of(collection).consent_required:
        return
    standing = select(Consent.id).where(Consent.subject_id == subject.id).limit(1) if subject is not None else None
    if standing is None or session.scalars(standing).first() is None:
        text = _current(session, collection.id)
        raise ConsentRequired(version=text.version if text else None)


def _current(session: Session, collection: int) -> ConsentText | None:
    query = select(ConsentText).where(ConsentText.collection_id == collection)
    return session.scalars(query.order_by(ConsentText.version.desc()).limit(1)).one_or_none()
