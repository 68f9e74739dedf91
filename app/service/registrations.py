"""Self-registration: consent, what the venue asks, pictures and the first visit, in one transaction."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import BadFields, ConsentRequired, DuplicateSubject
from app.service import outbox
from app.service.consents import Given
from app.service.door import RegistrationField, door_of
from app.service.enrolment import Accepted, Enrolment, Rejected, enroll
from app.service.parts import Parts
from app.service.visits import VisitView, answered, first_visit, remember, view
from app.store import queries
from app.store.models import Collection, Subject
from app.store.visit_models import Visit

_PATTERNS = {
    "email": re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}"),
    "phone": re.compile(r"\+?[0-9][0-9 ()/.-]{2,30}"),
    "number": re.compile(r"-?[0-9]{1,15}([.,][0-9]{1,6})?"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """``fields``: answers by the names that the venue defined."""

    images: Sequence[bytes]
    name: str
    collection: str = "default"
    fields: dict[str, Any] | None = None
    consent_version: int | None = None
    key: str | None = None

    def fingerprint(self) -> str:
        """SHA-256 of everything but the key, hexadecimal."""
        plain = ["registration", self.collection, self.name, self.fields, self.consent_version]
        digests = [hashlib.sha256(image).hexdigest() for image in self.images]
        return hashlib.sha256(json.dumps([plain, digests], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Registered:
    """``accepted`` and ``rejected`` are empty in the answer to a repeated key."""

    visit: VisitView
    accepted: tuple[Accepted, ...]
    rejected: tuple[Rejected, ...]
    replayed: bool


def register(parts: Parts, asked: Registration) -> Registered:
    """A new subject who is signed in. Somebody who is there already is not enrolled a second time.

    Raises ``ConsentRequired``, ``ConsentTextNotFound``, ``ConsentOutdated``, ``BadFields``, ``AllRejected``,
    ``DuplicateSubject`` (which does not say of whom), ``KeyReused`` and what ``enroll`` raises.
    """
    with parts.database.reading() as session:
        collection = queries.collection_named(session, asked.collection)
        known = _replay(session, collection, asked)
        if known is not None:
            return known
        door = door_of(collection)
    if door.consent_required and asked.consent_version is None:
        raise ConsentRequired
    answers = checked(door.fields, asked.fields or {})
    made: list[Visit] = []

    def sign_in(session: Session, subject: Subject) -> None:
        told = {"subject_id": subject.public_id}
        outbox.report(session, subject.collection_id, "subject.registered", told, subject=subject.id)
        visit = first_visit(session, subject)
        if asked.key:
            remember(session, visit, asked.key, asked.fingerprint(), "checked_in")
        made.append(visit)

    consent = None if asked.consent_version is None else Given(asked.consent_version, "kiosk")
    wanted = Enrolment(
        asked.images,
        asked.collection,
        name=asked.name,
        metadata=answers,
        faces="largest",
        duplicates="refuse",
        consent=consent,
        one_person=True,
    )
    try:
        done = enroll(parts, wanted, also=sign_in)
    except (DuplicateSubject, IntegrityError) as refusal:
        # The same request may have been faster on another connection.
        with parts.database.reading() as session:
            known = _replay(session, queries.collection_named(session, asked.collection), asked)
        if known is not None:
            return known
        if isinstance(refusal, DuplicateSubject):
            raise DuplicateSubject from None
        raise
    return Registered(view(made[0]), done.accepted, done.rejected, False)


def _replay(session: Session, collection: Collection, asked: Registration) -> Registered | None:
    row = answered(session, collection, asked.key, asked.fingerprint())
    return None if row is None else Registered(view(row.visit), (), (), True)


def checked(fields: Sequence[RegistrationField], answers: dict[str, Any]) -> dict[str, Any]:
    """The answers to ``fields``, those left empty left out. Raises ``BadFields``, which names every flaw."""
    flaws = {name: "unknown" for name in answers if name not in {field.name for field in fields}}
    kept: dict[str, Any] = {}
    for field in fields:
        answer = answers.get(field.name)
        if answer in (None, "", False):
            if field.required:
                flaws[field.name] = "required"
        elif not _fits(field, answer):
            flaws[field.name] = field.kind
        else:
            kept[field.name] = answer
    if flaws:
        raise BadFields("; ".join(f"{name}: {flaw}" for name, flaw in flaws.items()), fields=flaws)
    return kept


def _fits(field: RegistrationField, answer: Any) -> bool:
    if field.kind == "checkbox":
        return answer is True
    if not isinstance(answer, str) or len(answer) > 200 or any(ord(sign) < 32 or ord(sign) == 127 for sign in answer):
        return False
    if field.kind == "choice":
        return answer in field.options
    if field.kind == "date":
        return _is_date(answer)
    pattern = _PATTERNS.get(field.kind)
    return pattern is None or pattern.fullmatch(answer) is not None


def _is_date(answer: str) -> bool:
    try:
        date.fromisoformat(answer)
    except ValueError:
        return False
    return len(answer) == 10
