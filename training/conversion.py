"""How a child's embedding is converted to the same person's grown up (method C's conversion); E stays frozen.

    c(e, l) = unit(e - mean_child + W [e - mean_child; l - mean_l] + adult u)

e is E's embedding and l its last map; u, of unit length, stands for the adult age, and the mean child for the child's.
W minimises the conversion loss sum |c12 - v2|^2 over pictures of children and the centres of the same people's adult
pictures, each about its mean, plus ``pull`` |W|^2, which keeps c near e. That has a closed form, so a fit takes a
second, is the same each time, and can be cross-validated. Trained by steps under losses that also push
people apart it learnt its few hundred people by heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.face.nets.age import AgeSeparation
from app.face.nets.conversion import AdultConversion
from app.face.nets.edgenext import EdgeNeXt
from training.ages import Faces
from training.embeddings import unit
from training.maps import embeddings_of
from training.separation import years_of

FEW = 8
"""Fewer children than that teach nothing."""


@dataclass(frozen=True, slots=True)
class ConversionConfig:
    """``map_weight``: how much the map's cells count beside the embedding, 0 leaves them out. ``adult``: length of the
    adult vector. ``pull``: infinite leaves W out. ``full`` and ``none``: the gate, in years of apparent age."""

    pull: float = 40.0
    map_weight: float = 3.0
    adult: float = 0.2
    full: float = 20.0
    none: float = 26.0


@dataclass(frozen=True, slots=True, eq=False)
class Growing:
    """Pictures of people as children and as adults. ``embeddings`` unit float32 [n, width], ``maps`` float16
    [n, channels, h, w], ``years`` apparent float32 [n], ``people`` str [n], ``young`` bool [n] by the set's word."""

    embeddings: NDArray[np.float32]
    maps: NDArray[np.float16]
    years: NDArray[np.float32]
    people: NDArray[np.str_]
    young: NDArray[np.bool_]

    @classmethod
    def of(cls, lag: Faces, extractor: EdgeNeXt, separation: AgeSeparation) -> Growing:
        """Every picture of LAG, whatever its part."""
        maps = np.asarray(lag.maps)
        people = np.array([str(person) for person in lag.people])
        return cls(embeddings_of(extractor, maps), maps, years_of(separation, maps), people, lag.young)

    def at(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Growing:
        return Growing(self.embeddings[rows], self.maps[rows], self.years[rows], self.people[rows], self.young[rows])


def fit_conversion(data: Growing, config: ConversionConfig) -> AdultConversion:
    """The conversion that ``data`` teaches. Raises ``ValueError`` where hardly a child has an adult picture, too."""
    children, targets = _pairs(data, config.none)
    if len(children) < FEW:
        raise ValueError(f"only {len(children)} pictures of children whose adult pictures are there, too")
    width = data.embeddings.shape[1]
    cells = data.maps[0].size
    conversion = AdultConversion(width, cells, config.full, config.none)
    flat = data.maps.reshape(len(data.maps), -1).astype(np.float32)
    with torch.no_grad():
        conversion.centre.copy_(torch.from_numpy(flat.mean(axis=0)))
        conversion.scale.copy_(torch.from_numpy(1 / (flat.std(axis=0) + 1e-6)))
        looks = conversion.look(torch.from_numpy(flat[children]).reshape(len(children), *data.maps.shape[1:])).numpy()
    own = data.embeddings[children]
    scale = np.concatenate([np.ones(width), np.full(cells, config.map_weight**0.5)]).astype(np.float32)
    inputs = np.concatenate([own, looks], axis=1) * scale
    middle, child, adult = inputs.mean(axis=0), own.mean(axis=0), targets.mean(axis=0)
    x, wanted = inputs - middle, (targets - adult) - (own - child)
    weights = np.zeros((len(middle), width), np.float32)
    if np.isfinite(config.pull):
        # ridge regression by its dual: there are fewer children than inputs
        weights = x.T @ np.linalg.solve(x @ x.T + config.pull * np.eye(len(x)), wanted)
    grown = unit(data.embeddings[~data.young].mean(axis=0))
    bias = config.adult * grown - child - middle @ weights
    with torch.no_grad():
        conversion.change.weight.copy_(torch.from_numpy((scale[:, None] * weights).T.astype(np.float32)))
        conversion.change.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
    return conversion.eval().requires_grad_(False)


def _pairs(data: Growing, none: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows of children whom the gate lets through and who are there as adults; the centre [n, width] of these."""
    rows, targets = [], []
    for person in np.unique(data.people):
        mine = data.people == person
        grown = np.flatnonzero(mine & ~data.young)
        for row in np.flatnonzero(mine & data.young & (data.years < none)) if len(grown) else ():
            rows.append(row)
            targets.append(unit(data.embeddings[grown].mean(axis=0)))
    return np.array(rows, np.int64), np.array(targets, np.float32).reshape(-1, data.embeddings.shape[1])


def converted(
    conversion: AdultConversion,
    embeddings: NDArray[np.float32],
    maps: NDArray[np.float16],
    years: NDArray[np.float32],
    batch: int = 1024,
) -> NDArray[np.float32]:
    """Unit rows [n, width]; a row that looks grown up is the very same."""
    out = embeddings.copy()
    young = np.flatnonzero(years < conversion.none)
    with torch.inference_mode():
        for start in range(0, len(young), batch):
            rows = young[start : start + batch]
            parts = (embeddings[rows], maps[rows].astype(np.float32), years[rows])
            out[rows] = conversion(*(torch.from_numpy(part) for part in parts)).numpy()
    return out
