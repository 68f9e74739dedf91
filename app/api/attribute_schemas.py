"""Attributes over the wire: how they are asked for, and what estimators answer."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

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


def _pattern(value: object) -> object:
    if isinstance(value, tuple):
        top, low, left, right = value
        return {"rows": (top, low), "cols": (left, right)}
    return value


def _rounded(value: object) -> object:
    return np.round(value.astype(float), 2).tolist() if isinstance(value, np.ndarray) else value


class RegionsPublic(BaseModel):
    """The part of each region that is covered, 0-1."""

    model_config = ConfigDict(from_attributes=True)

    forehead: float
    eyes: float
    nose: float
    mouth: float
    chin: float


class PatternPublic(BaseModel):
    """The covered rectangle on a grid of 5 x 5 over the aligned face: first and last row and column, from 0."""

    rows: tuple[int, int]
    cols: tuple[int, int]


class OcclusionPublic(BaseModel):
    """``occluded``: the chance that anything is; ``covered``: which part of the face; ``mask``: a face mask is worn.
    ``pattern`` is null for none. ``cells``: the chance that each of 14 x 14 cells of the aligned face is covered."""

    model_config = ConfigDict(from_attributes=True)

    occluded: float
    covered: float
    regions: RegionsPublic
    pattern: Annotated[PatternPublic | None, BeforeValidator(_pattern)]
    mask: bool
    cells: Annotated[list[list[float]], BeforeValidator(_rounded)]


def unasked(value: object) -> bool:
    """Whether a field is left out of the answer."""
    return value is None


class EstimatedPublic(BaseModel):
    """What estimators said; a field is there where it was asked for."""

    model_config = ConfigDict(from_attributes=True)

    age: AgePublic | None = Field(default=None, exclude_if=unasked)
    occlusion: OcclusionPublic | None = Field(default=None, exclude_if=unasked)
    action_units: dict[str, float] | None = Field(
        default=None,
        exclude_if=unasked,
        description="Movements of the face by FACS number, 0 (none) to 1; L and R are the subject's left and right. "
        "What a face does, never what anybody feels.",
    )
    blendshapes: dict[str, float] | None = Field(
        default=None, exclude_if=unasked, description="The same movements under ARKit's names, 0-1."
    )
