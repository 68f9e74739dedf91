"""How far off the aligned crop is that predicted points cut: what an embedding sees of their error.

Some errors of single points cancel in the fit of five and others do not; at profile, where the points lie close
together, a small error of the points is a large one of the crop's scale.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from app.face.align import CROP_SIZE, TEMPLATE

CORNERS: Final = tuple((x / CROP_SIZE, y / CROP_SIZE) for x in (26, 86) for y in (42, 102))
"""Of the square around the template's face, in crop sides: where the error is measured."""


def crop_error(points: Tensor, labelled: Tensor) -> Tensor:
    """Mean distance [n], in sides of the aligned crop, between where either [n, 5, 2] puts ``CORNERS``.

    With points as complex numbers z and the template t, both centred, the similarity of least squares (the one of
    ``app.face.align.similarity``) is multiplication by sum(conj(z) t) / sum(|z|^2).
    """
    (turn, shift), (true_turn, true_shift) = _similarity(points), _similarity(labelled)
    corners = _complex(torch.tensor(CORNERS, device=points.device))
    there = turn * (corners - true_shift) / true_turn + shift
    return torch.view_as_real(there - corners).square().sum(-1).add(1e-8).sqrt().mean(1)


def _similarity(points: Tensor) -> tuple[Tensor, Tensor]:
    template = _complex(torch.tensor(TEMPLATE / CROP_SIZE, dtype=torch.float32, device=points.device))
    z = _complex(points)
    mean = z.mean(1, keepdim=True)
    centred, target = z - mean, template - template.mean()
    spread = centred.abs().square().sum(1, keepdim=True).clamp(min=1e-3)  # of an untrained network's points
    turn = (centred.conj() * target).sum(1, keepdim=True) / spread
    return turn, template.mean() - turn * mean


def _complex(points: Tensor) -> Tensor:
    return torch.view_as_complex(points.contiguous())
