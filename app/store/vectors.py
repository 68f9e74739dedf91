"""The column types of vectors, secrets and pictures: sealed on the way in, opened on the way out, wherever read."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Dialect, LargeBinary, TypeDecorator

from app.errors import SealBroken, SealKeyMissing
from app.seal import Keyring, sealed_under

_ON_DIALECT: Final = "frontalis_seals"


class Owned(bytes):
    """Bytes that belong to somebody: what a sealed vector says about itself."""

    owner: str

    def __new__(cls, data: bytes, owner: str) -> Owned:
        made = super().__new__(cls, data)
        made.owner = owner
        return made


class Vector(TypeDecorator[bytes]):
    """float32, little endian. ``place`` is table and column. ``owned``: written with its owner (``owned_by``).

    Sealed when the database was opened with a keyring; rows from before are read as they are.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str, owned: bool = True) -> None:
        super().__init__()
        self.place, self.owned = place, owned

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        ring = keyring_of(dialect)
        if value is None or ring is None:
            return value
        owner = value.owner if isinstance(value, Owned) else ""
        if self.owned and not owner:
            raise TypeError(f"A vector of {self.place} is written with its owner")
        return ring.seal(bytes(value), self.place, owner if self.owned else "")

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None or sealed_under(value) is None:
            return value
        return Owned(*_ring(dialect).open(value, self.place))


class Secret(TypeDecorator[str]):
    """A text that is a secret, for ``place`` (table and column). Sealed as a ``Vector`` is, plain without a keyring."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        ring = keyring_of(dialect)
        data = None if value is None else value.encode()
        return data if data is None or ring is None else ring.seal(data, self.place)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        data = bytes(value)
        if sealed_under(data) is None:
            return data.decode()
        return _ring(dialect).open(data, self.place)[0].decode()


class SealedFile(TypeDecorator[bytes]):
    """A file of somebody's (``Owned``), for ``place`` (table and column). Without a keyring it is refused."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        if not isinstance(value, Owned):
            raise TypeError(f"A file of {self.place} is written with its owner")
        return _ring(dialect).seal(bytes(value), self.place, value.owner)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else Owned(*_ring(dialect).open(bytes(value), self.place))


def owned_by(data: bytes, collection: int, subject: int) -> Owned:
    """A vector of this subject (row ids)."""
    return Owned(data, f"{collection}.{subject}")


def checked(data: bytes, collection: int, subject: int) -> bytes:
    """``data``, whose row says it is of this subject. Raises ``SealBroken`` where it was sealed for another."""
    if isinstance(data, Owned) and data.owner != f"{collection}.{subject}":
        raise SealBroken("A vector was moved from one subject to another")
    return data


def keyring_of(dialect: Dialect) -> Keyring | None:
    """What ``use_keyring`` left there."""
    return getattr(dialect, _ON_DIALECT, None)


def use_keyring(dialect: Dialect, ring: Keyring | None) -> None:
    """A dialect belongs to one database, and is all of it that a column type is shown."""
    setattr(dialect, _ON_DIALECT, ring)


def _ring(dialect: Dialect) -> Keyring:
    ring = keyring_of(dialect)
    if ring is None:
        raise SealKeyMissing("The rows are sealed: set FRONTALIS_SEAL_KEY or FRONTALIS_SEAL_KEY_FILE")
    return ring
