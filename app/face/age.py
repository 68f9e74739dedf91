"""Apparent age from E's last map: the age vector of method C against the bank of standard ages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from app.errors import WeightsError
from app.face.faces import Age
from app.face.nets.age import AgeSeparation
from app.face.weights import ModelCard, load_part

if TYPE_CHECKING:
    from app.face.attributes import Look, Place


class AgeEstimator:
    """Answers an ``Age`` a look. A face at a time, so that none depends on its neighbours."""

    def __init__(self, network: AgeSeparation) -> None:
        self._network = network

    def estimate(self, looks: Sequence[Look]) -> list[Age]:
        return [self._age(look) for look in looks]

    def _age(self, look: Look) -> Age:
        if look.features is None:
            raise WeightsError("age needs an extractor that shows its last map")
        with torch.inference_mode():
            parts = self._network(torch.from_numpy(look.features[None]))
            years, low, high = self._network.interval(parts.age)[0].tolist()
        return Age(years, low, high)


def load_age(card: ModelCard, place: Place) -> AgeEstimator:
    """Half a millisecond of torch on the calling thread, wherever the extractor runs. Raises ``WeightsError``."""
    network = load_part(card, "estimator")
    if not isinstance(network, AgeSeparation):
        raise WeightsError(f"{card.name} is no age estimator")
    return AgeEstimator(network)
