"""Does a wanted rate come of it: LFW searched as the service does, by its own thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.thresholds import ThresholdTable
from app.service.contrast import LAXEST, crowd_size, usual_level
from app.service.fusion import means_of_subjects
from training import protocols
from training.benchmarks import Embedded, people_of

SIZES: Final = (50, 100, 300, 600)
WANTED: Final = (5e-2, 1e-2, 3e-3)
DRAWS: Final = 5


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Rates as fractions, the mean of ``DRAWS`` galleries of ``subjects`` people with ``templates`` pictures each:
    what came of ``wanted``."""

    subjects: int
    templates: int
    wanted: float
    fpir: float
    fnir: float


def limits_of(found: protocols.Search, table: ThresholdTable, subjects: int, fpir: float) -> NDArray[np.float64]:
    """The service's threshold for each search [q], moved by its crowd level: there are rows, and a crowd."""
    usual = usual_level(table, subjects, crowd_size(subjects))
    return table.at_fpir(fpir, subjects)[0] + np.maximum(-LAXEST, found.level - usual)


def calibration(lfw: Embedded, table: ThresholdTable, seed: int = 14) -> list[Calibrated]:
    """Galleries of people with at least three pictures, the rest of LFW strangers; nothing where there is no table."""
    if not table.rows:
        return []
    people, usable = people_of(lfw.paths), np.flatnonzero(~lfw.lost)
    distinct, counts = np.unique(people[usable], return_counts=True)
    several = distinct[counts > 2]
    rng = np.random.default_rng(seed)
    out = []
    for templates in (1, 2):
        for size in (one for one in SIZES if one <= len(several)):
            rates = np.mean(
                [_drawn(lfw, people, usable, rng.permutation(several)[:size], templates, table) for _ in range(DRAWS)],
                axis=0,
            )
            out += [Calibrated(size, templates, w, *map(float, r)) for w, r in zip(WANTED, rates, strict=True)]
    return out


def _drawn(
    lfw: Embedded,
    people: NDArray[np.int64],
    usable: NDArray[np.int64],
    chosen: NDArray[np.int64],
    templates: int,
    table: ThresholdTable,
) -> NDArray[np.float64]:
    """FPIR and FNIR [wanted, 2] of one gallery: each chosen person's first pictures."""
    known = usable[np.isin(people[usable], chosen)]
    known = known[np.argsort(people[known], kind="stable")]
    _, starts, sizes = np.unique(people[known], return_index=True, return_counts=True)
    first = np.arange(len(known)) - np.repeat(starts, sizes) < templates
    subjects, gallery = means_of_subjects(lfw.vectors[known[first]], people[known[first]])

    def run(rows: NDArray[np.int64]) -> protocols.Search:
        return protocols.search(lfw.vectors[rows], people[rows], gallery, subjects)

    mated, strangers = run(known[~first]), run(np.setdiff1d(usable, known))
    rates = []
    for wanted in WANTED:
        alarms = strangers.other >= limits_of(strangers, table, len(subjects), wanted)
        hits = (mated.rank == 1) & (mated.mate >= limits_of(mated, table, len(subjects), wanted))
        rates.append((alarms.mean(), 1 - hits.mean()))
    return np.array(rates, np.float64)
