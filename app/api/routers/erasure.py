"""Erase a subject, with a receipt."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path

from app import errors
from app.api.access import InCollection
from app.api.dependencies import RunningNow
from app.api.erasure_schemas import ReceiptPublic
from app.api.problems import problems
from app.api.schemas import Id
from app.service import erasure

router = APIRouter(prefix="/subjects", tags=["subjects"])

SubjectId = Annotated[Id, Path()]
_KNOWN: Final = (
    errors.CollectionNotFound,
    errors.SubjectNotFound,
    errors.GalleryError,
    errors.StoreError,
    errors.Overloaded,
)


@router.post("/{subject_id}/erase", summary="Erase a subject, with a receipt", responses=problems(*_KNOWN))
async def erase_subject(subject_id: SubjectId, running: RunningNow, collection: InCollection) -> ReceiptPublic:
    """Rows, index, snapshot and events. Webhooks are told to do the same."""
    done = await running.pool.run(erasure.erase, running.parts, collection, subject_id, "asked")
    return ReceiptPublic.model_validate(done)


@router.delete("/{subject_id}/consent", summary="Withdraw consent", responses=problems(*_KNOWN))
async def withdraw_consent(subject_id: SubjectId, running: RunningNow, collection: InCollection) -> ReceiptPublic:
    """Erases the subject."""
    done = await running.pool.run(erasure.erase, running.parts, collection, subject_id, "withdrawn")
    return ReceiptPublic.model_validate(done)
