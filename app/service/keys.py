"""Keys: make, list, rotate, revoke, and find out who holds one.

A key is 256 random bits, so nobody can try them all, and a plain SHA-256 hides it as well as a slow hash would: slow
hashes make up for secrets that people choose.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.errors import KeyExpired, KeyNotFound, KeyRevoked, RequestError, StoreError, Unauthorized
from app.service.callers import SCOPES, SYSTEM, Caller, Scope
from app.store import audit, ledger
from app.store.database import Database
from app.store.key_models import Key
from app.store.models import now

log = structlog.get_logger("frontalis.keys")

LISTED: Final = 1000
"""So many keys are listed, the newest first."""
USED_EXACT_TO: Final = timedelta(hours=1)
_WRITTEN: Final = re.compile(r"frontalis_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key without its secret. ``key_id`` is the part of it that may be shown and written down."""

    key_id: str
    name: str
    scopes: tuple[Scope, ...]
    collections: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """``key`` is shown this once."""

    view: KeyView
    key: str


def create_key(
    database: Database,
    name: str,
    scopes: Sequence[Scope],
    collections: Sequence[str] | None = None,
    lifetime: timedelta | None = None,
    caller: Caller = SYSTEM,
) -> MadeKey:
    """``collections`` None: every one, also those to come; a name that is not there yet is fine.

    A kiosk's key is for nothing else, and for one collection: raises ``RequestError`` otherwise.
    """
    require_sense(scopes, collections)
    with database.writing() as session:
        made = _made(session, name, scopes, collections, lifetime)
        audit.record(session, caller.key_id, "key.created", key=made.view.key_id, scopes=list(made.view.scopes))
        return made


def list_keys(database: Database) -> list[KeyView]:
    """The newest first, those revoked too."""
    with database.reading() as session:
        return [_view(row) for row in session.scalars(select(Key).order_by(Key.id.desc()).limit(LISTED))]


def revoke_key(database: Database, key_id: str, caller: Caller = SYSTEM) -> KeyView:
    """Refused from the next request on; again does no harm. Raises ``KeyNotFound``."""
    with database.writing() as session:
        row = _named(session, key_id)
        row.revoked_at = row.revoked_at or now()
        audit.record(session, caller.key_id, "key.revoked", key=key_id)
        ledger.note(session, ledger.KEYS, [row.id])
        return _view(row)


def rotate_key(database: Database, key_id: str, grace: timedelta = timedelta(0), caller: Caller = SYSTEM) -> MadeKey:
    """Another key for the same, with the same lifetime; the old one ends after ``grace``.

    Raises ``KeyNotFound``, ``KeyRevoked``.
    """
    with database.writing() as session:
        old = _named(session, key_id)
        if old.revoked_at is not None:
            raise KeyRevoked("A revoked key is not rotated: make a new one")
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        view = _view(old)
        made = _made(session, view.name, view.scopes, view.collections, lifetime)
        end = now() + grace
        if grace:
            old.expires_at = min(old.expires_at or end, end)
        else:
            old.revoked_at = end
        audit.record(session, caller.key_id, "key.rotated", key=key_id, into=made.view.key_id)
        ledger.note(session, ledger.KEYS, [old.id])
        return made


def any_key(database: Database) -> bool:
    """Whether a key was ever made. The first one closes the door for good, even when it is revoked."""
    with database.reading() as session:
        return session.scalars(select(Key.id).limit(1)).first() is not None


def any_usable_key(database: Database) -> bool:
    """Whether somebody could come in with a key."""
    with database.reading() as session:
        usable = Key.revoked_at.is_(None) & (Key.expires_at.is_(None) | (Key.expires_at > now()))
        return session.scalars(select(Key.id).where(usable).limit(1)).first() is not None


def holder(database: Database, key: str) -> Caller:
    """Who holds ``key``. Raises ``Unauthorized``, and ``KeyExpired`` or ``KeyRevoked`` to its holder alone."""
    written = _WRITTEN.fullmatch(key)
    if written is None:
        raise Unauthorized
    with database.reading() as session:
        row = session.scalars(select(Key).where(Key.key_id == written[1])).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, _digest(key)):
        raise Unauthorized
    if row.revoked_at is not None:
        raise KeyRevoked
    if row.expires_at is not None and row.expires_at <= now():
        raise KeyExpired
    _note_use(database, row)
    view = _view(row)
    return Caller(row.key_id, frozenset(view.scopes), None if view.collections is None else frozenset(view.collections))


def require_sense(scopes: Sequence[Scope], collections: Sequence[str] | None) -> None:
    """Raises ``RequestError``."""
    if not scopes:
        raise RequestError(f"A key is for something: {', '.join(SCOPES)}")
    if "kiosk" in scopes and (len(set(scopes)) > 1 or collections is None or len(set(collections)) != 1):
        raise RequestError("A kiosk's key is for nothing else, and for one collection")
    if collections is not None and not collections:
        raise RequestError("A key for no collection opens nothing: leave them out to mean all of them")


def _made(
    session: Session, name: str, scopes: Sequence[Scope], collections: Sequence[str] | None, lifetime: timedelta | None
) -> MadeKey:
    key_id = secrets.token_hex(4)
    key = f"frontalis_{key_id}_{secrets.token_urlsafe(32)}"
    made = now()
    row = Key(
        key_id=key_id,
        name=name,
        digest=_digest(key),
        scopes=[scope for scope in SCOPES if scope in scopes],
        collections=None if collections is None else sorted(set(collections)),
        created_at=made,
        expires_at=made + lifetime if lifetime else None,
    )
    session.add(row)
    session.flush()
    return MadeKey(_view(row), key)


def _named(session: Session, key_id: str) -> Key:
    row = session.scalars(select(Key).where(Key.key_id == key_id).with_for_update()).one_or_none()
    if row is None:
        raise KeyNotFound(f"There is no key {key_id!r}", key_id=key_id)
    return row


def _note_use(database: Database, row: Key) -> None:
    """Exact to the hour: enough to find keys that nobody uses, too little to follow who comes when."""
    used = now()
    hour = used.replace(minute=0, second=0, microsecond=0)
    if row.last_used_at is not None and used - row.last_used_at < USED_EXACT_TO:
        return
    try:
        with database.writing() as session:
            session.execute(update(Key).where(Key.id == row.id).values(last_used_at=hour))
    except StoreError as error:  # a full disk must not keep anybody out
        log.warning("use of a key not noted", code=error.code)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _view(row: Key) -> KeyView:
    scopes = tuple(scope for scope in SCOPES if scope in row.scopes)
    collections = None if row.collections is None else tuple(row.collections)
    return KeyView(
        row.key_id, row.name, scopes, collections, row.created_at, row.expires_at, row.revoked_at, row.last_used_at
    )
