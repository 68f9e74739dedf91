"""Verification and identification protocols: pure functions over scores and labels.

A score is a cosine, -1..1, higher means more alike; a pair is accepted when ``score >= threshold``.
Rates are fractions. Terms as in ISO/IEC 19795-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.service.contrast import SKIPPED, crowd_level, crowd_size

Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Folded:
    """Accuracy over folds: ``mean`` and ``std`` (population), 0-1, with the threshold that each fold used."""

    mean: float
    std: float
    per_fold: tuple[float, ...]
    thresholds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate with its confidence interval."""

    rate: float
    low: float
    high: float


# --- one to one -----------------------------------------------------------------------------------


def best_threshold(scores: Scores, mated: Mask) -> float:
    """The threshold of highest accuracy, midway between the two scores it parts; the lowest such on ties."""
    order = np.argsort(scores, kind="stable")
    s, m = np.asarray(scores, np.float64)[order], mated[order]
    # accepted from position i on: right are the mated at or after i and the non-mated before it
    right = np.concatenate([[0], np.cumsum(~m)]) + np.concatenate([np.cumsum(m[::-1])[::-1], [0]])
    cuts = np.concatenate([[s[0] - 1e-6], (s[1:] + s[:-1]) / 2, [s[-1] + 1e-6]])
    possible = np.concatenate([[True], s[1:] > s[:-1], [True]])
    return float(cuts[possible][np.argmax(right[possible])])


def accuracy(scores: Scores, mated: Mask, threshold: float) -> float:
    """Share of pairs decided rightly."""
    return float(np.mean((np.asarray(scores, np.float64) >= threshold) == mated))


def folded_accuracy(scores: Scores, mated: Mask, folds: NDArray[np.integer], lost: Mask | None = None) -> Folded:
    """Accuracy of each fold at the threshold chosen on all others (LFW View 2; CFP). ``folds`` [n] numbers the fold.

    ``lost`` [n] marks pairs with a face that was not found: wrong whatever the label, and not used for thresholds.
    """
    lost = np.zeros(len(scores), np.bool_) if lost is None else lost
    rates, thresholds = [], []
    for fold in np.unique(folds):
        test, rest = folds == fold, (folds != fold) & ~lost
        threshold = best_threshold(scores[rest], mated[rest])
        right = (np.asarray(scores, np.float64) >= threshold) == mated
        rates.append(float(np.mean(right[test] & ~lost[test])))
        thresholds.append(threshold)
    return Folded(float(np.mean(rates)), float(np.std(rates)), tuple(rates), tuple(thresholds))


def det(scores: Scores, mated: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """FMR, FNMR and threshold, at every threshold that changes either; thresholds rise, FMR falls."""
    genuine, impostor = np.sort(scores[mated]), np.sort(scores[~mated])
    thresholds = np.unique(np.concatenate([genuine, impostor, [np.inf]]).astype(np.float64))
    fmr = 1 - np.searchsorted(impostor, thresholds, "left") / max(len(impostor), 1)
    fnmr = np.searchsorted(genuine, thresholds, "left") / max(len(genuine), 1)
    return fmr, fnmr, thresholds


def equal_error_rate(scores: Scores, mated: Mask) -> float:
    """Where FMR = FNMR, linear between the two thresholds around the crossing."""
    fmr, fnmr, _ = det(scores, mated)
    after = int(np.argmax(fnmr >= fmr))
    if after == 0:
        return float((fmr[0] + fnmr[0]) / 2)
    gap0, gap1 = fmr[after - 1] - fnmr[after - 1], fnmr[after] - fmr[after]
    share = gap0 / (gap0 + gap1)
    return float(fmr[after - 1] + share * (fmr[after] - fmr[after - 1]))


def threshold_at(impostor: Scores, rate: float) -> float:
    """The lowest threshold with FMR <= ``rate``: just above the first impostor score that may not pass.

    A rate under one in ``len(impostor)`` puts the threshold above all of them.
    """
    passed = int(np.floor(rate * len(impostor) + 1e-9))
    if passed >= len(impostor):
        return -np.inf
    ranked = np.partition(impostor, len(impostor) - 1 - passed)
    # in the scores' own precision: a float64 just above would be rounded back when they are compared
    return float(np.nextafter(ranked[len(impostor) - 1 - passed], ranked.dtype.type(np.inf)))


def tpr_at(scores: Scores, mated: Mask, rate: float) -> float:
    """Share of mated pairs accepted where at most ``rate`` of the non-mated ones are (TPR at FPR, TAR at FAR)."""
    return float(np.mean(scores[mated] >= threshold_at(scores[~mated], rate)))


# --- all pairs of a set ---------------------------------------------------------------------------

BINS: Final = 200_001
"""Scores of all pairs are counted in bins of 1e-5 from -1 to 1: memory does not grow with the pairs."""


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """Histograms int64 [BINS] of mated and non-mated scores; bin ``b`` starts at ``-1 + b 1e-5``."""

    mated: NDArray[np.int64]
    non_mated: NDArray[np.int64]

    def threshold_at(self, fmr: float) -> float:
        """The lowest bin edge with at most ``fmr`` of the non-mated scores at or above it."""
        above = np.cumsum(self.non_mated[::-1])[::-1]
        return _edge(int(np.argmax(np.append(above, 0) <= fmr * self.non_mated.sum() + 1e-9)))

    def tar_at(self, fmr: float) -> float:
        """Share of mated pairs at or above the threshold of this FMR."""
        start = round((self.threshold_at(fmr) + 1) * (BINS - 1) / 2)
        return float(self.mated[start:].sum() / max(self.mated.sum(), 1))

    def threshold_table(self, rates: Sequence[float]) -> list[tuple[float, float]]:
        """(FMR, threshold) for each rate that the number of non-mated scores can carry: ten errors at least."""
        return [(rate, self.threshold_at(rate)) for rate in rates if rate * self.non_mated.sum() >= 10]


def all_pairs(embeddings: NDArray[np.float32], identities: NDArray[np.integer], block: int = 1024) -> PairCounts:
    """Cosines of every unordered pair of unit rows [n, width], in blocks of ``block`` x n.

    The 29.6 million pairs of LFW View 2 take a few seconds and a few megabytes.
    """
    counts = np.zeros((2, BINS), np.int64)
    n = len(embeddings)
    for start in range(0, n, block):
        stop = min(start + block, n)
        bins = _bins(embeddings[start:stop] @ embeddings[start:].T)
        upper = np.arange(start, n)[None, :] > np.arange(start, stop)[:, None]
        same = identities[start:stop, None] == identities[None, start:]
        counts[0] += np.bincount(bins[upper & same], minlength=BINS)
        counts[1] += np.bincount(bins[upper & ~same], minlength=BINS)
    return PairCounts(counts[0], counts[1])


def cross_pairs(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    left_ids: NDArray[np.integer],
    right_ids: NDArray[np.integer],
    block: int = 1024,
) -> PairCounts:
    """Like :func:`all_pairs` for every pair of a left and a right row."""
    counts = np.zeros((2, BINS), np.int64)
    for start in range(0, len(left), block):
        part = slice(start, start + block)
        bins = _bins(left[part] @ right.T)
        same = left_ids[part, None] == right_ids[None, :]
        counts[0] += np.bincount(bins[same], minlength=BINS)
        counts[1] += np.bincount(bins[~same], minlength=BINS)
    return PairCounts(counts[0], counts[1])


def _bins(scores: NDArray[np.float32]) -> NDArray[np.int32]:
    half = np.float32((BINS - 1) / 2)
    return np.asarray(np.clip((scores + np.float32(1)) * half, 0, BINS - 1), np.int32)


def _edge(number: int) -> float:
    return number * 2 / (BINS - 1) - 1


# --- one to many ----------------------------------------------------------------------------------


NOT_FOUND: Final = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What a search of each probe over *subjects* gave.

    ``mate`` float32 [q] is the score of the probe's own subject (``-inf`` where it is not enrolled or the
    probe had no face); ``other`` float32 [q] the best score of any other subject; ``rank`` int64 [q] the
    place of the mate, from 1, ties counted against it; 0 where there is no mate, ``NOT_FOUND`` where the
    mate is enrolled but the probe had no face. ``level`` float32 [q]: the probe's crowd level
    (``app.service.contrast``), 0 where the subjects are too few for a crowd.
    """

    mate: NDArray[np.float32]
    other: NDArray[np.float32]
    rank: NDArray[np.int64]
    level: NDArray[np.float32]


def search(
    probes: NDArray[np.float32],
    probe_ids: NDArray[np.integer],
    gallery: NDArray[np.float32],
    gallery_ids: NDArray[np.integer],
    block: int = 512,
) -> Search:
    """Search unit ``probes`` [q, width] over subjects, each scored by its best template of ``gallery`` [g, width].

    A probe row of zeros or NaN is a face that was not found: it matches nothing.
    """
    order = np.argsort(gallery_ids, kind="stable")
    subjects, starts = np.unique(gallery_ids[order], return_index=True)
    templates = gallery[order]
    lost = np.asarray(~np.isfinite(probes).all(axis=1) | ~probes.any(axis=1), np.bool_)
    mate, other = (np.full(len(probes), -np.inf, np.float32) for _ in range(2))
    rank = np.zeros(len(probes), np.int64)
    place = np.searchsorted(subjects, probe_ids)
    enrolled = np.isin(probe_ids, subjects)
    level, crowd = np.zeros(len(probes), np.float32), crowd_size(len(subjects))
    for start in range(0, len(probes), block):
        rows = np.arange(start, min(start + block, len(probes)))
        best = np.maximum.reduceat(np.nan_to_num(probes[rows]) @ templates.T, starts, axis=1)
        if crowd:
            nearest = np.partition(best, -(SKIPPED + crowd), axis=1)[:, -(SKIPPED + crowd) :]
            level[rows] = crowd_level(np.sort(nearest, axis=1)[:, ::-1], crowd)
        best[lost[rows]] = -np.inf
        known = enrolled[rows]
        mine = best[known, place[rows[known]]]
        mate[rows[known]] = mine
        best[known, place[rows[known]]] = -np.inf
        other[rows] = best.max(axis=1)
        ahead = (best[known] >= mine[:, None]).sum(axis=1)
        rank[rows[known]] = np.where(np.isneginf(mine), NOT_FOUND, 1 + ahead)
    return Search(mate, other, rank, level)


def against_crowds(found: Search) -> Search:
    """The same searches with scores above each probe's own crowd level; ranks stay."""
    return replace(found, mate=found.mate - found.level, other=found.other - found.level)


def rank_rate(rank: NDArray[np.integer], k: int) -> float:
    """Share of mated probes (rank > 0) whose mate is among the first ``k``."""
    ranks = rank[rank > 0]
    return float(np.mean(ranks <= k)) if len(ranks) else float("nan")


def cmc(rank: NDArray[np.integer], longest: int = 20) -> NDArray[np.float64]:
    """:func:`rank_rate` for k = 1 .. ``longest``."""
    return np.array([rank_rate(rank, k) for k in range(1, longest + 1)])


def fnir_at_fpir(found: Search, strangers: Search, fpir: float) -> tuple[float, float]:
    """FNIR at rank 1 where at most ``fpir`` of the strangers' searches raise an alarm, and the threshold.

    A miss is a mated search whose own subject is not first or is under the threshold (ISO/IEC 19795-1).
    """
    alarms = np.maximum(strangers.other, strangers.mate)
    threshold = threshold_at(alarms, fpir)
    mated = found.rank > 0
    hit = (found.rank == 1) & (found.mate >= threshold)
    return float(1 - np.mean(hit[mated])), threshold


DIFFICULTIES: Final = {"Simple": (0.0, 30.0), "Medium": (30.0, 60.0), "Hard": (60.0, 180.0)}


def by_difficulty(yaw: Scores) -> dict[str, Mask]:
    """Probes by ``|yaw|`` in degrees: Simple under 30, Medium 30 to 60, Hard from 60 (the source sets no bounds)."""
    turned = np.abs(yaw)
    return {name: (turned >= low) & (turned < high) for name, (low, high) in DIFFICULTIES.items()}


# --- how sure ------------------------------------------------------------------------------------


def wilson(errors: int, trials: int, z: float = 1.96) -> Interval:
    """Wilson's interval of a share (Wilson 1927), 95 % by default; right also at 0 and 1 errors."""
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0)
    p = errors / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return Interval(p, float(max(centre - half, 0.0)), float(min(centre + half, 1.0)))


def bootstrap(
    outcomes: Scores, groups: NDArray[np.integer], samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of the mean of ``outcomes`` [n] when whole ``groups`` (people) are drawn again, since
    pictures of one person fail together."""
    _, index = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(index, outcomes), np.bincount(index)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(sums), (samples, len(sums)))
    rates = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(outcomes)), float(low), float(high))
