"""Fit a frontalizer: whitening as its base, method A on top, each as far as it helps people that it did not see."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from app.face.nets.heads import Frontalizer
from training.frontalization import Config, Features, apply, fit_classifiers, frontal_centres, train
from training.protocols import det

HELD_OUT: Final = 8
"""One person in so many is kept out of G, to choose its step by."""

STEPS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
SHRINKAGES: Final = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1)


def fit(seen: Features, unseen: Features, config: Config) -> tuple[Frontalizer, dict[str, float]]:
    """G trained on the people ``seen``; how far it goes is chosen on people ``unseen``, by profiles to frontal.

    First the base: within-class whitening, shrunk by the factor of ``SHRINKAGES`` that gives the lowest equal
    error rate. Then method A on whitened embeddings, its change scaled by the factor of ``STEPS`` that does: a
    frontalizer goes too far as easily as not far enough. Answers G, and what was chosen and gained.
    """
    bases = {shrinkage: whitening(seen, shrinkage) for shrinkage in SHRINKAGES}
    rates = {shrinkage: profile_eer(unseen, whitened(unseen, base).embeddings) for shrinkage, base in bases.items()}
    shrinkage = min(SHRINKAGES, key=lambda one: rates[one])
    data, other = whitened(seen, bases[shrinkage]), whitened(unseen, bases[shrinkage])
    g = train(data, fit_classifiers(data), config)
    stepped = {step: profile_eer(other, apply(scaled(g, step), other.embeddings)) for step in STEPS}
    step = min(STEPS, key=lambda one: stepped[one])
    chosen = scaled(g, step)
    with torch.no_grad():
        chosen.base.weight.copy_(torch.from_numpy(bases[shrinkage].T))
    return chosen, {"shrinkage": shrinkage, "step": step, "eer_raw": rates[1.0], "eer": stepped[step]}


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


def profile_eer(data: Features, embeddings: NDArray[np.float32], beyond: float = 40.0) -> float:
    """Equal error rate of profiles (absolute yaw beyond so many degrees) against every person's frontal pictures."""
    profiles = np.flatnonzero(np.abs(data.yaw) > beyond)
    frontal = np.flatnonzero(data.frontal)
    frontal = frontal[:: max(1, len(frontal) // 3000)]
    scores = embeddings[profiles] @ embeddings[frontal].T
    mated = data.people[profiles, None] == data.people[None, frontal]
    fmr, fnmr, _ = det(scores.ravel(), mated.ravel())
    at = int(np.argmin(np.abs(fmr - fnmr)))
    return float((fmr[at] + fnmr[at]) / 2)


def split_people(data: Features, one_in: int = HELD_OUT) -> tuple[Features, Features]:
    """Those to train on and those kept out, by person. Numbers of people stay as they are."""
    out = data.people % one_in == one_in - 1
    return _part(data, ~out), _part(data, out)


def _part(data: Features, rows: NDArray[np.bool_]) -> Features:
    said = None if data.said is None else data.said[rows]
    return Features(data.embeddings[rows], data.people[rows], data.yaw[rows], said)
