"""How far the conversion of children goes: chosen on people that the conversion under test never learnt from.

Two groups of LAG's people choose, none of the 300 test people among them: those who train, by five folds (a person is
converted by what the other folds teach), and those whom E was not to see because LFW or CFP have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from rich.table import Table

from training.ages import Faces, drawn
from training.benchmarks import Frontalize, Pairs, lag_pairs, scores_of, verify
from training.conversion import ConversionConfig, Growing, converted, fit_conversion

FOLDS = 5

GRID: Mapping[str, Sequence[float]] = {
    "pull": (20.0, 40.0, 80.0),
    "map_weight": (0.0, 1.0, 3.0, 6.0),
    "adult": (0.1, 0.15, 0.2, 0.25, 0.3),
}
GATES = ((12.0, 18.0), (16.0, 20.0), (18.0, 22.0), (20.0, 26.0), (24.0, 30.0))


@dataclass(frozen=True, slots=True, eq=False)
class Choosers:
    """``data`` is all of LAG; ``train`` rows teach, ``folds`` [n] cut their people; pairs of either group over rows."""

    data: Growing
    train: NDArray[np.bool_]
    folds: NDArray[np.int64]
    groups: Mapping[str, Pairs]

    @classmethod
    def of(cls, lag: Faces, data: Growing) -> Choosers:
        train, unseen = (lag.parts == part for part in ("train", "calibrate"))
        teaching = set(data.people[train])
        names = {"five folds": teaching, "unseen by E": set(data.people[unseen]) - teaching}
        folds = np.array([int(FOLDS * drawn(str(person), "fold")) for person in data.people], np.int64)
        pairs = {
            name: lag_pairs(lag.paths, frozenset(person.removeprefix("lag/") for person in people))
            for name, people in names.items()
        }
        return cls(data, np.asarray(train, np.bool_), folds, pairs)

    def outside(self, config: ConversionConfig) -> NDArray[np.float32]:
        """Every picture [n, width] converted by what other people taught."""
        data = self.data
        out = converted(fit_conversion(data.at(self.train), config), data.embeddings, data.maps, data.years)
        for fold in range(FOLDS):
            mine = self.folds == fold
            part = data.at(mine & self.train)
            taught = fit_conversion(data.at(self.train & ~mine), config)
            out[mine & self.train] = converted(taught, part.embeddings, part.maps, part.years)
        return out


@dataclass(frozen=True, slots=True)
class Choice:
    """Fractions, mean of both groups: by E's embeddings, and behind G."""

    config: ConversionConfig
    accuracy: float
    eer: float
    accuracy_g: float
    eer_g: float

    @property
    def cost(self) -> float:
        """Errors at the best threshold and where both are equal, before and behind G alike."""
        return (1 - self.accuracy + self.eer + 1 - self.accuracy_g + self.eer_g) / 4


def judged(
    choosers: Choosers, vectors: NDArray[np.float32], frontalize: Frontalize, config: ConversionConfig
) -> Choice:
    """What vectors [n, width] of all rows are worth on the two groups."""
    rates = []
    for found in (vectors, frontalize(vectors)):
        verified = [verify(pairs, scores_of(pairs, found)) for pairs in choosers.groups.values()]
        rates += [float(np.mean([one.folded.mean for one in verified])), float(np.mean([one.eer for one in verified]))]
    return Choice(config, *rates)


def choices(choosers: Choosers, frontalize: Frontalize) -> list[Choice]:
    """First the gate with all else as it is, then the rest of the grid behind that gate; best first."""
    gates = [_try(choosers, frontalize, config) for config in track(list(_gates()), "gates")]
    best = min(gates, key=lambda one: one.cost).config
    rest = [_try(choosers, frontalize, config) for config in track(list(_grid(best)), "grid")]
    return sorted([*gates, *rest], key=lambda one: one.cost)


def _try(choosers: Choosers, frontalize: Frontalize, config: ConversionConfig) -> Choice:
    return judged(choosers, choosers.outside(config), frontalize, config)


def _gates() -> Iterator[ConversionConfig]:
    for (full, none), adult in product(GATES, GRID["adult"]):
        yield ConversionConfig(full=full, none=none, adult=adult)


def _grid(best: ConversionConfig) -> Iterator[ConversionConfig]:
    for values in product(*GRID.values()):
        yield replace(best, **dict(zip(GRID, values, strict=True)))


def choice_table(found: Sequence[Choice], before: Choice, most: int = 12) -> Table:
    """The best, and E without conversion; in percent."""
    heads = ("pull", "map", "adult", "gate, years", "accuracy / EER", "behind G", "cost")
    table = Table(*heads, title="Conversion, LAG people who did not teach it, %", title_justify="left")
    for one in (before, *found[:most]):
        config = one.config
        named = (f"{config.pull:g}", f"{config.map_weight:g}", f"{config.adult:g}", f"{config.full:g}-{config.none:g}")
        table.add_row(
            *(named if one is not before else ("", "", "", "none")),
            f"{100 * one.accuracy:.2f} / {100 * one.eer:.2f}",
            f"{100 * one.accuracy_g:.2f} / {100 * one.eer_g:.2f}",
            f"{100 * one.cost:.2f}",
        )
    return table
