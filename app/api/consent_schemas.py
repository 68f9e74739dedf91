"""Consent and self-registration over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from annotated_types import Len
from pydantic import Field, StringConstraints

from app.api.schemas import AcceptedPublic, Create, Id, Image, Metadata, Public, RejectedPublic
from app.api.visit_schemas import VisitPublic
from app.service.consents import How

MAX_PICTURES: Final = 5

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]
ConsentWords = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern="^[^\x00]*$")]
PersonName = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern="^[^\x00-\x1f\x7f]*$", strip_whitespace=True)
]


class ConsentTextCreate(Create):
    collection: Id = "default"
    texts: Annotated[dict[Language, ConsentWords], Len(1, 20)] = Field(
        description='What is agreed to, by language: `{"en": "...", "zh": "..."}`.'
    )


class ConsentTextPublic(Public):
    """Versions count from 1 and never change; the newest is in force."""

    version: int
    texts: dict[str, str]
    created_at: datetime


class ConsentTextListPublic(Public):
    texts: list[ConsentTextPublic]


class ConsentNowPublic(Public):
    """The text in force in one language, and the other languages that there are."""

    version: int
    language: str
    languages: list[str]
    text: str
    created_at: datetime


class ConsentCreate(Create):
    version: int = Field(ge=1, le=1_000_000, description="Of the text in force.")
    how: How = "staff"


class ConsentPublic(Public):
    """``given_by`` is the id of the key that brought it."""

    version: int
    how: How
    given_by: str
    given_at: datetime


class ConsentListPublic(Public):
    consents: list[ConsentPublic]


class RegistrationCreate(Create):
    images: Annotated[list[Image], Len(1, MAX_PICTURES)] = Field(description="1 to 5 pictures, the largest face each.")
    name: PersonName
    collection: Id = "default"
    fields: Metadata = Field(default_factory=dict, description="Answers by the names of the door's `fields`.")
    consent_version: int | None = Field(default=None, ge=1, le=1_000_000)


class RegisteredPublic(Public):
    """``rejected`` pictures come with a plain ``hint``. Both lists are empty where ``replayed``."""

    subject_id: str
    name: str | None
    visit: VisitPublic
    accepted: list[AcceptedPublic]
    rejected: list[RejectedPublic]
    replayed: bool
    request_id: str
