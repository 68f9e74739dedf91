"""What a webhook's receiver can trust: HMAC-SHA256 over the time and the body."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

HEADER: Final = "Frontalis-Signature"
WINDOW: Final = 300
"""Seconds for which a receiver should believe a signature: an older one is a replay."""


def new_secret() -> str:
    """192 random bits as text."""
    return "whsec_" + secrets.token_hex(24)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """``t=TIMESTAMP,v1=HEX``: the HMAC-SHA256, hexadecimal, of ``TIMESTAMP.BODY`` with the webhook's secret.

    ``timestamp`` is in Unix seconds, taken anew at every attempt.
    """
    mac = hmac.digest(secret.encode(), f"{timestamp}.".encode() + body, "sha256").hex()
    return f"t={timestamp},v1={mac}"
