"""Carries events to webhooks. All of its state is in the rows, so a restart goes on where it stopped.

At least once: a process that dies between sending and noting it leaves the delivery to be sent again. Any number
of processes may carry; a delivery that one has taken is left alone by the others until its lease is over.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Final

import httpx2
import structlog
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import joinedload

from app.errors import FrontalisError, TargetRefused
from app.service import outbox
from app.service.signing import HEADER, signature
from app.service.targets import resolve
from app.store.database import Database
from app.store.models import now
from app.store.outbox_models import Delivery, Event, Webhook

log = structlog.get_logger("frontalis.webhooks")

PAUSE: Final = 1.0
"""Seconds between two looks at what is due."""
BATCH: Final = 16
ATTEMPTS: Final = 10
"""After so many a delivery is dead until somebody sends it again: about a day and a half."""
SECONDS: Final = 10.0
"""For one attempt, from the look-up of the name to the answer's headers; the answer's body is not read."""
LEASE: Final = timedelta(seconds=60)
FIRST: Final = 5.0
LONGEST: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One attempt. ``attempt`` counts from 1; ``body`` is what is signed and sent."""

    delivery: int
    attempt: int
    url: str
    secret: str
    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` is the HTTP status, None where there was none; ``reason`` says why it failed, in one word."""

    status: int | None
    reason: str | None


def backoff(attempt: int, share: float) -> timedelta:
    """How long to wait after the failure of ``attempt`` (from 1): four times longer each time, of which ``share``
    (0-1) decides the upper half, so that those who failed together do not come back together."""
    longest = min(LONGEST, timedelta(seconds=FIRST * 4 ** min(attempt - 1, 12)))
    return longest * (0.5 + 0.5 * share)


class Courier:
    """``private``: targets that are not on the public net will do."""

    def __init__(self, database: Database, private: bool) -> None:
        self._database, self._private = database, private

    def work(self, stop: threading.Event) -> None:
        """Until ``stop``: deliver what is due. A database that is away is waited for."""
        pause = PAUSE
        while not stop.wait(pause):
            try:
                while self.round() and not stop.is_set():
                    pass
                pause = PAUSE
            except FrontalisError as error:
                pause = min(pause * 2, 30.0)
                log.error("webhooks wait", code=error.code, retry_s=pause)

    def round(self) -> int:
        """Try a batch of what is due, each once, side by side. Answers how many. Raises ``StoreError``."""
        parcels = self._take()
        if parcels:
            answers = asyncio.run(_send_all(parcels, self._private))
            self._note(parcels, answers)
        return len(parcels)

    def _take(self) -> list[Parcel]:
        with self._database.reading() as session:  # an idle second costs no write
            if session.scalars(select(Delivery.id).where(_due()).limit(1)).first() is None:
                return []
        with self._database.writing() as session:
            query = select(Delivery.id).where(_due()).order_by(Delivery.due_at, Delivery.id).limit(BATCH)
            ids = list(session.scalars(query.with_for_update(skip_locked=True)))
            taken = {"attempts": Delivery.attempts + 1, "due_at": now() + LEASE, "updated_at": now()}
            session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(taken))
            event = joinedload(Delivery.event).joinedload(Event.collection)
            query_rows = select(Delivery).options(event, joinedload(Delivery.webhook)).where(Delivery.id.in_(ids))
            return [_parcel(row) for row in session.scalars(query_rows.order_by(Delivery.id))]

    def _note(self, parcels: Sequence[Parcel], answers: Sequence[Answer]) -> None:
        with self._database.writing() as session:
            for parcel, answer in zip(parcels, answers, strict=True):
                values = {"status": answer.status, "reason": answer.reason, "updated_at": now()}
                if answer.reason is None:
                    values["state"] = "delivered"
                elif parcel.attempt >= ATTEMPTS or answer.status == 410:
                    values["state"] = "dead"
                else:
                    values["due_at"] = now() + backoff(parcel.attempt, random.random())
                # Only what this attempt took: it may have been erased, or sent again by hand, meanwhile.
                mine = (Delivery.id == parcel.delivery) & (Delivery.attempts == parcel.attempt)
                session.execute(update(Delivery).where(mine).values(values))
        failed = sum(answer.reason is not None for answer in answers)
        log.info("webhooks sent", delivered=len(answers) - failed, failed=failed)


def _due() -> ColumnElement[bool]:
    # Farther away than the longest wait lies only what a clock wrote that was put back since.
    moment = now()
    in_time = or_(Delivery.due_at <= moment, Delivery.due_at > moment + LONGEST)
    heard = Delivery.webhook_id.in_(select(Webhook.id).where(Webhook.enabled))
    return (Delivery.state == "pending") & in_time & heard


def _parcel(row: Delivery) -> Parcel:
    told = {
        "id": row.event.public_id,
        "type": row.event.kind,
        "created_at": outbox.plain(row.event.created_at),
        "collection": row.event.collection.name,
        "data": row.event.data,
    }
    body = json.dumps(told, ensure_ascii=False).encode()
    return Parcel(row.id, row.attempts, row.webhook.url, row.webhook.secret, row.event.public_id, body)


async def _send_all(parcels: Sequence[Parcel], private: bool) -> list[Answer]:
    # Neither redirects nor proxies of the environment: nothing but the address that was checked is asked.
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS) as client:
        return list(await asyncio.gather(*(_send(client, parcel, private) for parcel in parcels)))


async def _send(client: httpx2.AsyncClient, parcel: Parcel, private: bool) -> Answer:
    try:
        async with asyncio.timeout(SECONDS):
            target = await asyncio.to_thread(resolve, parcel.url, private)
            headers = {
                "Host": target.host,
                "Content-Type": "application/json",
                "User-Agent": f"Frontalis/{version('frontalis')}",
                "Frontalis-Event": parcel.event_id,
                HEADER: signature(parcel.secret, int(datetime.now(UTC).timestamp()), parcel.body),
            }
            asked = client.stream(
                "POST", target.url, content=parcel.body, headers=headers, extensions={"sni_hostname": target.name}
            )
            async with asked as response:
                status = response.status_code
    except TargetRefused:
        return Answer(None, "target refused")
    except TimeoutError:
        return Answer(None, "timeout")
    except (httpx2.TransportError, httpx2.InvalidURL, OSError) as error:
        return Answer(None, type(error).__name__[:64])
    return Answer(status, None if 200 <= status < 300 else "status")
