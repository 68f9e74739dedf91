"""Who may be there twice."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query

from app import errors
from app.api import cursors
from app.api.access import InCollection
from app.api.bodies import documented, json_only
from app.api.dependencies import RunningNow
from app.api.duplicate_schemas import ApartCreate, MergeCreate, MergedPublic, PairPagePublic, PairPublic
from app.api.problems import problems
from app.api.schemas import Id
from app.service import duplicates, merging

router = APIRouter(tags=["subjects"])

SubjectId = Annotated[Id, Path()]
_KNOWN: Final = (errors.CollectionNotFound, errors.StoreError, errors.Overloaded)
_BODY: Final = (errors.SubjectNotFound, errors.BodyTooLarge, errors.UnsupportedMediaType)


@router.get(
    "/duplicates",
    summary="Who may be there twice",
    responses=problems(*_KNOWN, errors.ModelMismatch, errors.GalleryError, errors.BadCursor),
)
async def list_duplicates(
    running: RunningNow,
    collection: InCollection,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> PairPagePublic:
    """Pairs at or above the threshold of identify, but for those that were told apart. A page looks at some hundred
    templates; a pair may come on two of them."""
    scope = f"duplicates {collection}"
    after = int(cursors.read(running.secret, scope, cursor)) if cursor else 0
    found = await running.pool.run(duplicates.find, running.parts, collection, after)
    return PairPagePublic(
        pairs=[PairPublic.model_validate(one) for one in found.pairs],
        next_cursor=None if found.last is None else cursors.sign(running.secret, scope, str(found.last)),
    )


@router.post(
    "/subjects/{subject_id}/merge",
    summary="Two subjects are one person",
    openapi_extra=documented(MergeCreate, multipart=False, example={"into": "ada"}),
    responses=problems(*_KNOWN, *_BODY, errors.TooManyTemplates, errors.GalleryError),
)
async def merge_subject(
    subject_id: SubjectId,
    running: RunningNow,
    collection: InCollection,
    body: Annotated[MergeCreate, Depends(json_only(MergeCreate))],
) -> MergedPublic:
    """Templates, visits, codes and consents become those of `into`, who keeps name and metadata. This cannot be
    undone."""
    done = await running.pool.run(merging.merge, running.parts, collection, subject_id, body.into)
    return MergedPublic.model_validate(done)


@router.post(
    "/subjects/{subject_id}/apart",
    status_code=204,
    summary="Two subjects are two people",
    openapi_extra=documented(ApartCreate, multipart=False, example={"other_id": "ada"}),
    responses=problems(*_KNOWN, *_BODY),
)
async def tell_apart(
    subject_id: SubjectId,
    running: RunningNow,
    collection: InCollection,
    body: Annotated[ApartCreate, Depends(json_only(ApartCreate))],
) -> None:
    """The pair is not among the duplicates any more."""
    await running.pool.run(duplicates.tell_apart, running.parts, collection, subject_id, body.other_id)
