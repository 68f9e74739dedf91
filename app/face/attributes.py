"""What else a face says (age, what covers it, ...): estimators that run only when they are asked for.

To add one: its value, frozen, in ``app.face.faces`` with a field of ``Attributes`` that bears the attribute's name;
its file with an ``Estimator``; its line in ``ESTIMATORS``; its schema in ``app.api.attribute_schemas``. Weights lie in
a folder of their own under ``app/weights``, whose card's ``kind`` is the name and whose part is ``estimator``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import AttributeUnavailable
from app.face.action_units import load_action_units, load_blendshapes
from app.face.age import load_age
from app.face.faces import Attributes, Detection, Occlusion
from app.face.occlusion import load_occlusion
from app.face.runtime import Runtime
from app.face.weights import CARD, ModelCard, read_card


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One face as estimators see it.

    ``picture`` uint8 [h, w, 3] RGB; ``crop`` uint8 [112, 112, 3], aligned; ``features`` float32 [192, 3, 3], the
    extractor's last map of that crop, None where the extractor shows none; ``occlusion`` as in ``Face``.
    """

    picture: NDArray[np.uint8] = field(repr=False)
    detection: Detection
    crop: NDArray[np.uint8] = field(repr=False)
    features: NDArray[np.float32] | None = field(repr=False)
    occlusion: Occlusion | None = None


class Estimator(Protocol):
    """Thread safe, and a function of each look alone."""

    def estimate(self, looks: Sequence[Look]) -> Sequence[object]:
        """The value of the attribute for each look, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where networks run, as ``app.face.runtime.run_with`` wants it."""

    runtime: Runtime = "openvino"
    streams: int = 1
    device: str = "cpu"


Load = Callable[[ModelCard, Place], Estimator]
"""An estimator from its card. Raises ``WeightsError``."""

ESTIMATORS: Final[Mapping[str, Load]] = {
    "action_units": load_action_units,
    "age": load_age,
    "blendshapes": load_blendshapes,
    "occlusion": load_occlusion,
}
"""Every attribute that may be asked for, beside those that all faces have. A card of that kind makes it available."""

KIND: Final[Mapping[str, str]] = {"blendshapes": "action_units"}
"""The kind of card behind an attribute, where another attribute gave it its name."""


class Estimators:
    """Those that have weights and fit the extractor; each is loaded when it is first asked for. Thread safe."""

    def __init__(self, cards: Mapping[str, ModelCard], place: Place, loaders: Mapping[str, Load] = ESTIMATORS) -> None:
        self._cards, self._place, self._loaders = cards, place, loaders
        self._loaded: dict[str, Estimator] = {}
        self._lock = Lock()
        self.names = frozenset(cards)

    def require(self, names: Collection[str]) -> None:
        """Raises ``AttributeUnavailable``."""
        require_available(names, self.names)

    def add(self, names: Collection[str], known: Sequence[Attributes], looks: Sequence[Look]) -> list[Attributes]:
        """``known`` of each look with ``names`` filled in. Raises ``AttributeUnavailable``, ``WeightsError``."""
        self.require(names)
        for name in sorted(names):
            values = self._estimator(name).estimate(looks)
            fields: list[dict[str, Any]] = [{name: value} for value in values]
            known = [replace(one, **one_more) for one, one_more in zip(known, fields, strict=True)]
        return list(known)

    def _estimator(self, name: str) -> Estimator:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._loaders[name](self._cards[name], self._place)
            return self._loaded[name]


def find_estimators(
    extractor: str, folders: Iterable[Path], loaders: Mapping[str, Load] = ESTIMATORS
) -> dict[str, ModelCard]:
    """For each attribute the first card within ``folders`` that sits on no extractor or on this one.

    Raises ``WeightsError`` for an ill-formed card.
    """
    found: dict[str, ModelCard] = {}
    for place in folders:
        for path in sorted(place.glob(f"*/{CARD}")):
            card = read_card(path.parent)
            if card.fits in ("", extractor):
                for name in loaders:
                    if KIND.get(name, name) == card.kind:
                        found.setdefault(name, card)
    return found


def require_available(names: Collection[str], available: Collection[str]) -> None:
    """Raises ``AttributeUnavailable``."""
    lacking = sorted(set(names) - set(available))
    if lacking:
        there = ", ".join(sorted(available)) or "none"
        raise AttributeUnavailable(f"{', '.join(lacking)}: this server's model has no such estimator; it has: {there}")
