"""Several frames of one face to one score a subject. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def weights(qualities: Sequence[float]) -> NDArray[np.float64]:
    """Overall qualities (0-100) of the frames to weights [frames] that sum to 1; none is without any say."""
    values = np.maximum(np.asarray(qualities, np.float64), 1.0)
    return values / values.sum()


def best_per_subject(
    frames: NDArray[np.float32], templates: NDArray[np.float32], subjects: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cosine of every frame with every subject's best template.

    Unit vectors ``frames`` [f, width], ``templates`` [t, width] of ``subjects`` [t], t >= 1. Answers the distinct
    subjects [s], rising, and the cosines [f, s].
    """
    cosines = frames.astype(np.float64) @ templates.T.astype(np.float64)
    distinct, owner = np.unique(subjects, return_inverse=True)
    best = np.full((len(frames), len(distinct)), -1.0)
    for place in range(len(distinct)):
        best[:, place] = cosines[:, owner == place].max(axis=1)
    return distinct, np.clip(best, -1, 1)


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
