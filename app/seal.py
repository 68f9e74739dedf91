"""Sealing bytes at rest: AES-256-GCM under keys that live outside what is sealed.

An envelope is ``MAGIC``, the key's id (8), a random nonce (12), the owner (a length byte and ASCII) and the ciphertext
with its tag. Magic, id, the place it belongs to (table and column) and its owner are authenticated with it: an
envelope put under another column or another owner does not open. Random 96-bit nonces are good for 2^32
envelopes a key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import ConfigurationError, SealBroken, SealKeyMissing

# As float32 the first four bytes are 2.6e20: no unit vector begins like that.
MAGIC: Final = b"\xffseal\x01"
KEY_BYTES: Final = 32
_ID: Final = 8
_NONCE: Final = 12
_HEAD: Final = len(MAGIC) + _ID + _NONCE


class Keyring:
    """Keys of 32 bytes. The first seals; any of them opens. Thread safe."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigurationError(f"A sealing key is {KEY_BYTES} bytes in base64: `frontalis seal key` makes one")
        self._keys = {key_id(key): key for key in keys}
        self._ciphers = {name: AESGCM(key) for name, key in self._keys.items()}
        self.active = key_id(keys[0])

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """Keys in base64, white space or commas between; the first one seals. Raises ``ConfigurationError``."""
        try:
            return cls(
                [base64.b64decode(one, altchars=b"-_", validate=True) for one in re.split(r"[\s,]+", text) if one]
            )
        except (binascii.Error, ValueError):
            return cls([])

    @property
    def ids(self) -> list[str]:
        """Of every key, hex; the one that seals first."""
        return [name.hex() for name in self._keys]

    def seal(self, data: bytes, place: str, owner: str = "") -> bytes:
        """``data`` for ``place`` and ``owner`` (at most 255 ASCII characters), under the active key."""
        name, nonce = owner.encode("ascii"), secrets.token_bytes(_NONCE)
        sealed = self._ciphers[self.active].encrypt(nonce, data, _bound(self.active, place, name))
        return MAGIC + self.active + nonce + bytes([len(name)]) + name + sealed

    def open(self, envelope: bytes, place: str) -> tuple[bytes, str]:
        """What was sealed, and its owner. Raises ``SealKeyMissing``, ``SealBroken``."""
        key = sealed_under(envelope)
        cipher = self._ciphers.get(key or b"")
        if key is None or cipher is None:
            raise SealKeyMissing(f"Sealed under key {(key or b'').hex()}, which is not among the configured ones")
        end = _HEAD + 1 + envelope[_HEAD]
        owner = envelope[_HEAD + 1 : end]
        try:
            data = cipher.decrypt(envelope[_HEAD - _NONCE : _HEAD], envelope[end:], _bound(key, place, owner))
        except (InvalidTag, ValueError):
            raise SealBroken(f"What lies in {place} was altered, or belongs elsewhere") from None
        return data, owner.decode("ascii")

    def derive(self, purpose: str, key: bytes | None = None) -> bytes:
        """32 bytes that only who has the key (its id; None: the active one) can tell. Raises ``SealKeyMissing``."""
        found = self._keys.get(key or self.active)
        if found is None:
            raise SealKeyMissing
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"frontalis {purpose}".encode()).derive(found)


def key_id(key: bytes) -> bytes:
    """Eight bytes that name a key and do not tell it."""
    return hashlib.sha256(b"frontalis sealing key" + key).digest()[:_ID]


def new_key() -> str:
    """A fresh key, base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def sealed_under(data: bytes) -> bytes | None:
    """The id of the key that ``data`` is sealed under; None for what is not sealed."""
    whole = len(data) > _HEAD and data.startswith(MAGIC)
    return bytes(data[len(MAGIC) : len(MAGIC) + _ID]) if whole else None


def _bound(key: bytes, place: str, owner: bytes) -> bytes:
    return b"\0".join([MAGIC, key, place.encode(), owner])
