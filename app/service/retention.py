"""The retention clock: what is over its time goes."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.errors import ClockJumped, FrontalisError, SubjectNotFound
from app.service.door import door_of
from app.service.erasure import erase
from app.service.parts import Parts
from app.store import queries
from app.store.erasure_models import RetentionRun
from app.store.models import Collection, Subject, now
from app.store.outbox_models import Delivery, Event
from app.store.visit_models import Impostor, Visit, VisitKey

log = structlog.get_logger("frontalis.retention")

PAUSE: Final = 3600.0
BATCH: Final = 500
WEEK: Final = timedelta(days=7)
LEAP: Final = timedelta(days=30)
"""A run so long after the one before, or before it, may be a clock's mistake: a person has to say it is not."""


def run(parts: Parts, sure: bool = False) -> int:
    """Erase subjects whose time is over, and wipe what is kept for hours or days. Answers how many subjects.

    Raises ``ClockJumped`` unless ``sure``: nothing was erased.
    """
    moment = now()
    with parts.database.reading() as session:
        last = session.scalar(select(func.max(RetentionRun.ran_at)))
        names = [row.name for row in queries.all_collections(session)]
    if last is not None and not sure and not timedelta(0) <= moment - last + timedelta(minutes=5) <= LEAP:
        raise ClockJumped(f"The last run was at {last.isoformat()}, the clock says {moment.isoformat()}")
    erased = sum(_collection(parts, name, moment) for name in names)
    with parts.database.writing() as session:
        if sure:
            session.execute(delete(RetentionRun))
        session.add(RetentionRun(ran_at=moment, erased=erased))
    return erased


def keep_clock(parts: Parts, stop: threading.Event) -> None:
    """Until ``stop``: run every hour. What fails is logged and tried again the next hour."""
    while not stop.wait(PAUSE):
        try:
            log.info("retention ran", erased=run(parts))
        except FrontalisError as error:
            log.error("retention did not run", code=error.code)


def _collection(parts: Parts, name: str, moment: datetime) -> int:
    with parts.database.writing() as session:
        owner = queries.collection_named(session, name, lock=True)
        days = door_of(owner).retention_days
        _wipe(session, owner, moment)
    erased = 0
    while days is not None:
        with parts.database.reading() as session:
            over = _over(session, owner, moment - timedelta(days=days))
        for subject_id in over:
            try:
                erase(parts, name, subject_id, "retention")
                erased += 1
            except SubjectNotFound:
                continue  # somebody else erased them meanwhile
        if len(over) < BATCH:
            break
    return erased


def _over(session: Session, owner: Collection, before: datetime) -> list[str]:
    recent = select(Visit.id).where(Visit.subject_id == Subject.id, Visit.touched_at >= before).exists()
    query = select(Subject.public_id).where(Subject.collection_id == owner.id, Subject.created_at < before, ~recent)
    return list(session.scalars(query.order_by(Subject.id).limit(BATCH)))


def _wipe(session: Session, owner: Collection, moment: datetime) -> None:
    door = door_of(owner)
    mine = Visit.collection_id == owner.id
    old_faces = mine & Visit.probe.is_not(None) & (Visit.created_at < moment - timedelta(hours=door.correction_hours))
    session.execute(update(Visit).where(old_faces).values(probe=None, extractor=None))
    keys = (VisitKey.collection_id == owner.id) & (VisitKey.created_at < moment - WEEK)
    session.execute(delete(VisitKey).where(keys))
    waiting = select(Delivery.event_id).where(Delivery.state == "pending")
    told = (Event.collection_id == owner.id) & (Event.created_at < moment - WEEK) & Event.id.not_in(waiting)
    session.execute(delete(Event).where(told))
    if door.retention_days is not None:
        before = moment - timedelta(days=door.retention_days)
        session.execute(delete(Visit).where(mine & Visit.subject_id.is_(None) & (Visit.created_at < before)))
        session.execute(delete(Impostor).where(Impostor.collection_id == owner.id, Impostor.created_at < before))
