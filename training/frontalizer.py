"""Fit a frontalizer: whitening as its base, method A on top, each as far as it helps people that it did not see."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from app.face.nets.heads import Frontalizer
from training.frontalization import Config, Features, apply, fit_classifiers, frontal_centres, train
from training.protocols import tpr_at

HELD_OUT: Final = 8
"""One person in so many is kept out of G, to choose its step by."""

STEPS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""From no step to the whole."""
SHRINKAGES: Final = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1)
"""From no whitening to nearly all."""
FMR: Final = 1e-3
"""Where single comparisons are decided by default. An equal error rate lies among a few dozen side views: chance."""
RESAMPLES: Final = 24
"""Times that the people who choose are drawn anew, to tell what is more than chance."""


def fit(seen: Features, unseen: Features, config: Config) -> tuple[Frontalizer, dict[str, float]]:
    """G trained on the people ``seen``; how far it goes is chosen on people ``unseen``, by profiles to frontal.

    First the base: within-class whitening, shrunk by a factor of ``SHRINKAGES``. Then method A on whitened embeddings,
    its change scaled by a factor of ``STEPS``: a frontalizer goes too far as easily as not far enough. Each factor is
    the mildest that is no worse than the one that misses fewest (``mildest``). Answers G, and what was chosen and
    gained.
    """
    bases = {shrinkage: whitening(seen, shrinkage) for shrinkage in SHRINKAGES}
    rates = {one: profile_misses(unseen, whitened(unseen, base).embeddings) for one, base in bases.items()}
    shrinkage = mildest(rates)
    data, other = whitened(seen, bases[shrinkage]), whitened(unseen, bases[shrinkage])
    g = train(data, fit_classifiers(data), config)
    stepped = {step: profile_misses(other, apply(scaled(g, step), other.embeddings)) for step in STEPS}
    step = mildest(stepped)
    chosen = scaled(g, step)
    with torch.no_grad():
        chosen.base.weight.copy_(torch.from_numpy(bases[shrinkage].T))
    raw, gained = float(rates[1.0][0]), float(stepped[step][0])
    return chosen, {"shrinkage": shrinkage, "step": step, "fnmr_raw": raw, "fnmr": gained}


def mildest(rates: Mapping[float, NDArray[np.float64]]) -> float:
    """The first of the factors, which rise from mild to far, that is within one standard error of the best.

    ``rates`` [1 + draws]: the rate itself, then that of each drawing of the people, the same for all factors, so that
    the standard error is that of a difference (Breiman et al. 1984, 3.4.3, for pairs).
    """
    best = min(rates, key=lambda one: rates[one][0])
    return next(one for one in rates if (away := rates[one] - rates[best])[0] <= away[1:].std())


def whitening(data: Features, shrinkage: float) -> NDArray[np.float32]:
    """W [m, m], symmetric: rows e @ W have a flattened within-person covariance (WCCN, Hatch et al. 2006).

    The covariance is taken about each person's frontal centre, so that what turning the head does counts as within;
    ``shrinkage`` 0-1 mixes it with a multiple of the identity; 1 gives the identity.
    """
    centres, known = frontal_centres(data, unit_length=False)
    rows = known[data.people]
    away = data.embeddings[rows] - centres[data.people[rows]]
    values, vectors = np.linalg.eigh(away.T @ away / len(away))
    mixed = (1 - shrinkage) * values + shrinkage * values.mean()
    return np.asarray((vectors * (mixed / values.mean()) ** -0.5) @ vectors.T, np.float32)


def whitened(data: Features, base: NDArray[np.float32]) -> Features:
    """The same features through the base, unit length again. What teachers said is of another space then: dropped."""
    vectors = data.embeddings @ base
    return replace(data, embeddings=vectors / np.linalg.norm(vectors, axis=1, keepdims=True), said=None)


def scaled(g: Frontalizer, step: float) -> Frontalizer:
    """The same frontalizer with its change multiplied by ``step``; 0 makes it the identity."""
    other = copy.deepcopy(g)
    last = other.change[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.mul_(step)
        last.bias.mul_(step)
    return other


def profiles_missed(data: Features, embeddings: NDArray[np.float32], beyond: float = 40.0) -> float:
    """FNMR of profiles (turned beyond so many degrees) against frontal pictures, at a false match rate of ``FMR``."""
    return float(profile_misses(data, embeddings, beyond, 0)[0])


def profile_misses(
    data: Features, embeddings: NDArray[np.float32], beyond: float = 40.0, draws: int = RESAMPLES
) -> NDArray[np.float64]:
    """The same, and then for each of ``draws`` of the profiles' people with replacement: [1 + draws]."""
    profiles = np.flatnonzero(np.abs(data.yaw) > beyond)
    frontal = np.flatnonzero(data.frontal)
    frontal = frontal[:: max(1, len(frontal) // 3000)]
    scores = embeddings[profiles] @ embeddings[frontal].T
    mated = data.people[profiles, None] == data.people[None, frontal]
    rng, people = np.random.default_rng(0), np.unique(data.people[profiles])
    of = [np.flatnonzero(data.people[profiles] == person) for person in people]
    found = []
    for draw in range(1 + draws):
        drawn = rng.integers(0, len(people), len(people)) if draw else np.arange(len(people))
        rows = np.concatenate([of[one] for one in drawn])
        found.append(1 - tpr_at(scores[rows].ravel(), mated[rows].ravel(), FMR))
    return np.array(found)


def split_people(data: Features, one_in: int = HELD_OUT) -> tuple[Features, Features]:
    """Those to train on and those kept out, by person. Numbers of people stay as they are."""
    out = data.people % one_in == one_in - 1
    return _part(data, ~out), _part(data, out)


def _part(data: Features, rows: NDArray[np.bool_]) -> Features:
    said = None if data.said is None else data.said[rows]
    return Features(data.embeddings[rows], data.people[rows], data.yaw[rows], said)
