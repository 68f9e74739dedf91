"""Which cosine keeps which false match rate, measured on people whom no training saw.

    python -m training.thresholds app/weights/fast --crops DIR --leave-out DIR --targets DIR

measures a finished model again and writes both tables into its card, whose model id changes. ``thresholds`` are of
single comparisons: picture against picture, within each set. ``search_thresholds`` are of searches as the service makes
them: a picture against subjects of two templates each, judged by how far it stands out of its crowd
(``app.service.contrast``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.face.nets.heads import Frontalizer
from app.face.weights import CARD, load_part, read_card, write_card
from app.service.contrast import crowd_level, crowd_size
from app.service.fusion import means_of_subjects
from training.data.store import CropStore
from training.frontalization import FRONTAL_YAW, apply
from training.strangers import embed_store, left_out_people, told_apart, what_teacher_says

TABLE_FMR: Final = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
"""False match rates at which a card gives a threshold."""

SEARCH_FMR: Final = (5e-1, 3e-1, 2e-1, *TABLE_FMR)
"""The same for searches, where crowds of small collections lie at high rates."""

Table = list[tuple[float, float]]
"""(FMR, threshold), the FMR falling."""

TEMPLATES: Final = 2
"""Frontal pictures of a subject in a search."""

DRAWS: Final = 5
"""Times that templates are drawn anew."""


def threshold_table(
    embeddings: NDArray[np.float32],
    people: NDArray[np.int64],
    groups: NDArray[np.integer] | None = None,
    rates: Iterable[float] = TABLE_FMR,
    block: int = 1000,
) -> tuple[Table, int]:
    """(FMR, threshold) pairs from all non-mated pairs of unit rows [n, m], and how many pairs there were.

    Only rows of the same group [n] are paired, where groups are given. Rates that fewer than ten scores
    support are left out. A pair matches when its score >= threshold.
    """
    edges = np.linspace(-1, 1, 40_001)
    counts = np.zeros(len(edges) - 1, np.int64)
    groups = np.zeros(len(people), np.int64) if groups is None else groups
    for start in range(0, len(embeddings), block):
        rows = slice(start, start + block)
        scores = embeddings[rows] @ embeddings.T
        later = np.arange(len(embeddings))[None, :] > np.arange(start, start + len(scores))[:, None]
        apart = later & (people[rows, None] != people[None, :]) & (groups[rows, None] == groups[None, :])
        counts += np.histogram(scores[apart], edges)[0]
    return _quantiles(counts, edges, rates)


def search_table(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], yaw: NDArray[np.float32], seed: int = 7
) -> tuple[Table, int]:
    """(FMR, threshold) of searches for strangers, each face judged against its crowd, and how many comparisons.

    Unit rows [n, m] of ``people`` [n], turned by ``yaw`` degrees [n]. In each of ``DRAWS`` draws every person with a
    frontal picture is a subject of up to ``TEMPLATES`` of them, and every picture a probe against all others. A score
    counts as what it is above the probe's crowd level, plus the mean crowd level: what a usual face would score.
    No table where the subjects are too few for a crowd.
    """
    rng = np.random.default_rng(seed)
    edges = np.linspace(-2, 2, 80_001)
    counts = np.zeros(len(edges) - 1, np.int64)
    owner = np.unique(people, return_inverse=True)[1]
    for _ in range(DRAWS):
        subjects, gallery = _drawn(embeddings, owner, np.flatnonzero(np.abs(yaw) < FRONTAL_YAW), rng)
        size = crowd_size(len(subjects) - 1)
        if not size:
            return [], 0
        scores = embeddings @ gallery.T
        mated = owner[:, None] == subjects[None, :]
        others = np.sort(np.where(mated, -np.inf, scores), axis=1)[:, ::-1]
        level = crowd_level(others, size)
        counts += np.histogram((scores - level[:, None] + level.mean())[~mated], edges)[0]
    return _quantiles(counts, edges, SEARCH_FMR)


def measured(
    embeddings: NDArray[np.float32],
    people: NDArray[np.int64],
    yaw: NDArray[np.float32],
    groups: NDArray[np.integer] | None = None,
) -> tuple[dict[str, Table], dict[str, Any]]:
    """Both tables as a card names them, and the metric that says what they were measured on."""
    pairs, compared = threshold_table(embeddings, people, groups)
    searches, searched = search_table(embeddings, people, yaw)
    about = {
        "what": "thresholds",
        "non_mated_pairs": compared,
        "non_mated_in_searches": searched,
        "people": len(np.unique(people)),
    }
    return {"thresholds": pairs, "search_thresholds": searches}, about


def measured_on_strangers(
    embeddings: NDArray[np.float32], store: CropStore, said: NDArray[np.float32]
) -> tuple[dict[str, Table], dict[str, Any]]:
    """``measured`` on the rows of ``store`` [n] that the teacher, which ``said`` [n, m], does not take for mistakes."""
    people, kept = told_apart(said, store.identity)
    tables, about = measured(embeddings[kept], people[kept], store.yaw[kept], store.part[kept])
    return tables, {**about, "pictures_not_believed": int((~kept).sum())}


def _drawn(
    embeddings: NDArray[np.float32],
    owner: NDArray[np.integer],
    frontal: NDArray[np.integer],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Subjects [s], rising, and the mean [s, m] of up to ``TEMPLATES`` of each one's frontal rows."""
    rows = rng.permutation(frontal)
    rows = rows[np.argsort(owner[rows], kind="stable")]
    _, starts, sizes = np.unique(owner[rows], return_index=True, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(starts, sizes)
    enrolled = rows[place < TEMPLATES]
    return means_of_subjects(embeddings[enrolled], owner[enrolled].astype(np.int64))


def _quantiles(counts: NDArray[np.int64], edges: NDArray[np.floating], rates: Iterable[float]) -> tuple[Table, int]:
    total = int(counts.sum())
    above = counts[::-1].cumsum()[::-1] / max(total, 1)
    return [(rate, round(float(edges[np.argmax(above <= rate)]), 4)) for rate in rates if rate * total >= 10], total


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="folder of the model's card")
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--leave-out", type=Path, required=True)
    parser.add_argument("--targets", type=Path, required=True, help="folder of training.targets")
    args = parser.parse_args(argv)
    card, raw = read_card(args.model), json.loads((args.model / CARD).read_text(encoding="utf-8"))
    strangers = left_out_people(args.crops, args.leave_out)
    vectors = embed_store(load_part(card, "extractor"), strangers)
    if "frontalizer" in card.parts:
        g = load_part(card, "frontalizer")
        assert isinstance(g, Frontalizer)
        vectors = apply(g, vectors)
    tables, about = measured_on_strangers(vectors, strangers, what_teacher_says(strangers, args.targets))
    kept = [one for one in raw["metrics"] if one.get("what") != about["what"]]
    card = write_card(args.model, {**raw, **tables, "metrics": [*kept, about]})
    print(f"{card.model_id}: {about}")


if __name__ == "__main__":
    main()
