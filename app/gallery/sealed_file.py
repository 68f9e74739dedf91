"""A file in sealed chunks, written once from front to end, read anywhere.

Head: ``_MAGIC``, the key's id, 32 random bytes from which, with that key, the file's own key is derived; so chunk
numbers will do as nonces. Each chunk's nonce tells its place and whether it is the last: none can be moved, left out or
cut off (Hoang, Reyhanitabar, Rogaway and Vizar, *Online authenticated-encryption*, CRYPTO 2015: STREAM).
"""

from __future__ import annotations

import io
import os
import secrets
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import SealBroken
from app.seal import Keyring

CHUNK: Final = 1 << 20
_MAGIC: Final = b"frontalis sealed file 1\n"
_ID: Final = 8
_SALT: Final = 32
_HEAD: Final = len(_MAGIC) + _ID + _SALT
_TAG: Final = 16


class SealedWriter:
    """Seals what is written to it into ``file``. Nothing can be read of it before ``finish``."""

    def __init__(self, file: BinaryIO, seals: Keyring) -> None:
        salt = secrets.token_bytes(_SALT)
        self._file, self._head = file, _MAGIC + seals.active + salt
        self._cipher = _cipher(seals, seals.active, salt)
        self._waiting, self._number = bytearray(), 0
        file.write(self._head)

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) > CHUNK:  # one is always left for the end
            self._put(self._waiting[:CHUNK], last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk; the file stays open."""
        self._put(self._waiting, last=True)
        self._waiting.clear()

    def _put(self, chunk: bytearray, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), bytes(chunk), self._head))
        self._number += 1


class SealedReader(io.RawIOBase):
    """The plain bytes of a sealed file. Raises ``SealBroken``, ``SealKeyMissing``."""

    def __init__(self, file: BinaryIO, seals: Keyring) -> None:
        self._file, self._head = file, file.read(_HEAD)
        if len(self._head) != _HEAD or not self._head.startswith(_MAGIC):
            raise SealBroken("Not a sealed file")
        self._cipher = _cipher(seals, self._head[len(_MAGIC) : len(_MAGIC) + _ID], self._head[-_SALT:])
        body = os.fstat(file.fileno()).st_size - _HEAD
        if body < _TAG:
            raise SealBroken("A sealed file was cut off")
        self._chunks = -(-body // (CHUNK + _TAG))
        self._size = body - self._chunks * _TAG
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: object) -> int:
        if self._at >= self._size:
            return 0
        number, within = divmod(self._at, CHUNK)
        into = memoryview(buffer)  # type: ignore[arg-type]  # whatever the caller reads into
        part = self._chunk(number)[within : within + len(into)]
        into[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _chunk(self, number: int) -> bytes:
        self._file.seek(_HEAD + number * (CHUNK + _TAG))
        sealed = self._file.read(CHUNK + _TAG)
        try:
            return self._cipher.decrypt(_nonce(number, number == self._chunks - 1), sealed, self._head)
        except InvalidTag:
            raise SealBroken("A sealed file was altered or cut off") from None


def _cipher(seals: Keyring, key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(seals.derive(f"file {salt.hex()}", key))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
