"""Badges and printed codes: kept as keyed hashes, shown once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import CodeTaken
from app.service.parts import Parts
from app.store import audit, ledger, queries, visit_queries
from app.store.models import Subject
from app.store.secret import data_secret
from app.store.visit_models import SubjectCode

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing that looks like something else
_LENGTH: Final = 12


def digest_of(parts: Parts, code: str) -> str:
    """HMAC-SHA256 with the secret of the data folder: a stolen database does not tell the codes."""
    return hmac.new(data_secret(parts.settings.data_dir), b"code\0" + code.encode(), hashlib.sha256).hexdigest()


def give_code(parts: Parts, collection: str, subject_id: str, code: str | None = None) -> str:
    """A code that stands for the subject from now on, beside those it has; made here unless given.

    Raises ``CollectionNotFound``, ``SubjectNotFound``, ``CodeTaken``.
    """
    with parts.database.writing() as session:
        owner = queries.collection_named(session, collection, lock=True)
        given = add_code(parts, session, queries.subject_of(session, owner.id, subject_id), code)
        audit.record(session, parts.caller.key_id, "code.given", collection, subject=subject_id)
        return given


def add_code(parts: Parts, session: Session, subject: Subject, code: str | None = None) -> str:
    """The same within a transaction that holds the collection's lock. Raises ``CodeTaken``."""
    fresh = code or "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    digest = digest_of(parts, fresh)
    owner = visit_queries.subject_with_code(session, subject.collection_id, digest)
    if owner is not None and owner.id != subject.id:
        raise CodeTaken
    if owner is None:
        session.add(SubjectCode(collection_id=subject.collection_id, subject_id=subject.id, digest=digest))
        session.flush()
    return fresh


def forget_codes(parts: Parts, collection: str, subject_id: str) -> None:
    """All codes of the subject. Raises ``CollectionNotFound``, ``SubjectNotFound``."""
    with parts.database.writing() as session:
        owner = queries.collection_named(session, collection, lock=True)
        subject = queries.subject_of(session, owner.id, subject_id)
        gone = list(session.scalars(select(SubjectCode.id).where(SubjectCode.subject_id == subject.id)))
        session.execute(delete(SubjectCode).where(SubjectCode.id.in_(gone)))
        audit.record(session, parts.caller.key_id, "codes.removed", collection, subject=subject_id)
        ledger.note(session, "subject_codes", gone)
