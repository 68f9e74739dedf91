"""What a venue decides for the door of one collection: kept as validated JSON in the collection's row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.errors import MethodRefused
from app.service import portraits
from app.service.parts import Parts
from app.store import audit, queries, visit_queries
from app.store.models import Collection

NAMES: Final = 10
"""Most names shown at once."""

Method = Literal["face", "verify", "code", "list", "staff"]
"""``face`` searches (1:N), ``verify`` compares with one person (1:1); the others go without a face."""
Way = Literal["face", "verify", "code", "list", "staff", "registration"]
"""How a visit came about."""


class RegistrationField(BaseModel):
    """Something asked of who registers. ``options`` for ``choice`` only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    label: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern="^[^\x00-\x1f\x7f]*$")]
    kind: Literal["text", "email", "phone", "number", "date", "checkbox", "choice"] = "text"
    required: bool = False
    options: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=100, pattern="^[^\x00-\x1f\x7f]*$")]],
        Field(max_length=50),
    ] = []


class Door(BaseModel):
    """Rules of one collection; each has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reentry_seconds: int = Field(
        default=60, ge=0, le=86_400, description="Within so many seconds of the last event nobody signs in twice."
    )
    methods: Annotated[list[Method], Field(min_length=1, max_length=5)] = Field(
        default=["face", "verify", "code", "staff"], description="Ways to sign in. `list`: names are shown at the door."
    )
    trigger: Literal["touch", "badge", "auto"] = Field(
        default="touch", description="What starts a search. `auto`: whoever comes near; the others have asked for it."
    )
    min_quality: float = Field(
        default=0, ge=0, le=100, description="Frames below this overall quality do not count at the door."
    )
    consent_required: bool = Field(default=False, description="Nobody is enrolled without the current consent text.")
    fields: Annotated[list[RegistrationField], Field(max_length=20)] = Field(
        default=[], description="What is asked of who registers."
    )
    retention_days: int | None = Field(
        default=None, ge=1, le=3650, description="Subjects are erased so many days after their last visit."
    )
    keep_pictures: bool = Field(
        default=False,
        description="Keep the part of an enrolled picture that shows the face, sealed; needs a sealing key. "
        "Turned off, those that are there go.",
    )
    correction_hours: int = Field(
        default=24, ge=0, le=720, description="So long a visit keeps the vector of its face, to be corrected with."
    )

    def require(self, method: Method) -> None:
        """Raises ``MethodRefused``."""
        if method not in self.methods:
            raise MethodRefused(f"This door does not sign in by {method!r}", method=method, methods=self.methods)


def door_of(collection: Collection) -> Door:
    """The rules of a collection."""
    return Door.model_validate(collection.door or {})


@dataclass(frozen=True, slots=True)
class DoorView:
    collection: str
    rules: Door


def show_door(parts: Parts, collection: str) -> DoorView:
    """Raises ``CollectionNotFound``."""
    with parts.database.reading() as session:
        return DoorView(collection, door_of(queries.collection_named(session, collection)))


def change(parts: Parts, collection: str, changes: dict[str, Any]) -> DoorView:
    """Replace the rules named in ``changes``. Raises ``CollectionNotFound``, ``NotSealed``."""
    if changes.get("keep_pictures"):
        portraits.require_keys(parts)
    with parts.database.writing() as session:
        row = queries.collection_named(session, collection, lock=True)
        door = Door.model_validate({**(row.door or {}), **changes})
        row.door = door.model_dump(mode="json", exclude_defaults=True)
        if not door.keep_pictures:
            portraits.forget(session, row)
        audit.record(session, parts.caller.key_id, "door.changed", collection, rules=sorted(changes))
        return DoorView(collection, door)


def names(parts: Parts, collection: str, letters: str) -> list[tuple[str, str]]:
    """Ids and names of at most ten subjects a word of whose name begins so. Raises ``MethodRefused``."""
    with parts.database.reading() as session:
        row = queries.collection_named(session, collection)
        door_of(row).require("list")
        return visit_queries.names_like(session, row.id, letters, NAMES)
