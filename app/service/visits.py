"""Sign in, check out, and the record of it: who was there when, by which way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from app.errors import Forbidden, KeyReused, RequestError, SubjectNotFound
from app.face.presentation import Kind, Presentation
from app.service import matching, outbox
from app.service.attendance import Direction, step
from app.service.codes import digest_of
from app.service.decision import Decision
from app.service.door import Door, Method, Way, door_of
from app.service.parts import Parts
from app.service.probes import Frame, Probe, probe_of
from app.store import queries, visit_queries
from app.store.ids import uuid7
from app.store.models import Collection, Subject, now
from app.store.visit_models import Visit, VisitKey

Action = Literal["checked_in", "checked_out", "repeated", "resumed"]
_ACTIONS: dict[str, Action] = {
    "check_in": "checked_in",
    "check_out": "checked_out",
    "repeat": "repeated",
    "resume": "resumed",
}


@dataclass(frozen=True, slots=True, eq=False)
class SignIn:
    """What is asked. With ``images`` (frames of one person) the face decides: among all (``method`` face), or
    whether it is the one of ``subject_id`` or ``code`` (verify; there a code may be an id, as a visitor types it).
    Without, ``method`` is code, list or staff.

    ``key``: the same request under the same key is answered as the first time and does nothing again.
    """

    images: Sequence[bytes] = ()
    collection: str = "default"
    subject_id: str | None = None
    code: str | None = None
    method: Literal["code", "list", "staff"] | None = None
    direction: Direction = "auto"
    key: str | None = None

    @property
    def way(self) -> Method:
        """Raises ``RequestError`` for what does not fit together."""
        named = (self.subject_id is not None) + (self.code is not None)
        if named > 1:
            raise RequestError("subject_id and code exclude each other")
        if self.images:
            if self.method is not None:
                raise RequestError("method is for a sign-in without pictures")
            return "verify" if named else "face"
        if self.method is None or not named:
            raise RequestError("Send pictures, or a method (code, list, staff) with a code or a subject_id")
        if (self.method == "code") != (self.code is not None):
            raise RequestError("method=code takes a code, method=list and method=staff a subject_id")
        return self.method

    def fingerprint(self) -> str:
        """SHA-256 of everything but the key, hexadecimal."""
        plain = [self.collection, self.subject_id, self.code, self.method, self.direction]
        digests = [hashlib.sha256(image).hexdigest() for image in self.images]
        return hashlib.sha256(json.dumps([plain, digests]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class VisitView:
    """``subject_id`` and ``name`` are None where nobody matched. ``presented_as``: what the pictures looked like, None
    where that was not checked."""

    visit_id: str
    decision: Decision
    method: Way
    subject_id: str | None
    name: str | None
    score: float | None
    threshold: float | None
    frames: int
    presented_as: Kind | None
    created_at: datetime
    checked_in_at: datetime | None
    checked_out_at: datetime | None
    corrected_at: datetime | None
    row: int


@dataclass(frozen=True, slots=True)
class SignedIn:
    """``action`` is None unless somebody matched; ``frames`` is empty in the answer to a repeated key."""

    visit: VisitView
    action: Action | None
    replayed: bool
    frames: tuple[Frame, ...]
    timings_ms: dict[str, float]
    presentation: Presentation | None = None


def sign_in(parts: Parts, asked: SignIn) -> SignedIn:
    """Find or verify who it is, and write it down: one transaction.

    Raises ``CollectionNotFound``, ``ModelMismatch``, ``MethodRefused``, ``Forbidden``, ``SubjectNotFound``,
    ``KeyReused``, ``NoOpenVisit``, ``PictureError``, ``FaceError``, ``GalleryError``: nothing was written.
    """
    way = asked.way
    if way == "staff" and not parts.caller.has("visits"):
        raise Forbidden("A kiosk cannot vouch for anybody", scopes=["visits"])
    with parts.database.reading() as session:
        collection = queries.collection_named(session, asked.collection)
        known = _replay(session, collection, asked)
        if known is not None:
            return known
        door = door_of(collection)
        door.require(way)
        parts.require_model(collection)
    probe = probe_of(parts, asked.images, door.min_quality) if asked.images else None
    with parts.database.writing() as session:
        # The lock makes one of two sign-ins at once the first: of the same key, of the same person, of events.
        collection = queries.collection_named(session, asked.collection, lock=True)
        known = _replay(session, collection, asked)
        if known is not None:
            return known
        return _write(parts, session, collection, door, asked, probe)


def _replay(session: Session, collection: Collection, asked: SignIn) -> SignedIn | None:
    row = answered(session, collection, asked.key, asked.fingerprint())
    return None if row is None else SignedIn(view(row.visit), row.action, True, (), {})  # type: ignore[arg-type]


def answered(session: Session, collection: Collection, key: str | None, fingerprint: str) -> VisitKey | None:
    """What the key was answered with, None for a new one. Raises ``KeyReused``."""
    row = visit_queries.key_of(session, collection.id, key) if key else None
    if row is not None and row.fingerprint != fingerprint:
        raise KeyReused
    return row


def remember(session: Session, visit: Visit, key: str, fingerprint: str, action: Action | None) -> None:
    """Answer the key so from now on."""
    session.add(
        VisitKey(collection_id=visit.collection_id, key=key, fingerprint=fingerprint, visit_id=visit.id, action=action)
    )
    session.flush()


def _write(
    parts: Parts, session: Session, collection: Collection, door: Door, asked: SignIn, probe: Probe | None
) -> SignedIn:
    outcome = None
    subject = _named(parts, session, collection, asked)
    if probe is not None:
        if subject is None:
            outcome = matching.search(parts, session, collection, probe)
            subject = session.get(Subject, outcome.subject) if outcome.subject is not None else None
        else:
            outcome = matching.compare(parts, session, subject, probe)
            subject = subject if outcome.decision == "match" else None
    fresh = Visit(
        public_id=str(uuid7()),
        collection_id=collection.id,
        decision=outcome.decision if outcome is not None else "match",
        method=asked.way,
        score=outcome.score if outcome is not None else None,
        threshold=outcome.limit.threshold if outcome is not None else None,
        frames=sum(1 for frame in probe.frames if frame.weight) if probe is not None else 0,
        presented_as=probe.presentation.verdict if probe is not None and probe.presentation else None,
    )
    action: Action | None = None
    if fresh.decision == "match" and subject is not None:
        if probe is not None and door.correction_hours:
            fresh.probe, fresh.extractor = probe.embedding.astype("<f4").tobytes(), parts.engine.extractor
        visit, action = _attend(session, fresh, subject, asked.direction, timedelta(seconds=door.reentry_seconds))
    else:
        fresh.created_at = fresh.touched_at = now()
        visit = _added(session, fresh)
        if fresh.decision == "review":
            tell(session, "visit.review", visit)
    if asked.key:
        remember(session, visit, asked.key, asked.fingerprint(), action)
    if probe is None:
        return SignedIn(view(visit), action, False, (), {})
    return SignedIn(view(visit), action, False, probe.frames, probe.timings_ms, probe.presentation)


def _named(parts: Parts, session: Session, collection: Collection, asked: SignIn) -> Subject | None:
    if asked.subject_id is not None:
        return queries.subject_of(session, collection.id, asked.subject_id)
    if asked.code is None:
        return None
    subject = visit_queries.subject_with_code(session, collection.id, digest_of(parts, asked.code))
    if subject is None and asked.images:
        # An id is no secret, so it signs nobody in; but the face that comes with it is compared.
        subject = queries.find_subject(session, collection.id, asked.code)
    if subject is None:
        raise SubjectNotFound("No subject has this code")
    return subject


def _attend(
    session: Session, fresh: Visit, subject: Subject, direction: Direction, window: timedelta
) -> tuple[Visit, Action]:
    moment = now()
    last = visit_queries.last_visit(session, subject.id)
    is_open = last is not None and last.checked_out_at is None
    taken = step(direction, moment, window, is_open, last.touched_at if last else None)
    if last is None or taken == "check_in":
        if last is not None and is_open:
            _end(session, last, moment)
        return _begun(session, fresh, subject, moment), "checked_in"
    if last.presented_as in (None, "real"):
        last.presented_as = fresh.presented_as or last.presented_as
    if taken == "check_out":
        _end(session, last, moment)
    elif taken == "resume":
        last.checked_out_at, last.touched_at = None, moment
        tell(session, "visit.checked_in", last)
    return last, _ACTIONS[taken]


def first_visit(session: Session, subject: Subject) -> Visit:
    """Of somebody who registered just now."""
    fresh = Visit(
        public_id=str(uuid7()),
        collection_id=subject.collection_id,
        decision="match",
        method="registration",
        frames=0,
    )
    return _begun(session, fresh, subject, now())


def _begun(session: Session, fresh: Visit, subject: Subject, moment: datetime) -> Visit:
    fresh.subject = subject
    fresh.created_at = fresh.checked_in_at = fresh.touched_at = moment
    visit = _added(session, fresh)
    tell(session, "visit.checked_in", visit)
    return visit


def _end(session: Session, visit: Visit, moment: datetime) -> None:
    # Nobody leaves before they came, even where the clock was put back meanwhile.
    visit.checked_out_at = max(moment, visit.checked_in_at or moment)
    visit.touched_at = moment
    tell(session, "visit.checked_out", visit)


def _added(session: Session, visit: Visit) -> Visit:
    session.add(visit)
    session.flush()
    return visit


def tell(session: Session, kind: outbox.Kind, visit: Visit) -> None:
    """Report what became of a visit."""
    shown = {name: value for name, value in asdict(view(visit)).items() if name != "row"}
    outbox.report(session, visit.collection_id, kind, outbox.plain(shown), subject=visit.subject_id, visit=visit.id)


def list_visits(
    parts: Parts, collection: str, filters: visit_queries.Filters, before: int | None, limit: int
) -> list[VisitView]:
    """The next ``limit`` visits, newest first, older than row ``before``. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        return [view(one) for one in visit_queries.visits_before(session, row.id, filters, before, limit)]


def count_visits(parts: Parts, collection: str, filters: visit_queries.Filters) -> int:
    """How many ``list_visits`` would name on all its pages. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        return visit_queries.count_visits(session, row.id, filters)


def show_visit(parts: Parts, collection: str, visit_id: str) -> VisitView:
    """Raises ``CollectionNotFound``, ``VisitNotFound``."""
    with parts.database.reading() as session:
        return view(visit_queries.visit_of(session, queries.collection_named(session, collection).id, visit_id))


def view(row: Visit) -> VisitView:
    """A visit without its vector."""
    return VisitView(
        row.public_id,
        row.decision,  # type: ignore[arg-type]
        row.method,  # type: ignore[arg-type]
        row.subject.public_id if row.subject else None,
        row.subject.name if row.subject else None,
        row.score,
        row.threshold,
        row.frames,
        row.presented_as,  # type: ignore[arg-type]
        row.created_at,
        row.checked_in_at,
        row.checked_out_at,
        row.corrected_at,
        row.id,
    )
