"""Losses that more than one trainer uses."""

from __future__ import annotations

from torch import Tensor


def distillation(embedding: Tensor, target: Tensor, wide: Tensor, relation_weight: float) -> tuple[Tensor, Tensor]:
    """1 - cosine to the target, plus the mean square error of the batch's similarities, weighted.

    ``embedding`` and ``target`` [n, width] unit; ``wide`` [n, m] unit, the teachers' whole embedding, whose
    similarities are the ones to keep. Answers the loss and the mean cosine.
    """
    cosine = (embedding * target).sum(dim=1).mean()
    relation = (embedding @ embedding.T - wide @ wide.T).square().mean()
    return 1 - cosine + relation_weight * relation, cosine
