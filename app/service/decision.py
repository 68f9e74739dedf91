"""Scores to one decision. Pure: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from app.gallery.contract import Hit

Decision = Literal["match", "review", "no_match"]

Standing = Literal["clear", "disputed", "out"]


@dataclass(frozen=True, slots=True)
class Limit:
    """What scores were held against, told in full.

    ``threshold`` and ``review`` are cosines, both inclusive. ``fmr`` is the false match rate of one
    comparison, ``fpir`` that of a search among ``subjects``; where the caller named the threshold they are
    what it amounts to. ``extrapolated``: the table of the model ends before this rate, so it is a careful guess.
    ``raised``: by how much both cosines lie above those of a bare face, because less of this one is seen.
    ``contrast``: by how much they moved because this face resembles everybody more than a face usually does, or less.
    """

    threshold: float
    review: float
    fpir: float
    fmr: float
    subjects: int
    extrapolated: bool
    raised: float = 0.0
    contrast: float = 0.0

    @property
    def margin(self) -> float:
        """Between the two thresholds."""
        return self.threshold - self.review


def distance(score: float) -> float:
    """Euclidean distance of two unit vectors of this cosine: sqrt(2 - 2 score), 0..2."""
    return math.sqrt(max(0.0, 2.0 - 2.0 * score))


def assign(faces: Sequence[Sequence[Hit]], thresholds: Sequence[float]) -> list[Hit | None]:
    """Who each face of one picture is: the best pairs at or above the face's threshold first, each subject once.

    Two faces of a picture are two people: a subject goes to the face that resembles it most, the other
    face may still have its next candidate. Ties go to the earlier face, then to the smaller subject.
    """
    pairs = [
        (-hit.score, face, hit.subject, hit)
        for face, (hits, threshold) in enumerate(zip(faces, thresholds, strict=True))
        for hit in hits
        if hit.score >= threshold
    ]
    matched: list[Hit | None] = [None] * len(faces)
    taken: set[int] = set()
    for _, face, subject, hit in sorted(pairs, key=lambda pair: pair[:3]):
        if matched[face] is None and subject not in taken:
            matched[face] = hit
            taken.add(subject)
    return matched


def decide(match: Hit | None, hits: Sequence[Hit], review: float) -> Decision:
    """``match`` if there is one; ``review`` if the best score is at or above ``review``; else ``no_match``.

    A face whose only likeness went to another face of the picture is for review: a twin, or a poster.
    """
    if match is not None:
        return "match"
    return "review" if hits and hits[0].score >= review else "no_match"


def standing(score: float, impostor: float | None, margin: float) -> Standing:
    """What corrections leave of a likeness: ``score`` with a subject, ``impostor`` with the nearest face that was once
    taken for that subject by mistake, both cosines.

    ``out``, neither match nor review, for a face at least as close to the impostor as to the subject's own templates;
    ``disputed``, at best for review, for one that is closer to the subject by less than ``margin``. That is the
    distance of the thresholds of match and review, so it means the same for every model: the subject must beat its
    impostor by what tenfold (``review_factor``) fewer false matches cost.
    """
    if impostor is None or (score >= impostor + margin and score > impostor):
        return "clear"
    return "disputed" if score > impostor else "out"


def margins(hits: Sequence[Hit]) -> list[float | None]:
    """How far each hit lies above the next subject; None for the last."""
    return [here.score - after.score for here, after in pairwise(hits)] + [None] * bool(hits)
