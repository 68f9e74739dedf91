"""One probe against a collection (1:N) or one subject (1:1), with the impostor pairs taken into account."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from app.errors import NoFace
from app.service import fusion
from app.service.decision import Decision, Limit, standing
from app.service.parts import Parts
from app.service.probes import Probe
from app.service.thresholds import CROWD, against_crowd, limit_for_fmr, limit_for_search, raised
from app.store import visit_queries
from app.store.models import Collection, Subject


@dataclass(frozen=True, slots=True)
class Outcome:
    """``subject`` (row id) is who matched; ``score`` the best score that counted, None where nobody is enrolled."""

    decision: Decision
    subject: int | None
    score: float | None
    limit: Limit


def search(parts: Parts, session: Session, collection: Collection, probe: Probe) -> Outcome:
    """Whose face is it. Raises ``GalleryError``."""
    limit = raised(parts, limit_for_search(parts, parts.sizes.subjects(session, collection)), *probe.faces)
    found = parts.index.search(collection.id, probe.vectors, CROWD)
    candidates = {hit.subject for hits in found for hit in hits}
    scores = _scores(visit_queries.vectors_of_subjects(session, candidates, parts.engine.model_id), probe)
    return _judge(parts, session, scores, probe, against_crowd(parts, limit, sorted(scores.values(), reverse=True)))


def compare(parts: Parts, session: Session, subject: Subject, probe: Probe) -> Outcome:
    """Is it this subject's face. Raises ``NoFace`` for a subject without templates."""
    limit = raised(parts, limit_for_fmr(parts), *probe.faces)
    scores = _scores(visit_queries.vectors_of_subjects(session, {subject.id}, parts.engine.model_id), probe)
    outcome = _judge(parts, session, scores, probe, limit)
    if outcome.score is None:
        raise NoFace("The subject has no templates", subject_id=subject.public_id)
    return outcome


def _judge(parts: Parts, session: Session, scores: dict[int, float], probe: Probe, limit: Limit) -> Outcome:
    if not scores:
        return Outcome("no_match", None, None, limit)
    owned = visit_queries.impostors_of(session, set(scores), parts.engine.model_id)
    return decide(scores, _nearest(owned, probe), limit)


def decide(scores: dict[int, float], impostors: dict[int, float], limit: Limit) -> Outcome:
    """Fused scores by subject, and the probe's fused scores with faces once taken for that subject by mistake.

    Who is ``out`` (``decision.standing``) is neither match nor review, who is ``disputed`` at best for review. Ties:
    the smaller row id.
    """
    stands = {one: standing(score, impostors.get(one), limit.margin) for one, score in scores.items()}
    alive = {one: score for one, score in scores.items() if stands[one] != "out"}
    if not alive:
        return Outcome("no_match", None, max(scores.values()), limit)
    best = min(alive, key=lambda one: (-alive[one], one))
    score = alive[best]
    if score >= limit.threshold and stands[best] == "clear":
        return Outcome("match", best, score, limit)
    return Outcome("review" if score >= limit.review else "no_match", None, score, limit)


def _scores(owned: visit_queries.Owned, probe: Probe) -> dict[int, float]:
    if not len(owned.subjects):
        return {}
    subjects, cosines = fusion.cosines_of_subjects(probe.vectors, owned.vectors, owned.subjects)
    return dict(zip(subjects.tolist(), fusion.fuse(cosines, probe.weights).tolist(), strict=True))


def _nearest(owned: visit_queries.Owned, probe: Probe) -> dict[int, float]:
    if not len(owned.subjects):
        return {}
    # The fused score of a vector is its product with the weighted frames.
    fused = probe.weights @ probe.vectors.astype(np.float64)
    subjects, nearest = fusion.nearest_of_subjects(fused[None], owned.vectors, owned.subjects)
    return dict(zip(subjects.tolist(), nearest[0].tolist(), strict=True))
