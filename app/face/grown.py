"""Across the years: faces that look like a child's are embedded as the same person grown up (method C).

On the way to the raw embedding, as the map it needs is not kept. Whoever looks grown up keeps E's embedding.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.extract import unit
from app.face.nets.age import AgeSeparation
from app.face.nets.conversion import AdultConversion
from app.face.weights import ModelCard, load_part


class Grower:
    """Thread safe. A face's answer does not depend on its neighbours."""

    def __init__(self, separation: AgeSeparation, conversion: AdultConversion) -> None:
        self._separation, self._conversion = separation, conversion

    def grow(self, embeddings: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of E's unit embeddings [n, width] and last maps [n, c, h, w] those of adults, unit length. A face whose
        apparent age is past the gate keeps its own, bit by bit."""
        rows = [self._grown(*one) for one in zip(embeddings, maps, strict=True)]
        return np.stack(rows) if rows else embeddings

    def _grown(self, embedding: NDArray[np.float32], last: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            map_ = torch.from_numpy(last[None])
            years, _ = self._separation.years(self._separation(map_).age)
            if float(years[0]) >= self._conversion.none:
                return embedding
            return unit(self._conversion(torch.from_numpy(embedding[None]), map_, years).numpy())[0]


def load_grower(card: ModelCard) -> Grower | None:
    """What an age card tells of children grown up; None where it has no such part. Raises ``WeightsError``."""
    if "conversion" not in card.parts:
        return None
    separation, conversion = load_part(card, "estimator"), load_part(card, "conversion")
    if not isinstance(separation, AgeSeparation) or not isinstance(conversion, AdultConversion):
        raise WeightsError(f"{card.name} has no conversion of children")
    return Grower(separation, conversion)
