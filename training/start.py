"""What stage two starts from: a head and an identity classifier that already fit, so that no unit is pulled about.

A random head on units that agree with their teacher would, in its first steps, undo what they learnt.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.branch import MainBranch, pixels
from training.data.augment import PLAIN, augment
from training.data.store import CropStore
from training.precision import halved

RIDGE = 1e-3
"""Of the features' mean variance: features that hardly vary get no weight."""


def plain_crops(store: CropStore, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """uint8 [n, 112, 112, 3]: the crops as they are."""
    return np.stack([augment(store[int(i)], PLAIN, np.random.default_rng(0))[0] for i in rows])


def least_squares(features: Tensor, targets: Tensor, ridge: float = RIDGE) -> tuple[Tensor, Tensor]:
    """Weight [m, d] and bias [m] that bring ``features`` [n, d] closest to ``targets`` [n, m]."""
    centre, goal = features.mean(dim=0), targets.mean(dim=0)
    x, y = (features - centre).double(), (targets - goal).double()
    gram = x.T @ x
    gram += ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    weight = torch.linalg.solve(gram, x.T @ y).T.float()
    return weight, goal - weight @ centre


@torch.no_grad()
def fit_heads(
    branch: MainBranch,
    store: CropStore,
    target: NDArray[np.float32],
    rows: NDArray[np.int64],
    device: torch.device,
    batch: int = 64,
) -> None:
    """Set E's last layer by least squares on ``rows``, and C_I's weights to every person's mean target.

    ``target`` [len(store), width], unit, is what the embeddings aim at.
    """
    extractor = branch.extractor
    parts = []
    for part in np.array_split(rows, max(1, len(rows) // batch)):
        with halved(device.type):
            last = extractor.features(pixels(plain_crops(store, part), device))
        parts.append(extractor.norm(last.float().mean(dim=(2, 3))).cpu())
    weight, bias = least_squares(torch.cat(parts), torch.from_numpy(target[rows]))
    extractor.embed.weight.copy_(weight)
    extractor.embed.bias.copy_(bias)
    means = torch.zeros(store.identities, target.shape[1])
    known = np.flatnonzero(store.identity >= 0)
    means.index_add_(0, torch.from_numpy(store.identity[known]), torch.from_numpy(target[known]))
    branch.identity.weight.copy_(F.normalize(means))
