"""How the service is doing, over the wire."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.api.schemas import Public
from app.service.health import About, Health
from app.service.parts import Parts


class DatabasePublic(Public):
    kind: str = Field(description="`sqlite` or `postgresql`.")
    answers: bool


class IndexPublic(Public):
    """``templates`` null: the service that keeps them does not say; ``rows`` and ``behind`` null: the database does
    not answer."""

    gallery: str = Field(description="What searches, as FRONTALIS_GALLERY says.")
    ready: bool
    templates: int | None = Field(description="How many it holds.")
    rows: int | None = Field(description="Templates of the running model in the database.")
    behind: int | None = Field(description="Changes of the rows that it has not read yet.")


class SnapshotPublic(Public):
    """``unsaved``: changes that are not in the file, the first of them for so many seconds."""

    saved_at: datetime | None = Field(description="null: there is no file yet.")
    unsaved: int
    unsaved_seconds: float


class DiskPublic(Public):
    free: int = Field(description="Bytes, where the data folder lies.")
    total: int


class EndingKeyPublic(Public):
    key_id: str
    name: str
    expires_at: datetime


class WaitingPublic(Public):
    """Of all webhooks."""

    waiting: int
    oldest_waiting: datetime | None = Field(description="When what waits longest happened.")
    dead: int


class RetentionPublic(Public):
    ran_at: datetime | None = Field(description="null: never.")
    erased: int = Field(description="Subjects, in that run.")


class CheckedPublic(Public):
    at: datetime
    acts: int = Field(description="So many held.")
    broken: int | None = Field(description="The first that did not hold; null: all did.")


class AuditPublic(Public):
    acts: int
    checked: CheckedPublic | None = Field(description="When it was last held against itself; null: never from here.")


class ConcernPublic(Public):
    about: About
    state: str = Field(
        description="`look`: somebody should, some time. `bad`: something does not work, or soon will not."
    )


class HealthFiguresPublic(Public):
    """``webhooks``, ``retention``, ``keys`` and ``audit`` are null where the database does not answer, ``snapshot``
    where none is kept."""

    at: datetime
    version: str
    model_id: str
    extractor: str
    detector: str
    runtime: str
    machine: dict[str, str | int]
    sealed: bool = Field(description="Are vectors sealed at rest.")
    database: DatabasePublic
    index: IndexPublic
    snapshot: SnapshotPublic | None
    disk: DiskPublic
    webhooks: WaitingPublic | None
    retention: RetentionPublic | None
    keys: list[EndingKeyPublic] | None = Field(description="Those that end within 14 days, the next first.")
    audit: AuditPublic | None
    requests: int = Field(description="Answered since the start.")
    failures: int = Field(description="Of these, with a status of 500 and more.")
    concerns: list[ConcernPublic] = Field(description="What needs a look; empty: nothing.")


def health_figures(
    parts: Parts, found: Health, version: str, machine: dict[str, str | int], answered: tuple[int, int]
) -> HealthFiguresPublic:
    engine, rows = parts.engine, found.rows
    checked = CheckedPublic.model_validate(found.checked) if found.checked else None
    return HealthFiguresPublic(
        at=found.at,
        version=version,
        model_id=engine.model_id,
        extractor=engine.extractor,
        detector=engine.detector,
        runtime=engine.runtime,
        machine=machine,
        sealed=parts.settings.keyring() is not None,
        database=DatabasePublic(kind=found.database, answers=rows is not None),
        index=IndexPublic(
            gallery=parts.settings.gallery,
            ready=found.index.ready,
            templates=found.index.templates,
            rows=rows.templates if rows else None,
            behind=rows.behind if rows else None,
        ),
        snapshot=SnapshotPublic.model_validate(found.snapshot) if found.snapshot else None,
        disk=DiskPublic.model_validate(found.disk),
        webhooks=WaitingPublic.model_validate(rows) if rows else None,
        retention=RetentionPublic(ran_at=rows.retention_at, erased=rows.retention_erased) if rows else None,
        keys=[EndingKeyPublic.model_validate(key) for key in rows.ending_keys] if rows else None,
        audit=AuditPublic(acts=rows.acts, checked=checked) if rows else None,
        requests=answered[0],
        failures=answered[1],
        concerns=[ConcernPublic.model_validate(one) for one in found.concerns()],
    )
