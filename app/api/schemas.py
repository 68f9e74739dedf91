"""What goes over the wire. ``XCreate`` comes in, ``XPublic`` goes out."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from annotated_types import Len
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import from_json

from app.api.attribute_schemas import ALWAYS, Estimated, EstimatedPublic, Listed, unasked
from app.errors import BadBase64, BadMetadata
from app.face.faces import Spectrum
from app.face.spectrum import Asked
from app.service.decision import Decision

MAX_METADATA_BYTES: Final = 16_384
MAX_METADATA_DEPTH: Final = 8
MAX_IMAGES: Final = 20


def _image(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BadBase64 from error


def _metadata(value: object) -> object:
    """JSON that any database keeps: an object, shallow, small, no NaN, no NUL, no half of a surrogate pair."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = from_json(value)
        except ValueError as error:
            raise BadMetadata("The metadata is not JSON") from error
    if not isinstance(value, dict):
        raise BadMetadata("The metadata is not a JSON object")
    if _depth(value) > MAX_METADATA_DEPTH:
        raise BadMetadata(f"The metadata is nested deeper than {MAX_METADATA_DEPTH}", limit=MAX_METADATA_DEPTH)
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except ValueError as error:
        raise BadMetadata("The metadata holds NaN, infinity or half a character") from error
    if size > MAX_METADATA_BYTES:
        raise BadMetadata(f"The metadata has {size} bytes, at most {MAX_METADATA_BYTES}", limit=MAX_METADATA_BYTES)
    if "\\u0000" in json.dumps(value):
        raise BadMetadata("The metadata holds a NUL character")
    return value


def _depth(value: object) -> int:
    depth, layer = 0, [value]
    while layer and depth <= MAX_METADATA_DEPTH:
        depth += 1
        layer = [
            inner
            for one in layer
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(inner, dict | list)
        ]
    return depth


def _no_dots(value: str) -> str:
    if value in {".", ".."}:
        raise ValueError("must not be . or ..: no address would reach it")
    return value


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$"), AfterValidator(_no_dots)]
Name = Annotated[str, StringConstraints(max_length=200, pattern="^[^\x00-\x1f\x7f]*$")]
Metadata = Annotated[dict[str, Any], BeforeValidator(_metadata)]
Image = Annotated[
    bytes,
    BeforeValidator(_image),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}),
]
Cosine = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
When = AwareDatetime | Literal["exif"] | None

_LIGHT: Final[Any] = Field(
    default="visible",
    description="What the picture was taken in. `auto` takes a face without colour for infrared, grey photographs too.",
)


class Create(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EnrollCreate(Create):
    images: Annotated[list[Image], Len(1, MAX_IMAGES)] = Field(description="1 to 20 pictures of one person.")
    subject_id: Id | None = Field(default=None, description="Yours; without one a new subject gets one of ours.")
    name: Name | None = None
    metadata: Metadata | None = Field(default=None, description="A JSON object, kept as it is.")
    collection: Id = "default"
    faces: Literal["single", "largest"] = Field(
        default="single", description="`largest` takes the largest face of a picture instead of refusing several."
    )
    duplicates: Literal["allow", "report", "refuse"] = Field(
        default="report", description="When a face already belongs to another subject."
    )
    attributes: Estimated = Field(default_factory=list)
    consent_version: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Of the consent text in force, where the subject agreed to it."
    )
    spectrum: Asked = _LIGHT
    captured_at: When = Field(
        default=None, description="When the pictures were taken; `exif`: what each picture's camera wrote, if it did."
    )
    consent_how: Literal["staff", "paper"] = Field(default="staff", description="How the consent was given.")


class IdentifyCreate(Create):
    image: Image
    collection: Id = "default"
    top_k: int = Field(default=5, ge=1, le=100, description="Subjects a face, by the mean of their templates.")
    threshold: Cosine | None = Field(default=None, description="A cosine of your own instead of `fpir`.")
    fpir: Rate | None = Field(default=None, description="Wanted false-positive identification rate.")
    faces: Literal["all", "largest"] = "all"
    spectrum: Asked = _LIGHT
    attributes: Estimated = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_rule(self) -> IdentifyCreate:
        if self.threshold is not None and self.fpir is not None:
            raise ValueError("threshold and fpir exclude each other")
        return self


class VerifyCreate(Create):
    image: Image
    image_b: Image | None = Field(default=None, description="The other picture; or name a `subject_id`.")
    subject_id: Id | None = None
    collection: Id = "default"
    threshold: Cosine | None = Field(default=None, description="A cosine of your own instead of `fmr`.")
    fmr: Rate | None = Field(default=None, description="Wanted false match rate.")
    faces: Literal["single", "largest"] = "single"
    spectrum: Asked = _LIGHT

    @model_validator(mode="after")
    def _one_other(self) -> VerifyCreate:
        if (self.image_b is None) == (self.subject_id is None):
            raise ValueError("send either image_b or subject_id")
        if self.threshold is not None and self.fmr is not None:
            raise ValueError("threshold and fmr exclude each other")
        return self


class AnalyzeCreate(Create):
    image: Image
    faces: Literal["all", "largest"] = "all"
    attributes: Listed = Field(default_factory=lambda: list(ALWAYS))


class SubjectUpdate(Create):
    """What is left out stays; ``metadata`` is replaced whole."""

    name: Name | None = None
    metadata: Metadata = Field(default_factory=dict)


class CollectionCreate(Create):
    name: Id


class Public(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PosePublic(Public):
    """Degrees. yaw > 0: the subject looks to their own left (image right)."""

    yaw: float
    pitch: float
    roll: float


class QualityPublic(Public):
    """0 (useless) to 100 (ideal); ``overall`` is the weakest. ``inter_eye`` in pixels."""

    overall: float
    sharpness: float
    brightness: float
    contrast: float
    size: float
    inter_eye: float


class FacePublic(Public):
    """Pixels of the picture after EXIF orientation. ``landmarks``: eyes, nose, mouth corners, x y each."""

    box: tuple[float, float, float, float]
    landmarks: list[tuple[float, float]]
    detection_score: float
    pose: PosePublic
    quality: QualityPublic
    spectrum: Spectrum


class ThresholdPublic(Public):
    """What scores were held against: cosines, inclusive. ``fmr`` is the false match rate of one comparison,
    ``fpir`` that of a search among ``subjects``. ``extrapolated``: rarer than what was measured.
    ``raised``: how much stricter than for a bare face, because less of this one is seen. ``contrast``: how much
    stricter because this face resembles everybody in the collection more than a face usually does; below 0 laxer.
    """

    threshold: float
    review: float
    fpir: float
    fmr: float
    subjects: int
    extrapolated: bool
    raised: float
    contrast: float


class AcceptedPublic(FacePublic, EstimatedPublic):
    index: int
    template_id: str


class RejectedPublic(Public):
    """``hint``: what the person can do about it, one of a few words."""

    index: int
    code: str
    reason: str
    hint: str


class DuplicatePublic(Public):
    index: int
    subject_id: str
    score: float


class EnrolledPublic(Public):
    subject_id: str
    created: bool
    accepted: list[AcceptedPublic]
    rejected: list[RejectedPublic]
    duplicates: list[DuplicatePublic]
    model_id: str
    request_id: str


class CandidatePublic(Public):
    """``score`` is the cosine with the mean of the subject's templates, not a probability. ``margin``: how far above
    the next subject. ``template_id``: the nearest template. ``template_old``: its picture is known to be older than
    FRONTALIS_TEMPLATE_AGE. ``disputed``: the face is too near one that was taken for this subject by mistake, which a
    correction of a visit told; such a candidate is no match."""

    subject_id: str
    name: str | None
    score: float
    distance: float
    margin: float | None
    template_id: str
    template_pose: PosePublic
    template_spectrum: Spectrum
    template_captured_at: datetime | None
    template_old: bool
    disputed: bool


class RecognisedPublic(FacePublic, EstimatedPublic):
    """``threshold`` is this face's: that of the search, moved by what is seen of it and how far it stands out."""

    candidates: list[CandidatePublic]
    match: CandidatePublic | None
    decision: Decision
    threshold: ThresholdPublic


class IdentifiedPublic(Public):
    faces: list[RecognisedPublic]
    threshold: ThresholdPublic
    model_id: str
    detection_size: tuple[int, int]
    timings_ms: dict[str, float]
    request_id: str


class VerifiedPublic(Public):
    """``template_id`` is the subject's nearest template, null when two pictures were compared. ``disputed``: the face
    is too near one that was taken for this subject by mistake; it does not match."""

    match: bool
    disputed: bool
    score: float
    distance: float
    threshold: ThresholdPublic
    template_id: str | None
    face: FacePublic
    face_b: FacePublic | None
    model_id: str
    timings_ms: dict[str, float]
    request_id: str


class AnalysedFacePublic(EstimatedPublic):
    box: tuple[float, float, float, float]
    detection_score: float
    landmarks: list[tuple[float, float]] | None = Field(default=None, exclude_if=unasked)
    pose: PosePublic | None = Field(default=None, exclude_if=unasked)
    quality: QualityPublic | None = Field(default=None, exclude_if=unasked)


class AnalysedPublic(Public):
    faces: list[AnalysedFacePublic]
    model_id: str
    detection_size: tuple[int, int]
    timings_ms: dict[str, float]
    request_id: str


class TemplatePublic(FacePublic):
    template_id: str
    model_id: str
    detector: str
    captured_at: datetime | None
    picture: bool
    created_at: datetime


class SubjectPublic(Public):
    subject_id: str
    name: str | None
    metadata: dict[str, Any]
    templates: int
    created_at: datetime
    updated_at: datetime


class SubjectDetailPublic(Public):
    subject_id: str
    name: str | None
    metadata: dict[str, Any]
    templates: list[TemplatePublic]
    created_at: datetime
    updated_at: datetime


class SubjectPagePublic(Public):
    """``next_cursor`` is null on the last page."""

    subjects: list[SubjectPublic]
    next_cursor: str | None


class CollectionPublic(Public):
    """``model_id`` is null until the first template pins it."""

    name: str
    model_id: str | None
    subjects: int
    templates: int
    created_at: datetime


class CollectionListPublic(Public):
    collections: list[CollectionPublic]


class HealthPublic(Public):
    status: Literal["ok"] = "ok"


class ReadyPublic(Public):
    """``attributes``: the estimators that may be asked for by name."""

    status: Literal["ready"] = "ready"
    model_id: str
    attributes: list[str]
