"""The door and its record over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from annotated_types import Len
from pydantic import Field, StringConstraints, model_validator

from app.api.schemas import Create, Id, Image, Public
from app.face.presentation import Kind
from app.service.decision import Decision
from app.service.door import Way
from app.service.hints import Hint
from app.service.visits import Action

MAX_FRAMES: Final = 8

Code = Annotated[str, StringConstraints(min_length=4, max_length=64, pattern=r"^[\x21-\x7e]+$")]


class VisitCreate(Create):
    """Pictures alone: who is it. Pictures and a `code` or `subject_id`: is it that person. No pictures: `method`."""

    images: Annotated[list[Image], Len(0, MAX_FRAMES)] = Field(
        default=[], description="Up to 8 frames of one person; the largest face of each counts, weighted by quality."
    )
    collection: Id = "default"
    subject_id: Id | None = None
    code: Code | None = Field(default=None, description="A badge or a printed code, instead of `subject_id`.")
    method: Literal["code", "list", "staff"] | None = Field(
        default=None, description="How, without pictures. `staff` needs a key for `visits`."
    )
    direction: Literal["in", "out", "auto"] = Field(
        default="auto", description="`auto`: out for who is in, in for everybody else."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> VisitCreate:
        if self.subject_id is not None and self.code is not None:
            raise ValueError("subject_id and code exclude each other")
        named = self.subject_id is not None or self.code is not None
        if self.images:
            if self.method is not None:
                raise ValueError("method is for a sign-in without pictures")
        elif self.method is None or not named:
            raise ValueError("send images, or a method (code, list, staff) with a code or a subject_id")
        elif (self.method == "code") != (self.code is not None):
            raise ValueError("method=code takes a code, method=list and method=staff a subject_id")
        return self


class CorrectionCreate(Create):
    subject_id: Id | None = Field(default=None, description="Who it was, where that is known.")


class CodeCreate(Create):
    code: Code | None = Field(default=None, description="A badge's number; without one a code is made.")


class CodePublic(Public):
    """Shown this once: only a keyed hash is kept."""

    code: str


class VisitPublic(Public):
    """``decision`` is match for a visit; attempts that matched nobody are kept beside them, without a person.
    ``score`` is a cosine (null without a face), ``frames`` how many counted. ``presented_as``: whether the pictures
    looked real, like a print or like a screen (replay); null where that is not checked. It has no say in the score."""

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


class FramePublic(Public):
    """``weight`` is the frame's share in the score, 0 where ``code`` and ``reason`` say why it does not count."""

    index: int
    weight: float
    code: str | None
    reason: str | None
    hint: Hint | None


class PresentationPublic(Public):
    """What the frames show: shares that add up to 1, and the largest as ``verdict``. It has no say in the score."""

    verdict: Kind
    print: float
    real: float
    replay: float


class SignedInPublic(VisitPublic):
    """``action`` is what the door did: `checked_in`, `checked_out`, `repeated` (a sign-in within the re-entry
    window, answered with the visit that is there), `resumed` (back within the window); null unless somebody
    matched. ``reentry`` is true for the last two. ``replayed``: the idempotency key was used before.
    ``presentation``: null unless the service checks for prints and screens."""

    action: Action | None
    reentry: bool
    replayed: bool
    quality: list[FramePublic]
    presentation: PresentationPublic | None
    timings_ms: dict[str, float]
    request_id: str


class CorrectedPublic(VisitPublic):
    """``impostor``: the face was still kept, and the subject will not be matched to it again."""

    impostor: bool


class VisitCountPublic(Public):
    visits: int


class VisitPagePublic(Public):
    """Newest first. ``next_cursor`` is null on the last page."""

    visits: list[VisitPublic]
    next_cursor: str | None
