"""Consent: texts by version, who gave it; and registration at the door, which needs it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from app import errors
from app.api import views
from app.api.access import InCollection
from app.api.bodies import documented, form_or_json, json_only
from app.api.consent_schemas import (
    ConsentCreate,
    ConsentListPublic,
    ConsentNowPublic,
    ConsentPublic,
    ConsentTextCreate,
    ConsentTextListPublic,
    ConsentTextPublic,
    Language,
    RegisteredPublic,
    RegistrationCreate,
)
from app.api.dependencies import MetricsNow, RequestId, RunningNow
from app.api.problems import problems
from app.api.routers.visits import IdempotencyKey
from app.api.schemas import Id
from app.api.visit_schemas import VisitPublic
from app.service import consents, registrations

router = APIRouter(tags=["consent"])

_KNOWN: Final = (errors.CollectionNotFound, errors.StoreError, errors.Overloaded)
_SUBJECT: Final = (*_KNOWN, errors.SubjectNotFound)
_BODY: Final = (errors.BodyTooLarge, errors.UnsupportedMediaType)
SubjectId = Annotated[Id, Path()]


@router.get("/consent", summary="The consent text in force", responses=problems(*_KNOWN, errors.ConsentTextNotFound))
async def show_consent_text(
    running: RunningNow,
    collection: InCollection,
    language: Annotated[
        Language | None, Query(description="`en`, `zh`, ...; without one, or unknown: the first.")
    ] = None,
) -> ConsentNowPublic:
    """What a visitor is shown before they register."""
    text = await running.pool.run(consents.current_text, running.parts, collection)
    shown = language if language in text.texts else next(iter(text.texts))
    return ConsentNowPublic(
        version=text.version,
        language=shown,
        languages=list(text.texts),
        text=text.texts[shown],
        created_at=text.created_at,
    )


@router.get("/consent/texts", summary="Every version of the consent text", responses=problems(*_KNOWN))
async def list_consent_texts(running: RunningNow, collection: InCollection) -> ConsentTextListPublic:
    """Newest first."""
    found = await running.pool.run(consents.all_texts, running.parts, collection)
    return ConsentTextListPublic(texts=[ConsentTextPublic.model_validate(one) for one in found])


@router.post(
    "/consent/texts",
    status_code=201,
    summary="Put a new consent text in force",
    openapi_extra=documented(
        ConsentTextCreate, multipart=False, example={"texts": {"en": "I agree that ...", "zh": "我同意……"}}
    ),
    responses=problems(*_KNOWN, *_BODY),
)
async def create_consent_text(
    running: RunningNow, body: Annotated[ConsentTextCreate, Depends(json_only(ConsentTextCreate))]
) -> ConsentTextPublic:
    """The next version. Who agreed to an earlier one stays enrolled; who enrols from now on agrees to this one."""
    made = await running.pool.run(consents.add_text, running.parts, body.collection, dict(body.texts))
    return ConsentTextPublic.model_validate(made)


@router.get("/subjects/{subject_id}/consent", summary="What a subject agreed to", responses=problems(*_SUBJECT))
async def list_consents(subject_id: SubjectId, running: RunningNow, collection: InCollection) -> ConsentListPublic:
    """Which text, when, how and by which key; newest first."""
    found = await running.pool.run(consents.consents_of, running.parts, collection, subject_id)
    return ConsentListPublic(consents=[ConsentPublic.model_validate(one) for one in found])


@router.post(
    "/subjects/{subject_id}/consent",
    status_code=201,
    summary="Write down a subject's consent",
    openapi_extra=documented(ConsentCreate, multipart=False, example={"version": 1, "how": "paper"}),
    responses=problems(*_SUBJECT, *_BODY, errors.ConsentTextNotFound, errors.ConsentOutdated),
)
async def create_consent(
    subject_id: SubjectId,
    running: RunningNow,
    collection: InCollection,
    body: Annotated[ConsentCreate, Depends(json_only(ConsentCreate))],
) -> ConsentPublic:
    """To the text in force, given otherwise than at the kiosk."""
    given = consents.Given(body.version, body.how)
    return ConsentPublic.model_validate(
        await running.pool.run(consents.give, running.parts, collection, subject_id, given)
    )


@router.post(
    "/registrations",
    status_code=201,
    summary="Register at the door",
    openapi_extra=documented(
        RegistrationCreate,
        example={"images": ["/9j/4AAQSkZJRgABAQAAAQABAAD..."], "name": "Ada Lovelace", "consent_version": 1},
    ),
    responses=problems(
        *_KNOWN,
        *_BODY,
        errors.BadBase64,
        errors.BadMetadata,
        errors.BadFields,
        errors.AllRejected,
        errors.ConsentRequired,
        errors.ConsentOutdated,
        errors.ConsentTextNotFound,
        errors.DuplicateSubject,
        errors.KeyReused,
        errors.ModelMismatch,
        errors.GalleryError,
    ),
)
async def create_registration(
    body: Annotated[RegistrationCreate, Depends(form_or_json(RegistrationCreate))],
    running: RunningNow,
    metrics: MetricsNow,
    request_id: RequestId,
    response: Response,
    key: IdempotencyKey = None,
) -> RegisteredPublic:
    """Consent, name, the venue's fields, pictures and the first visit in one transaction. Pictures that cannot be
    used are named with a plain hint; when none can be used nothing is written."""
    asked = registrations.Registration(
        **{name: getattr(body, name) for name in RegistrationCreate.model_fields}, key=key
    )
    done = await running.pool.run(registrations.register, running.parts, asked)
    metrics.enrolled.inc(len(done.accepted))
    for one in done.rejected:
        metrics.rejected.labels(one.code).inc()
    assert done.visit.subject_id is not None  # a registration's visit is somebody's
    response.headers["Location"] = f"/subjects/{done.visit.subject_id}?collection={body.collection}"
    return RegisteredPublic(
        subject_id=done.visit.subject_id,
        name=done.visit.name,
        visit=VisitPublic.model_validate(done.visit),
        accepted=[views.accepted(one) for one in done.accepted],
        rejected=[views.rejected(one) for one in done.rejected],
        replayed=done.replayed,
        request_id=request_id,
    )
