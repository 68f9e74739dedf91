"""The door: sign in, check out, the record, corrections, codes."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from io import StringIO
from typing import Annotated, Any, Final, Literal
from unicodedata import normalize

from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.responses import StreamingResponse

from app import errors
from app.api import cursors
from app.api.access import InCollection
from app.api.bodies import documented, form_or_json, json_only
from app.api.dependencies import MetricsNow, RequestId, Running, RunningNow
from app.api.problems import problems
from app.api.schemas import Id
from app.api.visit_schemas import (
    CodeCreate,
    CodePublic,
    CorrectedPublic,
    CorrectionCreate,
    FramePublic,
    PresentationPublic,
    SignedInPublic,
    VisitCountPublic,
    VisitCreate,
    VisitPagePublic,
    VisitPublic,
)
from app.service import codes, corrections, visits
from app.service.door import Way
from app.store.visit_queries import Filters

router = APIRouter(tags=["visits"])

VisitId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,64}$",
        description="One of your own for each sign-in. Sent again after a lost answer, it is answered as the first "
        "time and signs nobody in twice. Kept for a week.",
    ),
]
_IMAGE: Final = "/9j/4AAQSkZJRgABAQAAAQABAAD..."
_COLUMNS: Final = (
    "visit_id",
    "subject_id",
    "name",
    "decision",
    "method",
    "score",
    "frames",
    "presented_as",
    "created_at",
    "checked_in_at",
    "checked_out_at",
    "corrected_at",
)
_PAGE: Final = 500
_KNOWN: Final = (errors.CollectionNotFound, errors.StoreError, errors.Overloaded)


def _filters(
    subject_id: Annotated[Id | None, Query()] = None,
    since: Annotated[datetime | None, Query(description="Made at or after.")] = None,
    until: Annotated[datetime | None, Query(description="Made before.")] = None,
    decision: Annotated[
        Literal["match", "review", "no_match", "any"], Query(description="`match`: visits; else attempts.")
    ] = "match",
    method: Annotated[Way | None, Query()] = None,
    open: Annotated[bool | None, Query(description="true: who is in; false: who has left.")] = None,
) -> Filters:
    for moment in (since, until):
        if moment is not None and moment.tzinfo is None:
            raise errors.RequestError("since and until need a time zone: 2026-01-31T09:00:00Z")
    return Filters(subject_id, since, until, None if decision == "any" else decision, method, open)


Filtered = Annotated[Filters, Depends(_filters)]


@router.post(
    "/visits",
    summary="Sign somebody in or out",
    openapi_extra=documented(VisitCreate, example={"images": [_IMAGE], "direction": "auto"}),
    responses=problems(
        errors.EmptyImage,
        errors.NotAnImage,
        errors.TruncatedImage,
        errors.ImageTooLarge,
        errors.ImageTooSmall,
        errors.AnimatedImage,
        errors.BadBase64,
        errors.BodyTooLarge,
        errors.UnsupportedMediaType,
        errors.NoFace,
        errors.LowQuality,
        errors.PresentationAttack,
        errors.ModelMismatch,
        errors.GalleryError,
        errors.SubjectNotFound,
        errors.MethodRefused,
        errors.Forbidden,
        errors.KeyReused,
        errors.NoOpenVisit,
        *_KNOWN,
    ),
)
async def create_visit(
    body: Annotated[VisitCreate, Depends(form_or_json(VisitCreate))],
    running: RunningNow,
    metrics: MetricsNow,
    request_id: RequestId,
    key: IdempotencyKey = None,
) -> SignedInPublic:
    """Identify or verify, and the event, in one transaction. Several frames give one score a subject: the mean of
    the frames' cosines, weighted by their quality. Refusals write nothing."""
    asked = visits.SignIn(**{name: getattr(body, name) for name in VisitCreate.model_fields}, key=key)
    done = await running.pool.run(visits.sign_in, running.parts, asked)
    metrics.stages(done.timings_ms)
    if body.images and not done.replayed:
        metrics.decisions.labels(done.visit.decision).inc()
    return SignedInPublic(
        **_visit(done.visit),
        action=done.action,
        reentry=done.action in ("repeated", "resumed"),
        replayed=done.replayed,
        quality=[FramePublic.model_validate(frame) for frame in done.frames],
        presentation=PresentationPublic.model_validate(done.presentation) if done.presentation else None,
        timings_ms=done.timings_ms,
        request_id=request_id,
    )


@router.get("/visits", summary="List visits", responses=problems(*_KNOWN, errors.BadCursor))
async def list_visits(
    running: RunningNow,
    collection: InCollection,
    filters: Filtered,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> VisitPagePublic:
    """Newest first. A cursor is good for the same collection and filters only."""
    scope = _scope(collection, filters)
    before = int(cursors.read(running.secret, scope, cursor)) if cursor else None
    found = await running.pool.run(visits.list_visits, running.parts, collection, filters, before, limit + 1)
    page, more = found[:limit], len(found) > limit
    return VisitPagePublic(
        visits=[VisitPublic.model_validate(one) for one in page],
        next_cursor=cursors.sign(running.secret, scope, str(page[-1].row)) if more else None,
    )


@router.get(
    "/visits.csv",
    summary="List visits as a table",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **problems(*_KNOWN)},
)
async def export_visits(running: RunningNow, collection: InCollection, filters: Filtered) -> StreamingResponse:
    """All that the filters leave, newest first, as CSV (UTF-8). A cell that a spreadsheet would run as a formula
    begins with an apostrophe."""
    # The first page before the first byte: a refusal is still a problem then.
    first = await running.pool.run(visits.list_visits, running.parts, collection, filters, None, _PAGE)
    return StreamingResponse(
        _table(running, collection, filters, first),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="visits.csv"'},
    )


@router.get("/visits/count", summary="How many visits", responses=problems(*_KNOWN))
async def count_visits(running: RunningNow, collection: InCollection, filters: Filtered) -> VisitCountPublic:
    """With the filters of the list."""
    found = await running.pool.run(visits.count_visits, running.parts, collection, filters)
    return VisitCountPublic(visits=found)


@router.get("/visits/{visit_id}", summary="Show a visit", responses=problems(*_KNOWN, errors.VisitNotFound))
async def show_visit(visit_id: VisitId, running: RunningNow, collection: InCollection) -> VisitPublic:
    """One visit, or one attempt."""
    return VisitPublic.model_validate(await running.pool.run(visits.show_visit, running.parts, collection, visit_id))


@router.post(
    "/visits/{visit_id}/correct",
    summary="That was not this person",
    openapi_extra=documented(CorrectionCreate, multipart=False, example={"subject_id": "bob"}),
    responses=problems(
        *_KNOWN,
        errors.VisitNotFound,
        errors.SubjectNotFound,
        errors.NotCorrectable,
        errors.BodyTooLarge,
        errors.UnsupportedMediaType,
    ),
)
async def correct_visit(
    visit_id: VisitId,
    running: RunningNow,
    collection: InCollection,
    body: Annotated[CorrectionCreate, Depends(json_only(CorrectionCreate))],
) -> CorrectedPublic:
    """The visit becomes that of `subject_id`, or of nobody. The face is kept as an impostor of who was wrongly
    matched: a probe at least as close to it as to the subject's own templates is no longer matched to the subject,
    one within the margin between the thresholds of match and review is for review."""
    done = await running.pool.run(corrections.correct, running.parts, collection, visit_id, body.subject_id)
    return CorrectedPublic(**_visit(done.visit), impostor=done.impostor)


@router.post(
    "/subjects/{subject_id}/codes",
    status_code=201,
    summary="Give a subject a code",
    openapi_extra=documented(CodeCreate, multipart=False, example={}),
    responses=problems(
        *_KNOWN, errors.SubjectNotFound, errors.CodeTaken, errors.BodyTooLarge, errors.UnsupportedMediaType
    ),
)
async def create_code(
    subject_id: Annotated[Id, Path()],
    running: RunningNow,
    collection: InCollection,
    body: Annotated[CodeCreate, Depends(json_only(CodeCreate))],
) -> CodePublic:
    """For a badge or a card: it names the subject at the door, beside the codes there are."""
    given = await running.pool.run(codes.give_code, running.parts, collection, subject_id, body.code)
    return CodePublic(code=given)


@router.delete(
    "/subjects/{subject_id}/codes",
    status_code=204,
    summary="Take a subject's codes away",
    responses=problems(*_KNOWN, errors.SubjectNotFound),
)
async def delete_codes(subject_id: Annotated[Id, Path()], running: RunningNow, collection: InCollection) -> None:
    """All of them, at once."""
    await running.pool.run(codes.forget_codes, running.parts, collection, subject_id)


def _visit(view: visits.VisitView) -> dict[str, Any]:
    return VisitPublic.model_validate(view).model_dump()


def _scope(collection: str, filters: Filters) -> str:
    # Hashed, because filters may be long; the cursor need not tell them.
    plain = json.dumps([collection, str(filters)])
    return "visits " + hashlib.sha256(plain.encode()).hexdigest()


async def _table(
    running: Running, collection: str, filters: Filters, page: list[visits.VisitView]
) -> AsyncIterator[str]:
    yield _lines([list(_COLUMNS)])
    while page:
        yield _lines([[_cell(getattr(one, column)) for column in _COLUMNS] for one in page])
        # A page is a transaction of its own: a slow reader holds no connection.
        before = page[-1].row
        page = await running.pool.run(visits.list_visits, running.parts, collection, filters, before, _PAGE)


def _lines(rows: list[list[str]]) -> str:
    out = StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    # NFKC: full-width signs begin a formula too, in some spreadsheets.
    if isinstance(value, str) and normalize("NFKC", value).lstrip().startswith(("=", "+", "-", "@")):
        return "'" + value
    return str(value)
