"""Who asks, and what they may: decided once at the edge, carried in ``Parts`` to where it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from app.errors import Forbidden

Scope = Literal["enroll", "identify", "visits", "kiosk", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""What a key may be for. ``admin`` may everything; ``kiosk`` signs visitors in, and nothing else."""


@dataclass(frozen=True, slots=True)
class Caller:
    """``key_id`` is what the audit log names; ``collections`` None means every one of them."""

    key_id: str
    scopes: frozenset[Scope]
    collections: frozenset[str] | None = None

    def has(self, *scopes: Scope) -> bool:
        """Whether one of ``scopes`` is among its own; ``admin`` has them all."""
        return not self.scopes.isdisjoint((*scopes, "admin"))

    def sees(self, collection: str) -> bool:
        """Whether the collection is one of its own."""
        return self.collections is None or collection in self.collections

    def require_collection(self, collection: str) -> None:
        """Raises ``Forbidden``. It does not tell whether there is such a collection."""
        if not self.sees(collection):
            raise Forbidden("The key is not for this collection", collection=collection)


SYSTEM: Final = Caller("system", frozenset({"admin"}))
"""The operator's own commands, and what the service does by itself."""
LOCAL: Final = Caller("local", frozenset({"admin"}))
"""Whoever sits at this machine, as long as nobody made a key."""
ENVIRONMENT: Final = Caller("environment", frozenset({"admin"}))
"""Whoever holds the key of the settings."""
