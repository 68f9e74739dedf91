"""One-to-many tests on CFP: rank by yaw, open set, distractors; and false matches by group on UTKFace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.thresholds import ThresholdTable
from app.service.contrast import crowd_size
from app.service.fusion import means_of_subjects
from training import protocols
from training.benchmarks import Embedded, people_of
from training.calibration import limits_of

YAW_EDGES: Final = (0, 15, 30, 45, 60, 75, 90)
GALLERY_SIZES: Final = (250, 500, 1000, 3000, 10_000, 20_000)
ENROLLED_PICTURES: Final = 2
"""Of each enrolled person the first two frontal pictures."""


@dataclass(frozen=True, slots=True)
class RankByYaw:
    """Closed-set search by ``|yaw|`` in [low, high) degrees; rates are fractions."""

    low: float
    high: float
    probes: int
    rank1: float
    rank5: float


@dataclass(frozen=True, slots=True)
class Served:
    """What came of a wanted FPIR of 1 %: the share of strangers' probes of one kind that raised an alarm, and FNIR."""

    fpir: float
    fnir: float


@dataclass(frozen=True, slots=True)
class OpenSet:
    """One kind of probe against one gallery.

    ``fnir_1e2`` and ``fnir_1e3`` are at the one threshold where that share of *all* strangers' probes, frontal
    and profile, raise an alarm, since a system has one threshold; ``fnir_own_1e2`` at the threshold of the
    strangers' probes of the same kind. ``crowd_1e2`` and ``crowd_1e3``: where each probe is judged by how far it stands
    out of its crowd, as the service does. ``served``: at the service's own threshold for that FPIR, where its model has
    one.
    """

    probes: str
    subjects: int
    mated: int
    strangers: int
    rank1: float
    rank5: float
    fnir_1e2: protocols.Interval
    fnir_1e3: float
    fnir_own_1e2: float
    threshold_1e2: float
    rank1_by_difficulty: dict[str, float]
    lost: int
    crowd_1e2: protocols.Interval
    crowd_1e3: float
    served: Served | None


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """CFP for the open set: the 250 people of even place by name are enrolled, the 250 of odd place are strangers.

    Places run over the sorted people 001 to 500, so both halves hold people of all ten official folds.
    Arrays are rows of the set: two frontal pictures of each enrolled person, and the probes.
    """

    enrolled: NDArray[np.int64]
    frontal: NDArray[np.int64]
    profile: NDArray[np.int64]
    stranger_frontal: NDArray[np.int64]
    stranger_profile: NDArray[np.int64]


def cfp_split(paths: Sequence[str]) -> Split:
    """The fixed split (see :class:`Split`); enrolment takes each person's first frontal pictures by name."""
    people = people_of(paths)
    profile = np.array(["/profile/" in f"/{path}" for path in paths])
    known = people % 2 == 0
    enrolled = np.zeros(len(paths), np.bool_)
    for person in np.unique(people[known]):
        rows = np.flatnonzero((people == person) & ~profile).tolist()
        enrolled[sorted(rows, key=lambda i: paths[i])[:ENROLLED_PICTURES]] = True
    return Split(
        np.flatnonzero(enrolled),
        np.flatnonzero(known & ~profile & ~enrolled),
        np.flatnonzero(known & profile),
        np.flatnonzero(~known & ~profile),
        np.flatnonzero(~known & profile),
    )


def open_set(
    cfp: Embedded, distractors: NDArray[np.float32] | None = None, searches: ThresholdTable | None = None
) -> list[OpenSet]:
    """Frontal and profile probes of CFP's enrolled people, against thresholds set by strangers.

    ``distractors`` [d, width] are enrolled besides, each a subject of its own. ``searches`` is the model's table of
    thresholds for searches. A probe without a face is a miss,
    and a stranger without a face raises no alarm; a person none of whose enrolled pictures has a face stays out
    of the gallery, and all their probes are misses.
    """
    split, people = cfp_split(cfp.paths), people_of(cfp.paths)
    usable = split.enrolled[~cfp.lost[split.enrolled]]
    subjects, gallery = means_of_subjects(cfp.vectors[usable], people[usable])  # as the service compares
    if distractors is not None and len(distractors):
        gallery = np.concatenate([gallery, distractors])
        subjects = np.concatenate([subjects, people.max() + 1 + np.arange(len(distractors))])

    def run(rows: NDArray[np.int64]) -> protocols.Search:
        return protocols.search(cfp.vectors[rows], people[rows], gallery, subjects)

    strangers = {"frontal": run(split.stranger_frontal), "profile": run(split.stranger_profile)}
    everyone = _joined(*strangers.values())
    table = []
    for kind, rows in (("frontal", split.frontal), ("profile", split.profile)):
        found = run(rows)
        found = replace(found, rank=np.where(found.rank == 0, protocols.NOT_FOUND, found.rank))
        fnir, threshold = protocols.fnir_at_fpir(found, everyone, 1e-2)
        missed = 1 - ((found.rank == 1) & (found.mate >= threshold)).astype(np.float64)
        interval = protocols.bootstrap(missed, people[rows])
        out, out_strangers = protocols.against_crowds(found), protocols.against_crowds(everyone)
        out_threshold = protocols.fnir_at_fpir(out, out_strangers, 1e-2)[1]
        out_missed = 1 - ((out.rank == 1) & (out.mate >= out_threshold)).astype(np.float64)
        parts = protocols.by_difficulty(cfp.yaw[rows])
        table.append(
            OpenSet(
                kind,
                len(np.unique(subjects)),
                len(rows),
                len(everyone.other),
                protocols.rank_rate(found.rank, 1),
                protocols.rank_rate(found.rank, 5),
                protocols.Interval(fnir, interval.low, interval.high),
                protocols.fnir_at_fpir(found, everyone, 1e-3)[0],
                protocols.fnir_at_fpir(found, strangers[kind], 1e-2)[0],
                threshold,
                {name: protocols.rank_rate(found.rank[part], 1) for name, part in parts.items() if part.any()},
                int(cfp.lost[rows].sum()),
                protocols.bootstrap(out_missed, people[rows]),
                protocols.fnir_at_fpir(out, out_strangers, 1e-3)[0],
                _served(found, strangers[kind], searches, len(np.unique(subjects))) if searches else None,
            )
        )
    return table


def _served(
    found: protocols.Search, strangers: protocols.Search, table: ThresholdTable, subjects: int, fpir: float = 1e-2
) -> Served | None:
    if not crowd_size(subjects) or not table.rows:
        return None
    alarms = np.maximum(strangers.other, strangers.mate) >= limits_of(strangers, table, subjects, fpir)
    hits = (found.rank == 1) & (found.mate >= limits_of(found, table, subjects, fpir))
    return Served(float(alarms.mean()), float(1 - hits.mean()))


def _joined(a: protocols.Search, b: protocols.Search) -> protocols.Search:
    return protocols.Search(
        *(np.concatenate([getattr(a, name), getattr(b, name)]) for name in ("mate", "other", "rank", "level"))
    )


def against_gallery_size(
    cfp: Embedded,
    distractors: NDArray[np.float32],
    sizes: Sequence[int] = GALLERY_SIZES,
    seed: int = 14,
    searches: ThresholdTable | None = None,
) -> list[OpenSet]:
    """:func:`open_set` with ever more distractors, in one fixed order: each gallery holds the one before."""
    order = np.random.default_rng(seed).permutation(len(distractors))
    base = len(np.unique(people_of(cfp.paths)[cfp_split(cfp.paths).enrolled]))
    wanted = [size for size in sizes if base <= size <= base + len(distractors)]
    return [one for size in wanted for one in open_set(cfp, distractors[order[: size - base]], searches)]


def frontal_gallery(cfp: Embedded) -> tuple[protocols.Search, NDArray[np.int64]]:
    """Search every other CFP picture among all people, each enrolled with one frontal picture; and the probes' rows."""
    people = people_of(cfp.paths)
    gallery = []
    for person in np.unique(people):
        rows = [i for i in np.flatnonzero(people == person) if "/frontal/" in f"/{cfp.paths[i]}" and not cfp.lost[i]]
        gallery += sorted(rows, key=lambda i: cfp.paths[i])[:1]
    probes = np.setdiff1d(np.arange(len(people)), gallery)
    found = protocols.search(cfp.vectors[probes], people[probes], cfp.vectors[gallery], people[gallery])
    return found, probes


def rank_by_yaw(found: protocols.Search, yaw: NDArray[np.float32]) -> list[RankByYaw]:
    """Closed-set rank-1 and rank-5 by the probes' labelled yaw."""
    table = []
    for low, high in pairwise(YAW_EDGES):
        part = found.rank[(np.abs(yaw) >= low) & (np.abs(yaw) < high)]
        if len(part):
            table.append(RankByYaw(low, high, len(part), protocols.rank_rate(part, 1), protocols.rank_rate(part, 5)))
    return table


@dataclass(frozen=True, slots=True)
class GroupRate:
    """False matches among non-mated pairs within one group at a threshold set elsewhere."""

    group: str
    pictures: int
    pairs: int
    fmr: protocols.Interval


def fmr_by_group(
    vectors: NDArray[np.float32], groups: Sequence[str | None], threshold: float, most: int = 3000, seed: int = 14
) -> list[GroupRate]:
    """FMR within each group of a set that has one picture a person, at most ``most`` pictures each, drawn by seed."""
    labels = np.array(["" if g is None else g for g in groups])
    rng = np.random.default_rng(seed)
    table = []
    for group in sorted(set(labels.tolist()) - {""}):
        rows = rng.permutation(np.flatnonzero((labels == group) & vectors.any(axis=1)))[:most]
        scores = vectors[rows] @ vectors[rows].T
        pairs = len(rows) * (len(rows) - 1) // 2
        passed = int(np.triu(scores >= threshold, 1).sum())
        table.append(GroupRate(group, len(rows), pairs, protocols.wilson(passed, pairs)))
    return table
