"""Action units: what they are called, and which shapes of a face they move.

``UNITS`` is the one table: our name, the number in FACS (Ekman and Friesen 1978), the shapes of the morphable face
(ICT-FaceKit) that draw the unit, and ARKit's blendshapes of the same movement. Its order is that of every vector of
units. Left and right are the subject's own. A unit is a movement, 0 (none) to 1 (as far as it goes), never a feeling.
The estimator reads all units from one small crop by method B's regressor (``app.face.nets.facial_parameters``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.align import align
from app.face.nets.facial_parameters import FIRST_UNIT, MARGIN, SIDE, FacialParameters
from app.face.runtime import Network, run_with
from app.face.weights import ModelCard, load_part

if TYPE_CHECKING:
    from app.face.attributes import Look, Place


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """``shapes`` of the morphable face are all drawn with the unit's value; ``blendshapes`` are ARKit's names.

    ``number`` is that of FACS; 28 is named apart for the top (T) and the bottom (B) lip, some others for the left (L)
    and the right (R) half. ``antagonist`` is the unit that undoes this one: their shapes move the face opposite ways,
    at a cosine below -0.75.
    """

    name: str
    number: int
    title: str
    shapes: tuple[str, ...]
    blendshapes: tuple[str, ...]
    antagonist: str | None = None


def _both(shape: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (f"{shape}_L", f"{shape}_R"), (f"{shape}Left", f"{shape}Right")


def _half(shape: str, side: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (f"{shape}_{side}",), (shape + {"L": "Left", "R": "Right"}[side],)


def _one(*shapes: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return shapes, shapes


UNITS: Final[tuple[ActionUnit, ...]] = (
    ActionUnit("AU1", 1, "inner brow up", ("browInnerUp_L", "browInnerUp_R"), ("browInnerUp",)),
    ActionUnit("AU2", 2, "outer brow up", *_both("browOuterUp")),
    ActionUnit("AU4", 4, "brow down", *_both("browDown")),
    ActionUnit("AU5L", 5, "upper lid raised, left", *_half("eyeWide", "L"), "AU43L"),
    ActionUnit("AU5R", 5, "upper lid raised, right", *_half("eyeWide", "R"), "AU43R"),
    ActionUnit("AU7", 7, "lids tightened", *_both("eyeSquint")),
    ActionUnit("AU9", 9, "nose wrinkled", *_both("noseSneer")),
    ActionUnit("AU10", 10, "upper lip raised", *_both("mouthUpperUp")),
    ActionUnit("AU12L", 12, "smile, left", *_half("mouthSmile", "L")),
    ActionUnit("AU12R", 12, "smile, right", *_half("mouthSmile", "R")),
    ActionUnit("AU15", 15, "lip corners down", *_both("mouthFrown")),
    ActionUnit("AU16", 16, "lower lip down", *_both("mouthLowerDown")),
    ActionUnit("AU18", 18, "pout", *_one("mouthPucker"), "AU20"),
    ActionUnit("AU20", 20, "lip corners stretched", *_both("mouthStretch"), "AU18"),
    ActionUnit("AU24", 24, "lips pressed", *_both("mouthPress")),
    ActionUnit("AU26", 26, "mouth open", *_one("jawOpen")),
    ActionUnit("AU28T", 28, "upper lip closed", *_one("mouthRollUpper")),
    ActionUnit("AU28B", 28, "lower lip closed", *_one("mouthRollLower")),
    ActionUnit("AU30L", 30, "mouth to the left", *_one("mouthLeft", "jawLeft"), "AU30R"),
    ActionUnit("AU30R", 30, "mouth to the right", *_one("mouthRight", "jawRight"), "AU30L"),
    ActionUnit("AU34", 34, "cheeks puffed", ("cheekPuff_L", "cheekPuff_R"), ("cheekPuff",)),
    ActionUnit("AU43L", 43, "eye closed, left", *_half("eyeBlink", "L"), "AU5L"),
    ActionUnit("AU43R", 43, "eye closed, right", *_half("eyeBlink", "R"), "AU5R"),
)

NAMES: Final = tuple(unit.name for unit in UNITS)

ANTAGONISTS: Final[tuple[tuple[int, int], ...]] = tuple(
    (at, NAMES.index(unit.antagonist))
    for at, unit in enumerate(UNITS)
    if unit.antagonist and at < NAMES.index(unit.antagonist)
)
"""Indices of units that undo each other: (0.5, 0.9) of such a pair looks like (0, 0.4), and only that is said."""

HALVES: Final[tuple[tuple[str, int, int], ...]] = tuple(
    (unit.name[:-1], at, NAMES.index(f"{unit.name[:-1]}R"))
    for at, unit in enumerate(UNITS)
    if unit.name.endswith("L") and unit.number != 30
)
"""A whole unit's name and the indices of its left and right half. To the left and to the right are no halves."""


def unique(units: NDArray[np.floating]) -> NDArray[np.float32]:
    """``units`` [..., 23] with what antagonists share taken from both. Changes no value outside ``ANTAGONISTS``."""
    out = np.array(units, np.float32)
    for one, other in ANTAGONISTS:
        shared = np.minimum(out[..., one], out[..., other])
        out[..., one] -= shared
        out[..., other] -= shared
    return out


def named(units: NDArray[np.floating]) -> dict[str, float]:
    """``units`` [23] by name, and the mean of two halves by the whole's name: ``AU12`` beside ``AU12L``, ``AU12R``."""
    answer = {name: float(value) for name, value in zip(NAMES, units, strict=True)}
    answer.update({whole: float(units[left] + units[right]) / 2 for whole, left, right in HALVES})
    return dict(sorted(answer.items(), key=lambda item: (int("".join(c for c in item[0] if c.isdigit())), item[0])))


def blendshapes(units: NDArray[np.floating]) -> dict[str, float]:
    """``units`` [23] as ARKit's blendshapes, 0-1: each takes the value of its unit; those of no unit are left out."""
    return {shape: float(value) for unit, value in zip(UNITS, units, strict=True) for shape in unit.blendshapes}


Say = Callable[[NDArray[np.floating]], dict[str, float]]
"""Units [23] under the names that the attribute answers."""


class UnitEstimator:
    """One look at a small crop that the five points align, with more around it than the extractor's."""

    def __init__(self, network: Network, say: Say) -> None:
        self._network, self._say = network, say

    def estimate(self, looks: Sequence[Look]) -> list[Mapping[str, float]]:
        return [self._say(self._units(look)) for look in looks]

    def _units(self, look: Look) -> NDArray[np.float32]:
        crop = align(look.picture, look.detection.landmarks, SIDE, MARGIN)
        return unique(self._network(crop[None])[0, FIRST_UNIT:])


def load_action_units(card: ModelCard, place: Place) -> UnitEstimator:
    """Answers ``named``. Raises ``WeightsError``."""
    return _load(card, place, named)


def load_blendshapes(card: ModelCard, place: Place) -> UnitEstimator:
    """Answers ``blendshapes``, from the same weights. Raises ``WeightsError``."""
    return _load(card, place, blendshapes)


def _load(card: ModelCard, place: Place, say: Say) -> UnitEstimator:
    network = load_part(card, "estimator")
    if not isinstance(network, FacialParameters):
        raise WeightsError(f"{card.name} does not estimate action units")
    shape = (1, SIDE, SIDE, 3)
    return UnitEstimator(run_with(place.runtime, network, shape, place.streams, place.device), say)
