"""Several templates of one subject, and several frames of one face, to one score. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.gallery.contract import Hit


def weights(qualities: Sequence[float]) -> NDArray[np.float64]:
    """Overall qualities (0-100) of the frames to weights [frames] that sum to 1; none is without any say."""
    values = np.maximum(np.asarray(qualities, np.float64), 1.0)
    return values / values.sum()


def means_of_subjects(
    templates: NDArray[np.float32], subjects: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """One unit vector a subject, the mean of its unit ``templates`` [t, width]: subjects [s], rising; [s, width].

    What templates of one person share is the person; light, look and camera average out. So the mean resembles the
    person's next picture more than the best single template does, and a stranger's no more ("average pooling" of
    Cao et al., VGGFace2, 2018). docs/training.md has the figures.
    """
    distinct, owner = np.unique(subjects, return_inverse=True)
    means = np.zeros((len(distinct), templates.shape[1]))
    np.add.at(means, owner, templates.astype(np.float64))
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return distinct, (means / np.maximum(lengths, 1e-12)).astype(np.float32)


def cosines_of_subjects(
    frames: NDArray[np.float32], templates: NDArray[np.float32], subjects: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cosine of every frame with the mean of every subject's templates.

    Unit vectors ``frames`` [f, width], ``templates`` [t, width] of ``subjects`` [t], t >= 1. Answers the distinct
    subjects [s], rising, and the cosines [f, s].
    """
    distinct, means = means_of_subjects(templates, subjects)
    return distinct, np.clip(frames.astype(np.float64) @ means.astype(np.float64).T, -1, 1)


def nearest_of_subjects(
    frames: NDArray[np.float32] | NDArray[np.float64], vectors: NDArray[np.float32], subjects: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Dot product of every frame [f, width] with the nearest vector of every subject: subjects [s], rising; [f, s].

    For impostors: those of one subject are faces of different people, whose mean is nobody's.
    """
    distinct, owner = np.unique(subjects, return_inverse=True)
    nearest = np.full((len(frames), len(distinct)), -np.inf)
    products = frames.astype(np.float64) @ vectors.astype(np.float64).T
    for column, subject in enumerate(owner):
        nearest[:, subject] = np.maximum(nearest[:, subject], products[:, column])
    return distinct, nearest


def reranked(hits: Sequence[Hit], scores: Mapping[int, float]) -> list[Hit]:
    """The hits with their subjects' scores instead of their best templates', best first; who has no score is gone."""
    kept = [replace(hit, score=scores[hit.subject]) for hit in hits if hit.subject in scores]
    return sorted(kept, key=lambda hit: (-hit.score, hit.subject))


def fuse(cosines: NDArray[np.float64], frame_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """A subject's score: the mean of its frames' cosines [f, s], weighted by quality [f]. Answers [s].

    The mean of scores of one trait ("simple sum" of Kittler et al., 1998; weighted by quality as in
    ISO/IEC TR 24722). For non-mated faces the mean varies less than one frame's score, so a threshold that holds
    its false match rate for one frame holds it for several.
    """
    return frame_weights @ cosines


def mean_vector(vectors: NDArray[np.float32], frame_weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """One unit vector [width] for the frames' unit vectors [f, width]."""
    mean = frame_weights @ vectors.astype(np.float64)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
