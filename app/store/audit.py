"""Write to the audit log, in the transaction of what it reports, and hold it against itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.store.audit_models import Act, AuditHead
from app.store.models import now

START: Final = "0" * 64
HEAD: Final = 1
BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """``broken`` None: the chain holds, and ends with ``digest``. Else the number of the first act that does not."""

    acts: int
    digest: str
    broken: int | None
    reason: str = ""


def record(session: Session, who: str, act: str, collection: str | None = None, **ids: Any) -> None:
    """Add an act. Call it last in a transaction: from here on other writers of the log wait for its end.

    ``who`` is a key's id, ``ids`` are ids, numbers and codes; None is left out.
    """
    head = session.scalars(select(AuditHead).where(AuditHead.id == HEAD).with_for_update()).one()
    fresh = Act(
        number=head.number + 1,
        at=now(),
        who=who,
        act=act,
        collection=collection,
        ids={name: value for name, value in ids.items() if value is not None},
    )
    fresh.digest = _digest(head.digest, fresh)
    session.add(fresh)
    head.number, head.digest = fresh.number, fresh.digest
    session.flush()


def acts_before(
    session: Session, number: int | None, limit: int, act: str | None = None, collection: str | None = None
) -> Sequence[Act]:
    """The latest acts first, below ``number`` where one is given: all, or those of one kind (``subject.erased``), one
    group of kinds (``subject``), one collection."""
    query = select(Act).order_by(Act.number.desc()).limit(limit)
    if number is not None:
        query = query.where(Act.number < number)
    if act is not None:
        query = query.where(Act.act == act if "." in act else Act.act.startswith(act + ".", autoescape=True))
    if collection is not None:
        query = query.where(Act.collection == collection)
    return session.scalars(query).all()


def verify(session: Session, expected: str | None = None) -> Verdict:
    """Whether every act is there as it was written. Use a session that sees one state.

    ``expected``: a digest that was written down elsewhere; it must be in the chain. Who may write to the database can
    make a new chain from any point on, and only this tells.
    """
    digest, number, met = START, 0, expected in (None, START)
    for act in _all(session):
        if act.number != number + 1:
            return Verdict(number, digest, number + 1, f"act {number + 1} is missing")
        number += 1
        if act.digest != _digest(digest, act):
            return Verdict(number - 1, digest, number, f"act {number} was altered, or something before it went or came")
        digest, met = act.digest, met or act.digest == expected
    head = session.scalars(select(AuditHead).where(AuditHead.id == HEAD)).one_or_none()
    if head is None or (head.number, head.digest) != (number, digest):
        return Verdict(number, digest, number + 1, "the end of the log was cut off, or something was added to it")
    if not met:
        return Verdict(number, digest, number, "the digest that was expected is not in the log: it was written anew")
    return Verdict(number, digest, None)


def _all(session: Session) -> Iterator[Act]:
    last = session.scalar(select(func.min(Act.number)))
    last = 0 if last is None else last - 1
    while found := session.scalars(select(Act).where(Act.number > last).order_by(Act.number).limit(BATCH)).all():
        yield from found
        last = found[-1].number
        session.expunge_all()


def _digest(before: str, act: Act) -> str:
    told = [act.number, act.at.isoformat(), act.who, act.act, act.collection, act.ids]
    line = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{line}".encode()).hexdigest()
