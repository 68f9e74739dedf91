"""Enrol, identify, verify, analyze."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response

from app import errors
from app.api import views
from app.api.attribute_schemas import estimated
from app.api.bodies import documented, form_or_json
from app.api.dependencies import MetricsNow, RequestId, RunningNow
from app.api.problems import problems
from app.api.schemas import (
    AnalysedPublic,
    AnalyzeCreate,
    EnrollCreate,
    EnrolledPublic,
    IdentifiedPublic,
    IdentifyCreate,
    VerifiedPublic,
    VerifyCreate,
)
from app.service import enrolment, recognition
from app.service.consents import Given

router = APIRouter(tags=["recognition"])

_PICTURE: Final = (
    errors.EmptyImage,
    errors.NotAnImage,
    errors.TruncatedImage,
    errors.ImageTooLarge,
    errors.ImageTooSmall,
    errors.AnimatedImage,
    errors.BadBase64,
    errors.BodyTooLarge,
    errors.UnsupportedMediaType,
    errors.Overloaded,
)
_ATTRIBUTES: Final = (errors.UnknownAttribute, errors.AttributeUnavailable)
_SEARCH: Final = (errors.CollectionNotFound, errors.ModelMismatch, errors.GalleryError, errors.StoreError)

_IMAGE: Final = "/9j/4AAQSkZJRgABAQAAAQABAAD..."


def _body(schema: Any, **example: Any) -> dict[str, Any]:
    return documented(schema, example=example)


@router.post(
    "/enroll",
    status_code=201,
    summary="Enrol pictures of one person",
    openapi_extra=_body(EnrollCreate, images=[_IMAGE], subject_id="ada", name="Ada Lovelace", metadata={"team": "A"}),
    responses=problems(
        *_PICTURE,
        *_SEARCH,
        *_ATTRIBUTES,
        errors.AllRejected,
        errors.DuplicateSubject,
        errors.BadMetadata,
        errors.TooManyTemplates,
        errors.ConsentRequired,
        errors.ConsentOutdated,
        errors.ConsentTextNotFound,
        errors.NotSealed,
    ),
)
async def enroll(
    body: Annotated[EnrollCreate, Depends(form_or_json(EnrollCreate))],
    running: RunningNow,
    metrics: MetricsNow,
    request_id: RequestId,
    response: Response,
) -> EnrolledPublic:
    """All pictures that can be used become templates of the subject, in one transaction. The others are named
    in `rejected`; when none can be used nothing is written. The next request finds what was enrolled."""
    fields = {name: getattr(body, name) for name in EnrollCreate.model_fields}
    version, how = fields.pop("consent_version"), fields.pop("consent_how")
    consent = Given(version, how) if version is not None else None
    asked = enrolment.Enrolment(**{**fields, "attributes": estimated(body.attributes), "consent": consent})
    done = await running.pool.run(enrolment.enroll, running.parts, asked)
    metrics.enrolled.inc(len(done.accepted))
    for one in done.rejected:
        metrics.rejected.labels(one.code).inc()
    response.headers["Location"] = f"/subjects/{done.subject_id}?collection={body.collection}"
    return views.enrolled(done, request_id)


@router.post(
    "/identify",
    summary="Whose faces are these",
    openapi_extra=_body(IdentifyCreate, image=_IMAGE, top_k=5),
    responses=problems(*_PICTURE, *_SEARCH, *_ATTRIBUTES, errors.NoFace, errors.TooManyFaces),
)
async def identify(
    body: Annotated[IdentifyCreate, Depends(form_or_json(IdentifyCreate))],
    running: RunningNow,
    metrics: MetricsNow,
    request_id: RequestId,
) -> IdentifiedPublic:
    """Each face with its best subjects and one decision. The threshold is set for the wanted false-positive
    identification rate at the present size of the collection. One subject matches at most one face."""
    found = await running.pool.run(
        recognition.identify,
        running.parts,
        body.image,
        collection=body.collection,
        top_k=body.top_k,
        threshold=body.threshold,
        fpir=body.fpir,
        faces=body.faces,
        spectrum=body.spectrum,
        attributes=estimated(body.attributes),
    )
    metrics.stages(found.timings_ms)
    for face in found.faces:
        metrics.decisions.labels(face.decision).inc()
    return views.identified(found, request_id)


@router.post(
    "/verify",
    summary="Is this that person",
    openapi_extra=_body(VerifyCreate, image=_IMAGE, subject_id="ada"),
    responses=problems(*_PICTURE, *_SEARCH, errors.NoFace, errors.MultipleFaces, errors.SubjectNotFound),
)
async def verify(
    body: Annotated[VerifyCreate, Depends(form_or_json(VerifyCreate))],
    running: RunningNow,
    metrics: MetricsNow,
    request_id: RequestId,
) -> VerifiedPublic:
    """Compare a picture with a subject (`subject_id`) or with another picture (`image_b`)."""
    rule: dict[str, Any] = {
        "threshold": body.threshold,
        "fmr": body.fmr,
        "faces": body.faces,
        "spectrum": body.spectrum,
    }
    if body.subject_id is not None:
        found = await running.pool.run(
            recognition.verify_subject, running.parts, body.image, body.subject_id, body.collection, **rule
        )
    else:
        assert body.image_b is not None  # the schema asks for one of the two
        found = await running.pool.run(recognition.verify_pictures, running.parts, body.image, body.image_b, **rule)
    metrics.stages(found.timings_ms)
    return views.verified(found, request_id)


@router.post(
    "/analyze",
    summary="What do these faces look like",
    openapi_extra=_body(AnalyzeCreate, image=_IMAGE, attributes="pose,quality"),
    responses=problems(*_PICTURE, *_ATTRIBUTES, errors.NoFace, errors.TooManyFaces),
)
async def analyze(
    body: Annotated[AnalyzeCreate, Depends(form_or_json(AnalyzeCreate))],
    running: RunningNow,
    metrics: MetricsNow,
    request_id: RequestId,
) -> AnalysedPublic:
    """Boxes and the attributes asked for. Nothing is compared or kept."""
    seen, faces = await running.pool.run(
        recognition.analyze, running.parts, body.image, body.faces, estimated(body.attributes)
    )
    metrics.stages(seen.timings_ms)
    return views.analysed(seen, faces, list(body.attributes), running.parts.engine.model_id, request_id)
