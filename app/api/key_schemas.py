"""Keys over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.schemas import Create, Id
from app.service.callers import Scope

KeyName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern="^[^\x00-\x1f\x7f]*$")]


class KeyCreate(Create):
    name: KeyName = Field(description="What you will recognise it by.")
    scopes: Annotated[list[Scope], Len(1, 5)] = Field(description="What it is for. `kiosk` stands alone.")
    collections: Annotated[list[Id], Len(1, 1000)] | None = Field(
        default=None, description="Collections that it is for; left out: all. A kiosk's key has one."
    )
    lifetime_days: float | None = Field(default=None, gt=0, le=36_500, description="Left out: until it is revoked.")


class KeyRotate(Create):
    grace_hours: float = Field(default=0, ge=0, le=720, description="How long the old key still opens.")


class KeyPublic(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key_id: str = Field(description="The part of the key that may be shown and written down.")
    name: str
    scopes: list[Scope]
    collections: list[str] | None = Field(description="null: all.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the hour.")


class KeyMadePublic(KeyPublic):
    key: str = Field(description="Shown this once: only its hash is kept.")


class KeyListPublic(BaseModel):
    keys: list[KeyPublic] = Field(description="The newest first, at most 1000.")


class WhoPublic(BaseModel):
    key_id: str = Field(description="`environment` for the key of the settings, `local` without a key.")
    scopes: list[Scope]
    collections: list[str] | None = Field(description="null: all.")
