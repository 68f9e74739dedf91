"""The losses of method C. Pure: tensors in, a scalar tensor out. d(a, b) = 1 - cos(a, b)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def age_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """L_age: cross-entropy of the similarities to the bank over t, [n, groups], against the true groups' shares."""
    return -(shares * logits.log_softmax(dim=1)).sum(dim=1).mean()


def apart(a: Tensor, b: Tensor) -> Tensor:
    """d of rows [n, m], [n], 0 to 2."""
    return 1 - F.cosine_similarity(a, b)


def conversion_loss(c12: Tensor, v2: Tensor) -> Tensor:
    """Picture 1 at picture 2's age is picture 2: the same person."""
    return apart(c12, v2).mean()


def identity_kept(id_c13: Tensor, id_1: Tensor, id_3: Tensor, margin: float) -> Tensor:
    """Picture 1 at the age of somebody else is still person 1: max(0, m + d(id(c13), id_1) - d(id(c13), id_3))."""
    return torch.relu(margin + apart(id_c13, id_1) - apart(id_c13, id_3)).mean()
