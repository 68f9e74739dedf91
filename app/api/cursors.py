"""Cursors that only we can make: what they hold, and an HMAC over it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from app.errors import BadCursor

_MAC: Final = 16


def sign(secret: bytes, scope: str, after: str) -> str:
    """A cursor that continues after ``after``, good for ``scope`` only (the list it belongs to)."""
    return base64.urlsafe_b64encode(_mac(secret, scope, after.encode()) + after.encode()).decode().rstrip("=")


def read(secret: bytes, scope: str, cursor: str) -> str:
    """What was signed. Raises ``BadCursor`` for any other text, and for a cursor of another list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    mac, after = raw[:_MAC], raw[_MAC:]
    if not hmac.compare_digest(mac, _mac(secret, scope, after)):
        raise BadCursor
    return after.decode()


def _mac(secret: bytes, scope: str, after: bytes) -> bytes:
    return hmac.digest(secret, scope.encode() + b"\0" + after, hashlib.sha256)[:_MAC]
