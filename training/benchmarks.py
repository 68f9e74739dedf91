"""Test sets and their official pairs: LFW View 2, CFP's ten folds, LAG adult-young, MFR2 masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import protocols
from training.data.readers import lag_is_young

Frontalize = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""``G``: unit rows [n, width] to unit rows [n, width]."""

TrainFrontalizer = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]], Frontalize]
"""Makes a ``G`` from unit embeddings [n, width], identities [n] from 0, and yaws [n] in degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A test set as one extractor sees it.

    ``vectors`` float32 [n, width], unit rows; a row of zeros is a face that was not found. ``yaw``
    float32 [n] in degrees, from the labels, so that bins are the same for every extractor.
    """

    name: str
    paths: tuple[str, ...]
    vectors: NDArray[np.float32]
    yaw: NDArray[np.float32]

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Faces that were not found [n]."""
        return np.asarray(~self.vectors.any(axis=1), np.bool_)

    def through(self, frontalize: Frontalize) -> Embedded:
        """The same set with ``G`` applied; faces not found stay so."""
        turned = np.where(self.lost[:, None], np.float32(0), frontalize(self.vectors))
        return replace(self, vectors=np.asarray(turned, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Rows of an :class:`Embedded` compared two by two: int64 [m], bool [m], fold number int64 [m]."""

    name: str
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    mated: NDArray[np.bool_]
    folds: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """Scores of pairs and what the protocols say of them; rates are fractions.

    A pair with a face that was not found scores -1, so it is rejected in every rate, and counts as an
    error of ``folded`` whatever its label.
    """

    pairs: Pairs
    scores: NDArray[np.float32]
    folded: protocols.Folded
    interval: protocols.Interval
    eer: float
    tpr_1e3: float
    tpr_1e2: float
    lost: int


def scores_of(pairs: Pairs, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each pair float32 [m]; -1 where a face was not found."""
    left, right = vectors[pairs.left], vectors[pairs.right]
    cosines = np.einsum("ij,ij->i", left, right)
    return np.where(left.any(axis=1) & right.any(axis=1), cosines, np.float32(-1))


def verify(pairs: Pairs, scores: NDArray[np.float32]) -> Verified:
    """All one-to-one figures of ``pairs``."""
    lost = scores <= -1
    folded = protocols.folded_accuracy(scores, pairs.mated, pairs.folds, lost)
    right = round(
        sum(r * np.sum(pairs.folds == f) for f, r in zip(np.unique(pairs.folds), folded.per_fold, strict=True))
    )
    return Verified(
        pairs,
        scores,
        folded,
        protocols.wilson(right, len(scores)),
        protocols.equal_error_rate(scores, pairs.mated),
        protocols.tpr_at(scores, pairs.mated, 1e-3),
        protocols.tpr_at(scores, pairs.mated, 1e-2),
        int(lost.sum()),
    )


def with_folds_of_g(
    lists: Sequence[Pairs], people: NDArray[np.int64], embedded: Embedded, train: TrainFrontalizer
) -> list[Verified]:
    """Each fold scored by a ``G`` trained on the people of the other nine; ``people`` [n] identifies the rows.

    ``lists`` share their folds (CFP-FF and CFP-FP), so one ``G`` a fold serves them all. Raises ``ValueError``
    when a person stands in two folds, for then no ``G`` would be clean.
    """
    scores = [np.full(len(pairs.mated), -1, np.float32) for pairs in lists]
    for fold in np.unique(lists[0].folds):
        tested, others = (
            np.unique(
                people[np.concatenate([side[(p.folds == fold) == here] for p in lists for side in (p.left, p.right)])]
            )
            for here in (True, False)
        )
        if np.isin(tested, others).any():
            raise ValueError(f"fold {fold} shares people with another")
        usable = ~np.isin(people, tested) & ~embedded.lost
        _, identities = np.unique(people[usable], return_inverse=True)
        g = train(embedded.vectors[usable], identities.astype(np.int64), embedded.yaw[usable])
        turned = embedded.through(g).vectors
        for pairs, found in zip(lists, scores, strict=True):
            rows = pairs.folds == fold
            found[rows] = scores_of(pairs, turned)[rows]
    return [verify(pairs, found) for pairs, found in zip(lists, scores, strict=True)]


def all_pairs_of(pairs: Pairs, embedded: Embedded) -> protocols.PairCounts:
    """Every pair among the pictures that ``pairs`` names (LFW: 7,701 pictures, 29.6 million non-mated)."""
    rows = np.unique(np.concatenate([pairs.left, pairs.right]))
    found = rows[~embedded.lost[rows]]
    people = people_of([embedded.paths[i] for i in found])
    return protocols.all_pairs(embedded.vectors[found], people)


def people_of(paths: Iterable[str]) -> NDArray[np.int64]:
    """Numbers [n] of the people of ``PERSON/picture``, ``PERSON/{frontal,profile,y}/picture`` paths."""
    folders = [[part for part in path.split("/")[:-1] if part not in {"frontal", "profile", "y"}][-1] for path in paths]
    return np.unique(folders, return_inverse=True)[1].astype(np.int64)


# --- pair lists -----------------------------------------------------------------------------------


def named_pairs(name: str, listing: Path, paths: Sequence[str], suffix: str = ".jpg") -> Pairs:
    """LFW's ``pairs.txt``: ``NAME n m`` and ``NAME n NAME m``, after a line ``folds pairs-of-a-kind``.

    Without that first line (MFR2) pairs are dealt to ten folds in turn. Raises ``ValueError`` for a picture
    that ``paths`` lacks.
    """
    lines = [line.split() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    header = lines.pop(0) if len(lines[0]) == 2 else None
    place = {path: i for i, path in enumerate(paths)}
    rows = []
    for number, line in enumerate(lines):
        first, n, second, m = line if len(line) == 4 else (line[0], line[1], line[0], line[2])
        fold = number // (2 * int(header[1])) if header else number % 10
        ends = [f"{who}/{who}_{int(which):04d}{suffix}" for who, which in ((first, n), (second, m))]
        if any(end not in place for end in ends):
            raise ValueError(f"{listing.name} names a picture that is not there, line {number + 1}")
        rows.append((place[ends[0]], place[ends[1]], first == second, fold))
    return _pairs(name, rows)


def cfp_pairs(kind: str, protocol: Path, paths: Sequence[str]) -> Pairs:
    """CFP's official ten folds. ``kind`` is ``FF`` or ``FP``; ``protocol`` the set's ``Protocol`` folder."""
    place = {"/".join(path.split("/")[-3:]): i for i, path in enumerate(paths)}

    def listed(letter: str) -> dict[int, int]:
        lines = (protocol / f"Pair_list_{letter}.txt").read_text(encoding="utf-8").split("\n")
        pairs = (line.split() for line in lines if line.strip())
        return {int(number): place["/".join(path.split("/")[-3:])] for number, path in pairs}

    left, right = listed("F"), listed(kind[1])
    rows = []
    for fold in range(10):
        folder = protocol / "Split" / kind / f"{fold + 1:02d}"
        for file, mated in (("same.txt", True), ("diff.txt", False)):
            for line in (folder / file).read_text(encoding="utf-8").split():
                a, b = line.split(",")
                rows.append((left[int(a)], right[int(b)], mated, fold))
    return _pairs(f"CFP-{kind}", rows)


def lag_pairs(paths: Sequence[str], people: frozenset[str], seed: int = 14) -> Pairs:
    """All young-adult pairs of each of ``people`` and as many with an adult picture of somebody else.

    The non-mated adult is drawn with a fixed seed from the same fold; people are dealt to ten folds by name,
    so that no fold shares a person with another.
    """
    chosen = sorted(people)
    fold_of = {person: i % 10 for i, person in enumerate(chosen)}
    young: dict[str, list[int]] = {person: [] for person in chosen}
    adult: dict[str, list[int]] = {person: [] for person in chosen}
    for i, path in enumerate(paths):
        person = path.split("/")[0]
        if person in people:
            (young if lag_is_young(path) else adult)[person].append(i)
    rng = np.random.default_rng(seed)
    rows = []
    for person in chosen:
        others = [i for p in chosen if p != person and fold_of[p] == fold_of[person] for i in adult[p]]
        for a in young[person]:
            for b in adult[person]:
                rows.append((a, b, True, fold_of[person]))
                rows.append((a, int(rng.choice(others)), False, fold_of[person]))
    return _pairs("LAG", rows)


def _pairs(name: str, rows: Sequence[tuple[int, int, bool, int]]) -> Pairs:
    table = np.array(rows, np.int64)
    return Pairs(name, table[:, 0], table[:, 1], table[:, 2].astype(np.bool_), table[:, 3])
