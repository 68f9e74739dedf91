"""Five points, head pose and a face score from one small crop, where a cascade's own points fail: at profile.

A plain residual network on 64x64 pixels, trained by ``training.landmarks``. It is asked again and again: first
on an upright square around the detector's box, then on crops that its own points align, where it is at home.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.align import similarity, template

SIDE: Final = 64
FIELD: Final = 1.2
"""The crop's side in units of the box's mean side."""
MARGIN: Final = 0.03
"""What an aligned crop shows beyond the 112 template, each side: about as much of the face as ``FIELD`` does."""
OUTPUTS: Final = 14
"""Ten coordinates in crop sides from ``SHAPE``, yaw, pitch, roll in units of ``DEGREES``, the logit of the score."""
DEGREES: Final = 45.0
SHAPE: Final[NDArray[np.float64]] = template(1, MARGIN)
"""The five points [5, 2] that an output of zeros stands for, in crop sides."""

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Crops uint8 [n, SIDE, SIDE, 3] RGB to raw outputs float32 [n, OUTPUTS], by whichever runtime."""


class Refiner(nn.Module):
    """``forward``: uint8 [n, SIDE, SIDE, 3] RGB -> float32 [n, OUTPUTS]. 0.35 M parameters, 16 M MAC."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _conv(3, width, 2),
            _conv(width, 2 * width, 2),
            _Residual(2 * width),
            _conv(2 * width, 4 * width, 2),
            _Residual(4 * width),
            _conv(4 * width, 6 * width, 2),
            _Residual(6 * width),
            nn.Conv2d(6 * width, 32, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
        )
        self.head = nn.Linear(32 * (SIDE // 16) ** 2, OUTPUTS)

    def forward(self, crops: Tensor) -> Tensor:
        x = (crops.permute(0, 3, 1, 2).to(self.head.weight.dtype) - 127.5) / 128.0
        out: Tensor = self.head(self.trunk(x).flatten(1))
        return out.float()


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def box_matrix(box: NDArray[np.floating]) -> NDArray[np.float64]:
    """Picture to crop [2, 3] for a ``box`` (x0, y0, x1, y1): an upright square around its centre."""
    x0, y0, x1, y1 = (float(v) for v in box)
    scale = SIDE / (FIELD * max((x1 - x0 + y1 - y0) / 2, 1.0))
    return np.array([[scale, 0.0, SIDE / 2 - scale * (x0 + x1) / 2], [0.0, scale, SIDE / 2 - scale * (y0 + y1) / 2]])


def points_matrix(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Picture to crop [2, 3] by the similarity that carries ``landmarks`` [5, 2] to the template."""
    return similarity(landmarks, template(SIDE, MARGIN))


def landmarks_of(outputs: NDArray[np.float32], matrices: NDArray[np.float64]) -> NDArray[np.float32]:
    """Raw ``outputs`` [n, OUTPUTS] on crops cut by ``matrices`` [n, 2, 3] -> points [n, 5, 2] in the picture."""
    crop = (outputs[:, :10].reshape(-1, 5, 2) + SHAPE) * SIDE - matrices[:, None, :, 2]
    return np.linalg.solve(matrices[:, None, :, :2], crop[..., None])[..., 0].astype(np.float32)


def pose_of(outputs: NDArray[np.float32], matrices: NDArray[np.float64]) -> NDArray[np.float32]:
    """Yaw, pitch, roll [n, 3] in degrees, signs of ``app.face.faces.Pose``; roll is the picture's, not the crop's."""
    angles = outputs[:, 10:13] * DEGREES
    angles[:, 2] -= np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    return np.asarray(angles, np.float32)


def score_of(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much the crop shows a face whose box is right, 0-1, [n]."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(outputs[:, 13], -30, 30))), np.float32)
