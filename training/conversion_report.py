"""What the conversion of children is worth: gains with their uncertainty, children among themselves, who stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from app.face.nets.age import AgeSeparation
from app.face.nets.conversion import AdultConversion
from app.face.nets.edgenext import EdgeNeXt
from training import protocols
from training.benchmarks import Frontalize, Pairs, Verified, scores_of, verify
from training.conversion import converted
from training.cross_age_report import Embed, Test
from training.maps import embeddings_of
from training.separation import years_of

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Gain:
    """In percent: the difference after minus before with its 95 % interval, people resampled."""

    name: str
    accuracy: protocols.Interval
    eer_cut: protocols.Interval


def ways_to_convert(
    extractor: EdgeNeXt, separation: AgeSeparation, conversion: AdultConversion, g: Frontalize | None
) -> dict[str, Embed]:
    """Maps to converted embeddings, alone and behind G."""
    grown = partial(_grown, extractor, separation, conversion)
    return {"converted": grown} | ({"G(converted)": lambda maps: g(grown(maps))} if g else {})


def _grown(
    extractor: EdgeNeXt, separation: AgeSeparation, conversion: AdultConversion, maps: NDArray[np.float16]
) -> NDArray[np.float32]:
    maps = np.asarray(maps)
    return converted(conversion, embeddings_of(extractor, maps), maps, years_of(separation, maps))


def kept(test: Test, before: Embed, after: Embed) -> float:
    """Share of a test's faces whose embedding is the very same, bit by bit."""
    rows = np.unique(np.concatenate([test.pairs.left, test.pairs.right]))
    maps = np.asarray(test.maps)[rows]
    return float((before(maps) == after(maps)).all(axis=1).mean())


def gain(
    name: str, pairs: Pairs, people: NDArray[np.int64], before: NDArray[np.float32], after: NDArray[np.float32]
) -> Gain:
    """Of vectors [n, width] over rows of ``people`` [n]. The left of a pair says whose it is; seeded."""
    found = [verify(pairs, scores_of(pairs, vectors)) for vectors in (before, after)]
    right = [_right(one) for one in found]
    whose = people[pairs.left]
    rows = [np.flatnonzero(whose == person) for person in np.unique(whose)]
    rng = np.random.default_rng(14)
    accuracies, cuts = [], []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        accuracies.append(right[1][drawn].mean() - right[0][drawn].mean())
        was, now = (protocols.equal_error_rate(one.scores[drawn], pairs.mated[drawn]) for one in found)
        cuts.append(1 - now / was)
    return Gain(
        name,
        _interval(found[1].folded.mean - found[0].folded.mean, accuracies),
        _interval(1 - found[1].eer / found[0].eer, cuts),
    )


def _right(found: Verified) -> NDArray[np.bool_]:
    """Which pairs are decided rightly, each at the threshold of its fold."""
    thresholds = dict(zip(np.unique(found.pairs.folds).tolist(), found.folded.thresholds, strict=True))
    at = np.array([thresholds[fold] for fold in found.pairs.folds.tolist()])
    return np.asarray((found.scores >= at) == found.pairs.mated)


def _interval(rate: float, drawn: Sequence[float]) -> protocols.Interval:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return protocols.Interval(100 * rate, 100 * float(low), 100 * float(high))


@dataclass(frozen=True, slots=True)
class Children:
    """Fractions, at the threshold that the card has for a false match rate of 0.1 %: children among themselves
    (mated and strangers) and children against adults."""

    eer: float
    fmr: float
    tpr: float
    adult_fmr: float
    adult_tpr: float


def children(
    vectors: NDArray[np.float32],
    young: NDArray[np.bool_],
    people: NDArray[np.int64],
    threshold: float,
) -> Children:
    """Every pair of vectors [n, width] of which one or both are of a child."""
    child, adult = np.flatnonzero(young), np.flatnonzero(~young)
    upper = np.triu(np.ones((len(child), len(child)), np.bool_), 1)
    among = (vectors[child] @ vectors[child].T)[upper]
    same = (people[child][:, None] == people[child][None])[upper]
    across = vectors[child] @ vectors[adult].T
    mated = people[child][:, None] == people[adult][None]
    return Children(
        protocols.equal_error_rate(among, same),
        float((among[~same] >= threshold).mean()),
        float((among[same] >= threshold).mean()),
        float((across[~mated] >= threshold).mean()),
        float((across[mated] >= threshold).mean()),
    )


def children_table(rows: Mapping[str, Children]) -> Table:
    table = Table(title="LAG's 300 people, every pair, at the card's threshold for FMR 0.1 %, %", title_justify="left")
    for head in ("", "child-child EER", "FMR", "TPR", "child-adult FMR", "TPR"):
        table.add_column(head)
    for name, one in rows.items():
        cells = (one.eer, one.fmr, one.tpr, one.adult_fmr, one.adult_tpr)
        table.add_row(name, *(f"{100 * cell:.3f}" for cell in cells))
    return table


def gain_table(gains: Sequence[Gain]) -> Table:
    table = Table("", "accuracy", "equal error rate cut by", title="LAG: gain, 95 % interval by people, %")
    for one in gains:
        cells = (f"{i.rate:+.2f} ({i.low:+.2f} to {i.high:+.2f})" for i in (one.accuracy, one.eer_cut))
        table.add_row(one.name, *cells)
    return table
