"""Made-up people to measure a gallery with: nothing of a real face, but as hard to search.

A vector's variance falls over its dimensions as it does in a public face network (256-d, on 3,000 pictures of
as many scenes): ``exp(-2.6 x) + 1.7 / (j + 1)`` for dimension j of d, x = j / d. Isotropic vectors would flatter
every index.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.gallery.source import use_one_thread

TEMPLATES_A_SUBJECT: Final = 5
ENROLLED: Final = 0.85
PROBES: Final = {"known": 0.85, "hard": 0.5}
"""Cosine of a probe to its subject's centre: a frontal picture, and a face turned away."""


IN_MEMORY: Final = 2**30
"""Bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """``vectors`` float32 [n, width] of ``subjects`` int64 [n], and unit ``probes`` [q, width] by kind."""

    vectors: NDArray[np.float32]
    subjects: NDArray[np.int64]
    probes: dict[str, NDArray[np.float32]]


def make_crowd(templates: int, width: int, probes: int, seed: int = 0) -> Crowd:
    """Five templates a subject, probes of people who are there ("known", "hard") and of "stranger"s."""
    rng = np.random.default_rng(seed)
    people = _drawing(rng, width)

    def pictures(of: NDArray[np.float32], cosine: float) -> NDArray[np.float32]:
        away = people(len(of))
        away -= np.sum(away * of, axis=1, keepdims=True) * of
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        mixed: NDArray[np.float32] = np.float32(cosine) * of + np.float32(np.sqrt(1 - cosine**2)) * away
        return mixed

    centres = people(-(-templates // TEMPLATES_A_SUBJECT))
    subjects = np.arange(templates, dtype=np.int64) % len(centres)
    vectors = _room(templates, width)
    for at in range(0, templates, 65_536):
        vectors[at : at + 65_536] = pictures(centres[subjects[at : at + 65_536]], ENROLLED)
    chosen = centres[rng.integers(0, len(centres), probes)]
    kinds = {kind: pictures(chosen, cosine) for kind, cosine in PROBES.items()}
    return Crowd(vectors, subjects, kinds | {"stranger": people(probes)})


def _room(rows: int, width: int) -> NDArray[np.float32]:
    """Float32 [rows, width], on the disk where it is large: what is measured needs the memory."""
    if rows * width * 4 <= IN_MEMORY:
        return np.empty((rows, width), np.float32)
    with tempfile.TemporaryFile() as file:  # its pages outlive its name
        return np.memmap(file, np.float32, "w+", shape=(rows, width))


def make_people(n: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors [n, width] of as many people."""
    return _drawing(np.random.default_rng(seed), width)(n)


def _drawing(rng: np.random.Generator, width: int) -> Callable[[int], NDArray[np.float32]]:
    """What draws people of one world, so many at each call."""
    dimension = np.arange(width)
    deviation = np.sqrt(np.exp(-2.6 * dimension / width) + 1.7 / (dimension + 1)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((width, width)))[0].astype(np.float32)

    def people(n: int) -> NDArray[np.float32]:
        drawn = np.asarray((rng.standard_normal((n, width), np.float32) * deviation) @ turn, np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return drawn

    return people


def exact_subjects(
    crowd: Crowd, k: int, gone: NDArray[np.int64] | None = None, at_once: int = 1 << 18
) -> dict[str, NDArray[np.int64]]:
    """The true best ``k`` subjects [q, k] of every kind of probe, by comparing everything (float32) but the rows
    ``gone``. A part at a time: the vectors are not copied."""
    import faiss

    use_one_thread()
    here = np.ones(len(crowd.subjects), bool)
    here[np.zeros(0, np.int64) if gone is None else gone] = False
    fetch = TEMPLATES_A_SUBJECT * k
    truth = {}
    for kind, queries in crowd.probes.items():
        scores, rows = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        for at in range(0, len(here), at_once):
            part = at + np.flatnonzero(here[at : at + at_once])
            new, near = faiss.knn(
                queries, crowd.vectors[part], min(fetch, len(part)), metric=faiss.METRIC_INNER_PRODUCT
            )
            scores, rows = np.hstack([scores, new]), np.hstack([rows, part[near]])
            best = np.argsort(-scores, axis=1, kind="stable")[:, :fetch]
            scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
        truth[kind] = np.array([list(dict.fromkeys(owners.tolist()))[:k] for owners in crowd.subjects[rows]])
    return truth
