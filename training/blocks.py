"""Stage one of distillation: each unit of the student learns what the teacher's unit does, by itself.

The teacher's own maps are fed to every unit, so that no unit waits for those before it, a picture
teaches thousands of times (once a pixel of each map), and no gradient passes from one unit to another.
From scratch on few pictures this reaches in minutes what matching the embedding alone takes days for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

IDLE = 1e-3
"""A unit of the teacher that changes its input by less than this fraction does nothing worth learning."""

POSITIONS = 12_544
"""Pixels a unit learns from in one step: 16 pictures at 28x28, 64 at 14x14. More teach little and cost much."""


def stage_scales(maps: Sequence[Tensor]) -> list[float]:
    """A factor a map that gives the first map of each stage unit variance.

    Within a stage shortcuts tie the maps together, so they share one factor; between stages a
    normalisation stands, so the student may live at its own scale, where it trains better.
    """
    scales: list[float] = []
    for i, map_ in enumerate(maps):
        same_stage = i > 0 and map_.shape[1:] == maps[i - 1].shape[1:]
        scales.append(scales[-1] if same_stage else 1.0 / max(float(map_.std()), 1e-12))
    return scales


def error_weights(x: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
    """For each unit [1, c, 1, 1]: one over the variance that the unit has to explain, a channel; 0 for idle units.

    ``x`` [n, 3, h, w] is the network's input; ``maps[k]`` [n, c, h, w] the (scaled) output of unit k. For
    units with a shortcut the variance is that of the change they make. A channel each, since a few loud
    channels would hide the rest.
    """
    weights = []
    for source, target in zip([x, *maps], maps, strict=False):
        shortcut = source.shape == target.shape
        change = target - source if shortcut else target
        variance = change.var(dim=(0, 2, 3), keepdim=True)
        idle = shortcut and float(change.std()) < IDLE * float(source.std())
        weights.append(torch.zeros_like(variance) if idle else 1 / (variance + 1e-3 * variance.mean()))
    return weights


def unit_losses(units: nn.ModuleList, x: Tensor, maps: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """One weighted mean square error a busy unit, about 1 for a unit that does nothing."""
    losses = []
    for unit, source, target, weight in zip(units, [x, *maps], maps, weights, strict=False):
        if bool(weight.any()):
            n = max(1, POSITIONS // (target.shape[2] * target.shape[3]))
            error = unit(source[:n]).float() - target[:n]
            losses.append((error.square() * weight).mean())
    return losses


def stage_ends(shapes: Sequence[Sequence[int]]) -> list[int]:
    """The last unit of every stage, by the maps' shapes without the batch [c, h, w]."""
    return [k for k in range(len(shapes)) if k + 1 == len(shapes) or tuple(shapes[k + 1]) != tuple(shapes[k])]


def hint_loss(
    units: nn.ModuleList,
    x: Tensor,
    maps: Sequence[NDArray[np.float32]],
    scales: Sequence[float],
) -> tuple[Tensor, Tensor]:
    """Run the units one after another; answer the last map and how far the stages' ends are from the teacher's.

    The error of a map is a fraction of its variance, the mean over stages; the last counts as much as all before.
    """
    ends = set(stage_ends([m.shape[1:] for m in maps]))
    errors = []
    for k, unit in enumerate(units):
        x = unit(x)
        if k in ends:
            target = torch.from_numpy(maps[k]).to(x.device) * scales[k]
            variance = target.var(dim=(0, 2, 3), keepdim=True)
            errors.append(((x.float() - target).square() / (variance + 1e-3 * variance.mean())).mean())
    return x, (torch.stack(errors[:-1]).mean() + errors[-1]) / 2


@torch.no_grad()
def chained_cosine(units: nn.ModuleList, x: Tensor, final: Tensor) -> float:
    """How well the assembled units agree with the teacher: mean cosine of pooled, centred last maps."""
    for unit in units:
        x = unit(x)
    a, b = (m.float().mean(dim=(2, 3)) for m in (x, final))
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    return float(nn.functional.cosine_similarity(a, b).mean())
