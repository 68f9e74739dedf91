"""Subjects and their templates: list, show, change, delete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.service import portraits
from app.service.parts import Parts
from app.store import audit, ledger, queries
from app.store.models import Subject, Template


@dataclass(frozen=True, slots=True)
class TemplateView:
    """A template without its vectors. ``picture``: one is kept."""

    template_id: str
    pose: dict[str, float]
    quality: dict[str, float]
    box: list[float]
    landmarks: list[list[float]]
    detection_score: float
    model_id: str
    detector: str
    spectrum: str
    captured_at: datetime | None
    picture: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SubjectView:
    subject_id: str
    name: str | None
    metadata: dict[str, Any]
    templates: int
    created_at: datetime
    updated_at: datetime


def list_subjects(parts: Parts, collection: str, after: str, limit: int) -> list[SubjectView]:
    """The next ``limit`` subjects after the id ``after``, in the order of ids. Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        subjects = queries.subjects_after(session, row.id, after, limit)
        numbers = queries.templates_by_subject(session, [one.id for one in subjects])
        return [_subject(one, numbers.get(one.id, 0)) for one in subjects]


def show_subject(parts: Parts, collection: str, subject_id: str) -> tuple[SubjectView, list[TemplateView]]:
    """Raises ``CollectionNotFound``, ``SubjectNotFound``."""
    with parts.database.reading() as session:
        row = queries.subject_of(session, queries.collection_named(session, collection).id, subject_id)
        kept = portraits.kept_of(session, row.id)
        templates = [_template(one, kept) for one in queries.vectors_of(session, row.id)]
        return _subject(row, len(templates)), templates


def change_subject(parts: Parts, collection: str, subject_id: str, changes: dict[str, Any]) -> SubjectView:
    """``changes`` may hold ``name`` (str or None) and ``metadata`` (replaced whole).

    Raises ``CollectionNotFound``, ``SubjectNotFound``.
    """
    with parts.index.changing() as change:
        session = change.session
        row = queries.subject_of(session, queries.collection_named(session, collection).id, subject_id)
        row.name = changes.get("name", row.name)
        row.details = changes.get("metadata", row.details)
        number = queries.count_templates(session, Template.subject_id == row.id)
        audit.record(session, parts.caller.key_id, "subject.changed", collection, subject=row.public_id)
    return _subject(row, number)


def delete_subject(parts: Parts, collection: str, subject_id: str) -> None:
    """With its templates, from the next request on. Raises ``CollectionNotFound``, ``SubjectNotFound``."""
    with parts.index.changing() as change:
        owner = queries.collection_named(change.session, collection, lock=True)
        row = queries.subject_of(change.session, owner.id, subject_id)
        gone = queries.forget_templates(change.session, owner, Template.subject_id == row.id)
        change.session.delete(row)
        change.remove(owner.id, gone)
        who = parts.caller.key_id
        audit.record(change.session, who, "subject.deleted", collection, subject=row.public_id, templates=len(gone))
        ledger.note(change.session, "subjects", [row.id])


def show_template(parts: Parts, collection: str, subject_id: str, template_id: str) -> TemplateView:
    """Raises ``CollectionNotFound``, ``SubjectNotFound``, ``TemplateNotFound``."""
    with parts.database.reading() as session:
        subject = queries.subject_of(session, queries.collection_named(session, collection).id, subject_id)
        return _template(queries.template_of(session, subject, template_id), portraits.kept_of(session, subject.id))


def delete_template(parts: Parts, collection: str, subject_id: str, template_id: str) -> None:
    """Raises ``CollectionNotFound``, ``SubjectNotFound``, ``TemplateNotFound``."""
    with parts.index.changing() as change:
        owner = queries.collection_named(change.session, collection, lock=True)
        subject = queries.subject_of(change.session, owner.id, subject_id)
        row = queries.template_of(change.session, subject, template_id)
        gone = queries.forget_templates(change.session, owner, Template.id == row.id)
        change.remove(owner.id, gone)
        who = parts.caller.key_id
        audit.record(
            change.session, who, "template.deleted", collection, subject=subject.public_id, template=row.public_id
        )
        ledger.note(change.session, "templates", gone)


def _subject(row: Subject, templates: int) -> SubjectView:
    return SubjectView(row.public_id, row.name, row.details, templates, row.created_at, row.updated_at)


def _template(row: Template, kept: set[int]) -> TemplateView:
    return TemplateView(
        row.public_id,
        row.pose,
        row.quality,
        row.box,
        row.landmarks,
        row.detection_score,
        row.model_id,
        row.detector,
        row.spectrum,
        row.captured_at,
        row.id in kept,
        row.created_at,
    )
