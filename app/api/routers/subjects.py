"""Subjects and their templates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from app import errors
from app.api import cursors, views
from app.api.access import InCollection
from app.api.bodies import documented, json_only
from app.api.dependencies import RunningNow
from app.api.problems import problems
from app.api.schemas import Id, SubjectDetailPublic, SubjectPagePublic, SubjectPublic, SubjectUpdate, TemplatePublic
from app.service import portraits, subjects

router = APIRouter(prefix="/subjects", tags=["subjects"])

SubjectId = Annotated[Id, Path()]
TemplateId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]

_KNOWN = (errors.CollectionNotFound, errors.SubjectNotFound, errors.StoreError, errors.Overloaded)


@router.get("", summary="List subjects", responses=problems(*_KNOWN, errors.BadCursor))
async def list_subjects(
    running: RunningNow,
    collection: InCollection,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> SubjectPagePublic:
    """In the order of their ids. A cursor is good for its collection only."""
    after = cursors.read(running.secret, collection, cursor) if cursor else ""
    found = await running.pool.run(subjects.list_subjects, running.parts, collection, after, limit + 1)
    page = found[:limit]
    more = len(found) > limit
    return SubjectPagePublic(
        subjects=[SubjectPublic.model_validate(one) for one in page],
        next_cursor=cursors.sign(running.secret, collection, page[-1].subject_id) if more else None,
    )


@router.get("/{subject_id}", summary="Show a subject", responses=problems(*_KNOWN))
async def show_subject(subject_id: SubjectId, running: RunningNow, collection: InCollection) -> SubjectDetailPublic:
    """With its templates, without their vectors."""
    subject, templates = await running.pool.run(subjects.show_subject, running.parts, collection, subject_id)
    return SubjectDetailPublic(
        subject_id=subject.subject_id,
        name=subject.name,
        metadata=subject.metadata,
        templates=[views.template(one) for one in templates],
        created_at=subject.created_at,
        updated_at=subject.updated_at,
    )


@router.patch(
    "/{subject_id}",
    summary="Change a subject",
    openapi_extra=documented(SubjectUpdate, multipart=False, example={"name": "Ada King"}),
    responses=problems(*_KNOWN, errors.BadMetadata, errors.BodyTooLarge, errors.UnsupportedMediaType),
)
async def change_subject(
    subject_id: SubjectId,
    running: RunningNow,
    body: Annotated[SubjectUpdate, Depends(json_only(SubjectUpdate))],
    collection: InCollection,
) -> SubjectPublic:
    """What is left out stays as it is; `metadata` is replaced whole."""
    changes = body.model_dump(exclude_unset=True)
    changed = await running.pool.run(subjects.change_subject, running.parts, collection, subject_id, changes)
    return SubjectPublic.model_validate(changed)


@router.delete(
    "/{subject_id}",
    status_code=204,
    summary="Delete a subject",
    responses=problems(*_KNOWN, errors.GalleryError),
)
async def delete_subject(subject_id: SubjectId, running: RunningNow, collection: InCollection) -> None:
    """With its templates. The next request does not find it."""
    await running.pool.run(subjects.delete_subject, running.parts, collection, subject_id)


@router.get(
    "/{subject_id}/templates/{template_id}",
    summary="Show a template",
    responses=problems(*_KNOWN, errors.TemplateNotFound),
)
async def show_template(
    subject_id: SubjectId, template_id: TemplateId, running: RunningNow, collection: InCollection
) -> TemplatePublic:
    """Without its vectors."""
    found = await running.pool.run(subjects.show_template, running.parts, collection, subject_id, template_id)
    return views.template(found)


@router.get(
    "/{subject_id}/templates/{template_id}/picture",
    summary="The picture of a template",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(*_KNOWN, errors.TemplateNotFound, errors.PictureNotKept),
    },
)
async def show_picture(
    subject_id: SubjectId, template_id: TemplateId, running: RunningNow, collection: InCollection
) -> Response:
    """Where the collection keeps them: a JPEG of the face."""
    found = await running.pool.run(portraits.show, running.parts, collection, subject_id, template_id)
    return Response(found, media_type="image/jpeg")


@router.delete(
    "/{subject_id}/templates/{template_id}",
    status_code=204,
    summary="Delete a template",
    responses=problems(*_KNOWN, errors.TemplateNotFound, errors.GalleryError),
)
async def delete_template(
    subject_id: SubjectId, template_id: TemplateId, running: RunningNow, collection: InCollection
) -> None:
    """The subject stays, even without templates."""
    await running.pool.run(subjects.delete_template, running.parts, collection, subject_id, template_id)
