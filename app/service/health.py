"""How the service is doing, for who runs it: figures, and what of them needs a look. Nothing biometric, no secret."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import StoreError
from app.service.acts import Checked, last_check
from app.service.index import IndexState
from app.service.parts import Parts
from app.service.snapshots import SAVE_SECONDS, SnapshotState
from app.store import following
from app.store.audit_models import AuditHead
from app.store.erasure_models import RetentionRun
from app.store.key_models import Key
from app.store.models import Template, now
from app.store.outbox_models import Delivery, Event

SOON: Final = timedelta(days=14)
"""A key that ends before so long is named."""
LITTLE_FREE: Final = 5 * 2**30
LEAST_FREE: Final = 2**30
"""Bytes free where the data lies, below which somebody should look, and act."""
WAITS_LONG: Final = timedelta(hours=1)
"""An event that a receiver does not take for so long needs a look."""
RETENTION_LATE: Final = timedelta(days=1)
CHECK_LATE: Final = timedelta(days=30)
"""So long after the audit log was last held against itself it should be again."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Of the data folder, bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class EndingKey:
    key_id: str
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database says. ``templates``: rows of the running model; ``behind``: changes of the rows that the index
    has not read; ``oldest_waiting``: since when the oldest event waits for a receiver; ``acts``: in the audit log."""

    templates: int
    behind: int
    waiting: int
    oldest_waiting: datetime | None
    dead: int
    retention_at: datetime | None
    retention_erased: int
    ending_keys: tuple[EndingKey, ...]
    acts: int


About = Literal["database", "index", "snapshot", "disk", "webhooks", "retention", "keys", "audit"]


@dataclass(frozen=True, slots=True)
class Concern:
    """``look``: somebody should, some time; ``bad``: something does not work, or soon will not."""

    about: About
    state: Literal["look", "bad"]


@dataclass(frozen=True, slots=True)
class Health:
    """``rows`` None: the database does not answer; ``snapshot`` None: the gallery is kept by a service of its own;
    ``index.templates`` None: that service does not answer."""

    at: datetime
    database: str
    index: IndexState
    snapshot: SnapshotState | None
    disk: Disk
    checked: Checked | None
    rows: Rows | None

    def concerns(self) -> list[Concern]:
        """What needs a look, in the order of ``About``."""
        return list(_concerns(self))


def health(parts: Parts) -> Health:
    """As it is now. Answers also where the database does not."""
    folder = parts.settings.data_dir
    usage = shutil.disk_usage(folder)
    return Health(
        at=now(),
        database=parts.database.url.get_backend_name(),
        index=parts.index.state(),
        snapshot=parts.index.snapshot_state(),
        disk=Disk(usage.free, usage.total),
        checked=last_check(folder),
        rows=_rows(parts),
    )


def _rows(parts: Parts) -> Rows | None:
    try:
        with parts.database.reading() as session:
            return _read(parts, session)
    except StoreError:
        return None


def _read(parts: Parts, session: Session) -> Rows:
    moment = now()
    states = {row[0]: row[1] for row in session.execute(select(Delivery.state, func.count()).group_by(Delivery.state))}
    oldest = select(func.min(Event.created_at)).join(Delivery).where(Delivery.state == "pending")
    run = session.scalars(select(RetentionRun).order_by(RetentionRun.id.desc()).limit(1)).first()
    ending = (
        select(Key)
        .where(Key.revoked_at.is_(None), Key.expires_at > moment, Key.expires_at < moment + SOON)
        .order_by(Key.expires_at)
    )
    ours = select(func.count()).select_from(Template).where(Template.model_id == parts.engine.model_id)
    return Rows(
        templates=session.scalar(ours) or 0,
        behind=parts.index.behind(following.heads(session)),
        waiting=states.get("pending", 0),
        oldest_waiting=session.scalar(oldest),
        dead=states.get("dead", 0),
        retention_at=run.ran_at if run else None,
        retention_erased=run.erased if run else 0,
        ending_keys=tuple(
            EndingKey(key.key_id, key.name, key.expires_at) for key in session.scalars(ending) if key.expires_at
        ),
        acts=session.scalar(select(AuditHead.number)) or 0,
    )


def _concerns(health: Health) -> Iterator[Concern]:
    rows, index, snapshot = health.rows, health.index, health.snapshot
    if rows is None:
        yield Concern("database", "bad")
    if not index.ready or index.templates is None:
        yield Concern("index", "bad")
    elif rows is not None and rows.behind:
        yield Concern("index", "look")
    if snapshot is not None and snapshot.unsaved_seconds > 2 * SAVE_SECONDS:
        yield Concern("snapshot", "look")
    if health.disk.free < LITTLE_FREE:
        yield Concern("disk", "bad" if health.disk.free < LEAST_FREE else "look")
    if rows is not None:
        yield from _of_rows(rows, health.at)
    if health.checked is not None and health.checked.broken is not None:
        yield Concern("audit", "bad")
    elif rows is not None and rows.acts and (health.checked is None or health.at - health.checked.at > CHECK_LATE):
        yield Concern("audit", "look")


def _of_rows(rows: Rows, at: datetime) -> Iterator[Concern]:
    if rows.dead or (rows.oldest_waiting is not None and at - rows.oldest_waiting > WAITS_LONG):
        yield Concern("webhooks", "look")
    if rows.retention_at is not None and abs(at - rows.retention_at) > RETENTION_LATE:
        yield Concern("retention", "look")
    if rows.ending_keys:
        yield Concern("keys", "look")
