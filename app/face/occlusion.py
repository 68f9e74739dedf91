"""What covers a face, and the embedding of what is left of it (method D).

Beside the extractor, not after it: the masked embedding is what G and the gallery get, so the occlusion is known
of every face whether or not it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.extract import unit
from app.face.faces import Occlusion, Regions
from app.face.nets.occlusion import FINE, OcclusionNet
from app.face.patterns import rectangle_of
from app.face.runtime import Network, run_with
from app.face.weights import ModelCard, load_part

if TYPE_CHECKING:
    from app.face.attributes import Look, Place

FACE: Final = (56.0, 66.0, 40.0, 52.0)
"""Centre x, y and half axes, in pixels of the crop of 112, of the ellipse that counts as the face."""

BARE, COVERED = 0.5, 0.9
"""Chances of an occlusion up to which a face keeps its embedding, and from which the masked one has its whole share;
in between the share rises, so that the same face from frame to frame does not jump."""

SHARE: Final = 0.5
"""Of the masked embedding in that of a covered face. The rest is the extractor's own: they err in different ways, and
the masked one learns to make up for what the other lacks."""

REGIONS: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "forehead": (24, 14, 88, 36),
    "eyes": (22, 42, 90, 61),
    "nose": (43, 52, 69, 79),
    "mouth": (36, 84, 76, 102),
    "chin": (34, 103, 78, 112),
}
"""x0, y0, x1, y1 in pixels of the crop of 112."""


def _boxes(inside: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]) -> NDArray[np.float32]:
    """Which part of each cell [FINE, FINE] lies inside, 0-1."""
    y, x = np.mgrid[:112, :112] + 0.5
    cells = inside(x, y).reshape(FINE, 112 // FINE, FINE, 112 // FINE)
    return np.asarray(cells.mean(axis=(1, 3)), np.float32)


FACE_CELLS: Final = _boxes(lambda x, y: ((x - FACE[0]) / FACE[2]) ** 2 + ((y - FACE[1]) / FACE[3]) ** 2 <= 1)

REGION_CELLS: Final = {
    name: _boxes(lambda x, y, r=region: (x >= r[0]) & (x < r[2]) & (y >= r[1]) & (y < r[3]))  # type: ignore[misc]
    for name, region in REGIONS.items()
}


def covered_part(cells: NDArray[np.floating], region: NDArray[np.floating] = FACE_CELLS) -> NDArray[np.float32]:
    """The part of ``region`` that is covered, float32 [...], from cells [..., FINE, FINE] of 0-1."""
    return np.asarray((cells * region).sum(axis=(-2, -1)) / region.sum(), np.float32)


def mixed(
    embeddings: NDArray[np.float32], masked: NDArray[np.float32], chance: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Unit rows [n, width] between ``embeddings`` and ``masked``, by the ``chance`` [n] of an occlusion."""
    share = np.asarray(SHARE * np.clip((chance - BARE) / (COVERED - BARE), 0, 1)[:, None], np.float32)
    return np.where(share > 0, unit((1 - share) * embeddings + share * masked), embeddings)


@dataclass(frozen=True, slots=True)
class Stricter:
    """Rows (covered fraction of the face, cosine to add to a threshold), both rising, from 0 on."""

    rows: tuple[tuple[float, float], ...] = ((0.0, 0.0),)

    def at(self, covered: float) -> float:
        """Linear between the rows, constant beyond the last."""
        return float(np.interp(covered, [row[0] for row in self.rows], [row[1] for row in self.rows]))


class Unmasker:
    """Thread safe. A face's answer does not depend on its neighbours."""

    def __init__(self, network: Network, worn: float, stricter: Stricter) -> None:
        self._network, self._worn, self.stricter = network, worn, stricter

    def see(
        self, embeddings: NDArray[np.float32], maps: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], list[Occlusion]]:
        """Of E's unit embeddings [n, width] and the maps [n, c, 7, 7] at the ``tap_of`` its card: the unit embeddings
        [n, width] of what is not covered, and what covers each face. A face that is surely bare keeps its own
        embedding, bit by bit."""
        parts = [self._network.outputs(maps[at : at + 1]) for at in range(len(maps))]
        masked = unit(np.concatenate([part[0] for part in parts]))
        chance = np.stack([part[2][0, 0] for part in parts])
        return mixed(embeddings, masked, chance), [self._said(*(one[0] for one in part[1:])) for part in parts]

    def _said(self, cells: NDArray[np.float32], chance: NDArray[np.float32], pattern: NDArray[np.float32]) -> Occlusion:
        rectangle = rectangle_of(int(pattern.argmax()))
        return Occlusion(
            occluded=float(chance[0]),
            covered=float(covered_part(cells)),
            regions=Regions(**{name: float(covered_part(cells, region)) for name, region in REGION_CELLS.items()}),
            pattern=rectangle,
            mask=bool(chance[1] >= self._worn),
            cells=cells,
        )


def load_unmasker(card: ModelCard, place: Place) -> Unmasker:
    """Raises ``WeightsError``."""
    network = load_part(card, "estimator")
    if not isinstance(network, OcclusionNet):
        raise WeightsError(f"{card.name} does not know what covers a face")
    shape = (1 if place.device == "cpu" else -1, network.channels, network.side, network.side)
    try:
        rows = tuple((float(covered), float(more)) for covered, more in card.calibration["stricter"])
        worn = float(card.calibration["worn"])
    except (KeyError, TypeError, ValueError) as flaw:
        raise WeightsError(f"the calibration of {card.name} is ill-formed") from flaw
    return Unmasker(
        run_with(place.runtime, network, shape, place.streams, place.device, torch.float32), worn, Stricter(rows)
    )


def tap_of(card: ModelCard | None) -> int:
    """Which map of the extractor the card's network takes: ``tap`` of ``app.face.extract.load_extractor``."""
    return int(card.parts["estimator"].kwargs.get("blocks", 0)) if card and "estimator" in card.parts else 0


class OcclusionEstimator:
    """Answers an ``Occlusion`` a look: what the ``Unmasker`` saw on the way to the embedding."""

    def estimate(self, looks: Sequence[Look]) -> list[Occlusion | None]:
        return [look.occlusion for look in looks]


def load_occlusion(card: ModelCard, place: Place) -> OcclusionEstimator:
    """Nothing is loaded: the engine has the network already."""
    return OcclusionEstimator()
