"""Enrol: pictures of one person become templates, all in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from sqlalchemy.orm import Session

from app.errors import AllRejected, DuplicateSubject, FaceError, OtherFace, PictureError, TooManyTemplates
from app.face.faces import Face
from app.face.spectrum import Asked
from app.service import consents, portraits, years
from app.service.consents import Given
from app.service.door import door_of
from app.service.hints import Hint, hint_for
from app.service.one_person import others
from app.service.parts import Parts
from app.service.pictures import Seen, look, one_face, require_quality, require_uncovered
from app.service.thresholds import limit_for_fpir
from app.service.years import When
from app.store import audit, queries
from app.store.ids import uuid7
from app.store.models import Collection, Subject, Template
from app.store.vectors import owned_by


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """What is asked. ``subject_id`` None: a new subject with an id of ours.

    ``duplicates``: what to do when a face already belongs to another subject. ``one_person``: pictures that show
    somebody else than the best of them are rejected. ``captured_at``: when the pictures were taken, or to be read
    from each.
    """

    images: Sequence[bytes]
    collection: str = "default"
    subject_id: str | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None
    faces: Literal["single", "largest"] = "single"
    duplicates: Literal["allow", "report", "refuse"] = "report"
    consent: Given | None = None
    one_person: bool = False
    attributes: frozenset[str] = frozenset()
    spectrum: Asked = "visible"
    captured_at: When = None


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    index: int
    template_id: str
    face: Face


@dataclass(frozen=True, slots=True)
class Rejected:
    index: int
    code: str
    reason: str
    hint: Hint = "try_again"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Picture ``index`` resembles another subject at or above the threshold of identify."""

    index: int
    subject_id: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    subject_id: str
    created: bool
    accepted: tuple[Accepted, ...]
    rejected: tuple[Rejected, ...]
    duplicates: tuple[Duplicate, ...]
    model_id: str


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    index: int
    seen: Seen
    face: Face


def enroll(parts: Parts, asked: Enrolment, also: Callable[[Session, Subject], None] | None = None) -> Enrolled:
    """Add templates. Found by the next identify once this returns. ``also`` writes more in the same transaction.

    Raises ``CollectionNotFound``, ``ModelMismatch``, ``ConsentRequired``, ``ConsentTextNotFound``,
    ``ConsentOutdated``, ``AllRejected`` (with each reason), ``DuplicateSubject``, ``TooManyTemplates``,
    ``AttributeUnavailable``, ``NotSealed``: nothing was written. Raises ``GalleryError`` with ``written``
    true when it was. ``captured_at`` in the future is a ``RequestError``; see ``SpectrumUnavailable`` too.
    """
    years.require_past(asked.captured_at)
    parts.index.require_ready()
    with parts.database.reading() as session:
        collection = _usable(parts, session, asked.collection, lock=False)
        known = queries.find_subject(session, collection.id, asked.subject_id) if asked.subject_id else None
        consents.require(session, collection, known, asked.consent)
    candidates, rejected = _judge(parts, asked)
    if not candidates:
        raise AllRejected(rejected=[asdict(one) for one in rejected])
    with parts.index.changing() as change:
        collection = _usable(parts, change.session, asked.collection, lock=True)
        change.catch_up(collection)  # so that what another process enrolled a moment ago is a duplicate, too
        duplicates = _duplicates(parts, change.session, collection, asked, candidates)
        subject, created = _subject(change.session, collection, asked)
        consents.settle(parts, change.session, collection, subject, asked.consent)
        _require_room(parts, change.session, subject, len(candidates))
        collection.change += 1
        collection.model_id = parts.engine.model_id
        rows = [_row(parts, collection, subject, asked, one) for one in candidates]
        change.session.add_all(rows)
        change.session.flush()
        if door_of(collection).keep_pictures:
            portraits.require_keys(parts)
            for row, one in zip(rows, candidates, strict=True):
                portraits.keep(parts, change.session, row, asked.images[one.index], one.face)
        change.add(
            queries.Vectors(
                collection.id,
                np.array([row.id for row in rows], np.int64),
                np.full(len(rows), subject.id, np.int64),
                np.stack([one.face.frontalized for one in candidates]).astype(np.float32),
            )
        )
        if also is not None:
            also(change.session, subject)
        if asked.consent is not None:
            consents.told(parts, change.session, asked.collection, subject.public_id, asked.consent)
        who, names = parts.caller.key_id, [row.public_id for row in rows]
        audit.record(
            change.session, who, "subject.enrolled", asked.collection, subject=subject.public_id, templates=names
        )
    accepted = tuple(Accepted(one.index, row.public_id, one.face) for one, row in zip(candidates, rows, strict=True))
    return Enrolled(subject.public_id, created, accepted, tuple(rejected), duplicates, parts.engine.model_id)


def _usable(parts: Parts, session: Session, name: str, lock: bool) -> Collection:
    collection = queries.collection_named(session, name, lock)
    # An emptied collection may be pinned anew.
    if queries.count_templates(session, Template.collection_id == collection.id):
        parts.require_model(collection)
    return collection


def _judge(parts: Parts, asked: Enrolment) -> tuple[list[_Candidate], list[Rejected]]:
    candidates: list[_Candidate] = []
    rejected: list[Rejected] = []
    for index, seen in enumerate(look(parts, asked.images, asked.attributes, asked.spectrum)):
        try:
            if isinstance(seen, Exception):
                raise seen
            face = one_face(seen.picture, asked.faces)
            require_quality(face, parts.settings.min_quality)
            require_uncovered(face, parts.settings.max_covered)
            candidates.append(_Candidate(index, seen, face))
        except (PictureError, FaceError) as refusal:
            rejected.append(_rejected(index, refusal))
    if asked.one_person:
        foreign = others(parts, {one.index: one.face for one in candidates})
        candidates = [one for one in candidates if one.index not in foreign]
        rejected = sorted([*rejected, *(_rejected(index, OtherFace()) for index in foreign)], key=lambda one: one.index)
    return candidates, rejected


def _rejected(index: int, refusal: PictureError | FaceError) -> Rejected:
    return Rejected(index, refusal.code, refusal.detail, hint_for(refusal))


def _duplicates(
    parts: Parts, session: Session, collection: Collection, asked: Enrolment, candidates: list[_Candidate]
) -> tuple[Duplicate, ...]:
    if asked.duplicates == "allow":
        return ()
    limit = limit_for_fpir(parts, queries.count_subjects(session, collection.id))
    found = parts.index.search(collection.id, np.stack([one.face.frontalized for one in candidates]), 2)
    close = [[hit for hit in hits if hit.score >= limit.threshold] for hits in found]
    rows = queries.templates_with_subjects(session, {hit.template for hits in close for hit in hits})
    duplicates = []
    for one, hits in zip(candidates, close, strict=True):
        others = [hit for hit in hits if hit.template in rows]
        for hit in others:
            subject_id = rows[hit.template].subject.public_id
            if subject_id != asked.subject_id:
                duplicates.append(Duplicate(one.index, subject_id, hit.score))
                break
    if duplicates and asked.duplicates == "refuse":
        raise DuplicateSubject(
            f"Picture {duplicates[0].index} resembles subject {duplicates[0].subject_id!r}",
            duplicates=[asdict(one) for one in duplicates],
        )
    return tuple(duplicates)


def _subject(session: Session, collection: Collection, asked: Enrolment) -> tuple[Subject, bool]:
    known = queries.find_subject(session, collection.id, asked.subject_id) if asked.subject_id else None
    subject = known or Subject(collection_id=collection.id, public_id=asked.subject_id or str(uuid7()), details={})
    if asked.name is not None:
        subject.name = asked.name
    if asked.metadata is not None:
        subject.details = asked.metadata
    session.add(subject)
    session.flush()
    return subject, known is None


def _require_room(parts: Parts, session: Session, subject: Subject, more: int) -> None:
    held = queries.count_templates(session, Template.subject_id == subject.id)
    if held + more > parts.settings.max_templates:
        raise TooManyTemplates(
            f"The subject has {held} templates, {more} more would be over {parts.settings.max_templates}",
            limit=parts.settings.max_templates,
        )


def _row(parts: Parts, collection: Collection, subject: Subject, asked: Enrolment, one: _Candidate) -> Template:
    face = one.face
    return Template(
        public_id=str(uuid7()),
        collection_id=collection.id,
        subject_id=subject.id,
        change=collection.change,
        embedding=owned_by(face.embedding.astype("<f4").tobytes(), collection.id, subject.id),
        frontalized=owned_by(face.frontalized.astype("<f4").tobytes(), collection.id, subject.id),
        pose=asdict(face.pose),
        quality=asdict(face.quality),
        box=[float(value) for value in face.detection.box],
        landmarks=[[float(x), float(y)] for x, y in face.detection.landmarks],
        detection_score=float(face.detection.score),
        model_id=parts.engine.model_id,
        extractor=parts.engine.extractor,
        detector=parts.engine.detector,
        digest=one.seen.digest,
        spectrum=face.spectrum,
        captured_at=years.taken_at(asked.captured_at, asked.images[one.index]),
    )
