"""Answers of the service as schemas."""

from __future__ import annotations

from typing import Any

from app.api.attribute_schemas import EstimatedPublic
from app.api.schemas import (
    AcceptedPublic,
    AnalysedFacePublic,
    AnalysedPublic,
    CandidatePublic,
    DuplicatePublic,
    EnrolledPublic,
    FacePublic,
    IdentifiedPublic,
    PosePublic,
    QualityPublic,
    RecognisedPublic,
    RejectedPublic,
    TemplatePublic,
    ThresholdPublic,
    VerifiedPublic,
)
from app.face.faces import Face
from app.service.enrolment import Accepted, Enrolled, Rejected
from app.service.pictures import Seen
from app.service.recognition import Identification, Recognised, Verification
from app.service.subjects import TemplateView


def enrolled(done: Enrolled, request_id: str) -> EnrolledPublic:
    return EnrolledPublic(
        subject_id=done.subject_id,
        created=done.created,
        accepted=[accepted(one) for one in done.accepted],
        rejected=[rejected(one) for one in done.rejected],
        duplicates=[DuplicatePublic.model_validate(one) for one in done.duplicates],
        model_id=done.model_id,
        request_id=request_id,
    )


def accepted(one: Accepted) -> AcceptedPublic:
    return AcceptedPublic(index=one.index, template_id=one.template_id, **_face(one.face), **_estimated(one.face))


def rejected(one: Rejected) -> RejectedPublic:
    return RejectedPublic.model_validate(one)


def identified(found: Identification, request_id: str) -> IdentifiedPublic:
    return IdentifiedPublic(
        faces=[_recognised(one) for one in found.faces],
        threshold=ThresholdPublic.model_validate(found.limit),
        model_id=found.model_id,
        detection_size=found.seen.picture.detection_size,
        timings_ms=found.timings_ms,
        request_id=request_id,
    )


def verified(found: Verification, request_id: str) -> VerifiedPublic:
    return VerifiedPublic(
        match=found.match,
        disputed=found.disputed,
        score=found.score,
        distance=found.distance,
        threshold=ThresholdPublic.model_validate(found.limit),
        template_id=found.template_id,
        face=FacePublic(**_face(found.face)),
        face_b=FacePublic(**_face(found.face_b)) if found.face_b else None,
        model_id=found.model_id,
        timings_ms=found.timings_ms,
        request_id=request_id,
    )


def analysed(
    seen: Seen, faces: tuple[Face, ...], attributes: list[str], model_id: str, request_id: str
) -> AnalysedPublic:
    shown = {"box", "detection_score", *attributes}
    return AnalysedPublic(
        faces=[
            AnalysedFacePublic(
                **{name: value for name, value in _face(face).items() if name in shown}, **_estimated(face)
            )
            for face in faces
        ],
        model_id=model_id,
        detection_size=seen.picture.detection_size,
        timings_ms=seen.timings_ms,
        request_id=request_id,
    )


def template(view: TemplateView) -> TemplatePublic:
    return TemplatePublic.model_validate(view)


def _recognised(one: Recognised) -> RecognisedPublic:
    return RecognisedPublic(
        **_face(one.face),
        **_estimated(one.face),
        candidates=[CandidatePublic.model_validate(candidate) for candidate in one.candidates],
        match=CandidatePublic.model_validate(one.match) if one.match else None,
        decision=one.decision,
        threshold=ThresholdPublic.model_validate(one.limit),
    )


def _estimated(face: Face) -> dict[str, Any]:
    """What estimators said of the face, as its schema: nothing for what was not asked for."""
    return dict(EstimatedPublic.model_validate(face.attributes))


def _face(face: Face) -> dict[str, Any]:
    detection = face.detection
    return {
        "box": tuple(float(side) for side in detection.box),
        "landmarks": [(float(x), float(y)) for x, y in detection.landmarks],
        "detection_score": float(detection.score),
        "pose": PosePublic.model_validate(face.pose),
        "quality": QualityPublic.model_validate(face.quality),
        "spectrum": face.spectrum,
    }
