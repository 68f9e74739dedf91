"""Identify, verify, analyze: whose face is it, is it theirs, what does it look like."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import NoFace
from app.face.faces import Face, Pose
from app.face.spectrum import Asked
from app.gallery.contract import Hit
from app.service.decision import Decision, Limit, Standing, assign, decide, distance, margins, standing
from app.service.fusion import cosines_of_subjects, nearest_of_subjects, reranked
from app.service.parts import Parts
from app.service.pictures import Seen, look_at_one, one_face, these_faces
from app.service.thresholds import CROWD, against_crowd, limit_at, limit_for_fmr, limit_for_search, raised
from app.service.years import is_old
from app.store import queries
from app.store.models import Template
from app.store.visit_queries import Owned, impostors_of, vectors_of_subjects

NEIGHBOURS = 5
"""Subjects found beyond those asked for: by the mean of their templates the order changes a little."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subject; ``score`` is the face's cosine with the mean of its templates, ``template_id`` the nearest of them.

    ``margin`` is the score above the next subject, None for the last.

    ``template_old``: the template's picture is known to be older than the setting allows. ``disputed``: the face is too
    near one that was taken for this subject by mistake (a correction); it is no match.
    """

    subject_id: str
    name: str | None
    score: float
    distance: float
    margin: float | None
    template_id: str
    template_pose: Pose
    template_spectrum: str
    template_captured_at: datetime | None
    template_old: bool
    disputed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Recognised:
    """``limit`` is this face's: that of the search, moved by what is seen of it and by how far it stands out."""

    face: Face
    candidates: tuple[Candidate, ...]
    match: Candidate | None
    decision: Decision
    limit: Limit


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    faces: tuple[Recognised, ...]
    limit: Limit
    model_id: str
    seen: Seen
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """``template_id`` is the nearest template of the subject, None when two pictures were compared. ``disputed``: as in
    ``Candidate``."""

    match: bool
    disputed: bool
    score: float
    distance: float
    limit: Limit
    face: Face
    face_b: Face | None
    template_id: str | None
    model_id: str
    timings_ms: dict[str, float]


def identify(
    parts: Parts,
    image: bytes,
    collection: str = "default",
    top_k: int = 5,
    threshold: float | None = None,
    fpir: float | None = None,
    faces: Literal["all", "largest"] = "all",
    attributes: frozenset[str] = frozenset(),
    spectrum: Asked = "visible",
) -> Identification:
    """Who is in the picture. ``threshold`` (a cosine) wins over ``fpir``; neither: the settings' FPIR.

    Raises ``PictureError``, ``NoFace``, ``TooManyFaces``, ``AttributeUnavailable``, ``SpectrumUnavailable``,
    ``CollectionNotFound``, ``ModelMismatch``, ``GalleryError``.
    """
    parts.index.require_ready()
    with parts.database.reading() as session:
        parts.require_model(queries.collection_named(session, collection))
    seen = look_at_one(parts, image, attributes, spectrum)
    wanted = these_faces(seen.picture, faces, parts.settings.max_faces)
    started = time.perf_counter()
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        subjects = parts.sizes.subjects(session, row)
        limit = limit_for_search(parts, subjects, fpir) if threshold is None else limit_at(parts, threshold, subjects)
        # One more than asked for the last margin, one a face because a subject may be taken by another face.
        probes = np.stack([face.frontalized for face in wanted])
        found = parts.index.search(row.id, probes, max(top_k, len(wanted), CROWD) + 1 + NEIGHBOURS)
        searched = time.perf_counter()
        rows = queries.templates_with_subjects(session, {hit.template for hits in found for hit in hits})
        near = {hit.subject for hits in found for hit in hits}
        owned = vectors_of_subjects(session, near, parts.engine.model_id)
        impostors = impostors_of(session, near, parts.engine.model_id)
    alive = [[hit for hit in hits if hit.template in rows] for hits in found]
    if len(owned.subjects):
        distinct, cosines = cosines_of_subjects(probes, owned.vectors, owned.subjects)
        alive = [
            reranked(hits, dict(zip(distinct.tolist(), own.tolist(), strict=True)))
            for hits, own in zip(alive, cosines, strict=True)
        ]
    # A threshold that the caller names is taken as it is.
    limits = [limit] * len(wanted)
    if threshold is None:
        limits = [
            against_crowd(parts, raised(parts, limit, face), [hit.score for hit in hits])
            for face, hits in zip(wanted, alive, strict=True)
        ]
    stands = _standings(probes, alive, impostors, limits)
    clear = [_clear(hits, own) for hits, own in zip(alive, stands, strict=True)]
    matches = assign(clear, [one.threshold for one in limits])
    recognised = tuple(
        _recognised(face, hits, match, limit, own, rows, top_k, parts.settings.template_age)
        for face, hits, match, limit, own in zip(wanted, alive, matches, limits, stands, strict=True)
    )
    ended = time.perf_counter()
    timings = {**seen.timings_ms, "search": (searched - started) * 1000, "rows": (ended - searched) * 1000}
    return Identification(recognised, limit, parts.engine.model_id, seen, timings)


def verify_subject(
    parts: Parts,
    image: bytes,
    subject_id: str,
    collection: str = "default",
    threshold: float | None = None,
    fmr: float | None = None,
    faces: Literal["single", "largest"] = "single",
    spectrum: Asked = "visible",
) -> Verification:
    """Is the picture of this subject: the mean of its templates counts.

    Raises ``SubjectNotFound`` and what ``identify`` raises, ``MultipleFaces``; ``NoFace`` too for a subject
    without templates.
    """
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        parts.require_model(row)
        subject = queries.subject_of(session, row.id, subject_id).id
        templates = queries.vectors_of(session, subject)
        impostors = impostors_of(session, [subject], parts.engine.model_id)
    if not templates:
        raise NoFace("The subject has no templates", subject_id=subject_id)
    seen = look_at_one(parts, image, spectrum=spectrum)
    face = one_face(seen.picture, faces)
    vectors = np.stack([np.frombuffer(one.frontalized, "<f4") for one in templates])
    _, cosines = cosines_of_subjects(face.frontalized[None], vectors, np.zeros(len(vectors), np.int64))
    nearest = templates[int(np.argmax(vectors @ face.frontalized))].public_id
    mistaken = float(np.max(impostors.vectors @ face.frontalized)) if len(impostors.subjects) else None
    return _verified(parts, float(cosines[0, 0]), threshold, fmr, face, None, nearest, seen.timings_ms, mistaken)


def verify_pictures(
    parts: Parts,
    image: bytes,
    image_b: bytes,
    threshold: float | None = None,
    fmr: float | None = None,
    faces: Literal["single", "largest"] = "single",
    spectrum: Asked = "visible",
) -> Verification:
    """Do two pictures show one person. Raises ``PictureError``, ``FaceError``, ``SpectrumUnavailable``."""
    seen, seen_b = (look_at_one(parts, one, spectrum=spectrum) for one in (image, image_b))
    face, face_b = one_face(seen.picture, faces), one_face(seen_b.picture, faces)
    timings = {stage: ms + seen_b.timings_ms.get(stage, 0.0) for stage, ms in seen.timings_ms.items()}
    return _verified(parts, float(face.frontalized @ face_b.frontalized), threshold, fmr, face, face_b, None, timings)


def analyze(
    parts: Parts, image: bytes, faces: Literal["all", "largest"] = "all", attributes: frozenset[str] = frozenset()
) -> tuple[Seen, tuple[Face, ...]]:
    """The faces of a picture, compared with nobody.

    Raises ``PictureError``, ``NoFace``, ``TooManyFaces``, ``AttributeUnavailable``.
    """
    seen = look_at_one(parts, image, attributes)
    return seen, these_faces(seen.picture, faces, parts.settings.max_faces)


def _standings(
    probes: NDArray[np.float32], found: list[list[Hit]], impostors: Owned, limits: list[Limit]
) -> list[dict[int, Standing]]:
    """For each face, how its likeness with each subject found stands."""
    nearest: list[dict[int, float]] = [{} for _ in found]
    if len(impostors.subjects):
        distinct, cosines = nearest_of_subjects(probes, impostors.vectors, impostors.subjects)
        nearest = [dict(zip(distinct.tolist(), own.tolist(), strict=True)) for own in cosines]
    return [
        {hit.subject: standing(hit.score, own.get(hit.subject), limit.margin) for hit in hits}
        for hits, own, limit in zip(found, nearest, limits, strict=True)
    ]


def _recognised(
    face: Face,
    hits: list[Hit],
    match: Hit | None,
    limit: Limit,
    stands: dict[int, Standing],
    rows: dict[int, Template],
    top_k: int,
    template_age: float,
) -> Recognised:
    shown = [
        _candidate(hit, margin, rows[hit.template], template_age, stands[hit.subject] != "clear")
        for hit, margin in zip(hits, margins(hits), strict=True)
    ]
    matched = shown[hits.index(match)] if match is not None else None
    decision = decide(match, _standing(hits, stands), limit.review)
    return Recognised(face, tuple(shown[:top_k]), matched, decision, limit)


def _clear(hits: list[Hit], stands: dict[int, Standing]) -> list[Hit]:
    # Behind a disputed subject nobody matches: a person decides between the two.
    return list(takewhile(lambda hit: stands[hit.subject] == "clear", _standing(hits, stands)))


def _standing(hits: list[Hit], stands: dict[int, Standing]) -> list[Hit]:
    return [hit for hit in hits if stands[hit.subject] != "out"]


def _candidate(hit: Hit, margin: float | None, row: Template, template_age: float, disputed: bool) -> Candidate:
    return Candidate(
        subject_id=row.subject.public_id,
        name=row.subject.name,
        score=hit.score,
        distance=distance(hit.score),
        margin=margin,
        template_id=row.public_id,
        template_pose=Pose(**row.pose),
        template_spectrum=row.spectrum,
        template_captured_at=row.captured_at,
        template_old=is_old(row, template_age),
        disputed=disputed,
    )


def _verified(
    parts: Parts,
    score: float,
    threshold: float | None,
    fmr: float | None,
    face: Face,
    face_b: Face | None,
    template_id: str | None,
    timings_ms: dict[str, float],
    impostor: float | None = None,
) -> Verification:
    if threshold is None:
        limit = raised(parts, limit_for_fmr(parts, fmr), face, *([face_b] if face_b else []))
    else:
        limit = limit_at(parts, threshold, 1)
    score = min(1.0, max(-1.0, score))
    disputed = standing(score, impostor, limit.margin) != "clear"
    return Verification(
        score >= limit.threshold and not disputed,
        disputed,
        score,
        distance(score),
        limit,
        face,
        face_b,
        template_id,
        parts.engine.model_id,
        timings_ms,
    )
