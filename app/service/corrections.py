"""Corrections, "that was not this person": the record is put right, the face kept as an impostor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import NotCorrectable, RequestError
from app.service.parts import Parts
from app.service.visits import VisitView, tell, view
from app.store import audit, queries, visit_queries
from app.store.models import Subject, now
from app.store.vectors import owned_by
from app.store.visit_models import Impostor, Visit


@dataclass(frozen=True, slots=True)
class Corrected:
    """``impostor``: the face was still there and is kept as an impostor of who was wrongly matched."""

    visit: VisitView
    impostor: bool


def correct(parts: Parts, collection: str, visit_id: str, right: str | None = None) -> Corrected:
    """The visit becomes that of ``right`` (a subject's id), else of nobody.

    From then on the rule of ``matching.decide`` holds for who was wrongly matched: a probe at least as close to
    this face as to the subject's own templates is not matched to the subject, one that is closer by less than
    the margin is for review. Without the face (its hours are over, or the sign-in had none) only the record
    changes. Raises ``CollectionNotFound``, ``VisitNotFound``, ``SubjectNotFound``, ``NotCorrectable``.
    """
    with parts.database.writing() as session:
        owner = queries.collection_named(session, collection, lock=True)
        visit = visit_queries.visit_of(session, owner.id, visit_id, lock=True)
        wrong = visit.subject
        if visit.decision != "match" or wrong is None:
            raise NotCorrectable(visit_id=visit_id)
        true = queries.subject_of(session, owner.id, right) if right is not None else None
        if true is not None and true.id == wrong.id:
            raise RequestError("subject_id is who the visit is of already")
        kept = _keep(parts, session, visit, wrong, true)
        visit.subject, visit.corrected_at = true, now()
        visit.probe = visit.extractor = visit.score = None
        if true is None:
            visit.decision = "no_match"
            visit.checked_out_at = visit.checked_out_at or visit.corrected_at
        else:
            visit.method = "staff"
        session.flush()
        tell(session, "visit.corrected", visit)
        ids = {"visit": visit_id, "wrong": wrong.public_id, "right": right}
        audit.record(session, parts.caller.key_id, "visit.corrected", collection, **ids)
        return Corrected(view(visit), kept)


def _keep(parts: Parts, session: Session, visit: Visit, wrong: Subject, true: Subject | None) -> bool:
    # A vector of another extractor cannot be compared with anything any more.
    if visit.probe is None or visit.extractor != parts.engine.extractor:
        return False
    raw = np.frombuffer(visit.probe, "<f4")
    session.add(
        Impostor(
            collection_id=visit.collection_id,
            subject_id=wrong.id,
            true_subject_id=true.id if true is not None else None,
            embedding=owned_by(visit.probe, visit.collection_id, wrong.id),
            frontalized=owned_by(
                parts.engine.frontalize(raw[None])[0].astype("<f4").tobytes(), visit.collection_id, wrong.id
            ),
            model_id=parts.engine.model_id,
            extractor=parts.engine.extractor,
        )
    )
    return True
