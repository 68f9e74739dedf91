"""Attributes over the wire: how they are asked for, and what estimators answer."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from app.errors import UnknownAttribute
from app.face.attributes import ESTIMATORS

ALWAYS: Final = ("pose", "quality", "landmarks")
"""What every face has without an estimator."""


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _known(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - {*ALWAYS, *ESTIMATORS})
    if unknown:
        raise UnknownAttribute(f"There are {', '.join((*ALWAYS, *ESTIMATORS))}", unknown=len(unknown))
    return names


def _comma_separated(*names: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": f"Comma-separated: {', '.join(names)}."})


_Names = Annotated[list[str], BeforeValidator(_listed), AfterValidator(_known)]

Listed = Annotated[_Names, _comma_separated(*ALWAYS, *ESTIMATORS)]

Estimated = Annotated[_Names, _comma_separated(*ESTIMATORS)]
"""As ``Listed``, where the others are answered anyway."""


def estimated(names: list[str]) -> frozenset[str]:
    """Those of ``names`` that need an estimator."""
    return frozenset(names) - set(ALWAYS)


class AgePublic(BaseModel):
    """Apparent age in years; ``low`` to ``high`` is meant to hold the true one for 80 % of faces."""

    model_config = ConfigDict(from_attributes=True)

    years: float
    low: float
    high: float


class EstimatedPublic(BaseModel):
    """What estimators said; a field is there where it was asked for."""

    model_config = ConfigDict(from_attributes=True)

    age: AgePublic | None = None
