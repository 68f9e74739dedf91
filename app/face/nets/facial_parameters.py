"""Parsing, pose, action units and shape from one small aligned crop: F_seg and R of method B.

F_seg is a BiSeNet-kind network (Yu et al. 2018): a trunk whose three last maps are fused upwards into class maps.
From the same fused map it also says where 68 points of the face lie, each the mean of a softmax over the map (integral
regression, Sun et al. 2018): a movement of half a pixel is seen there long before it is in a pooled feature.
R reads the global feature ``f_gb`` (the trunk's mean, and those points) and ``T``, the trunk's three maps weighted by
where the parsing sees a face, and answers 244 numbers of identity, the head's pitch and yaw, and 23 action units.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE: Final = 64
MARGIN: Final = 1 / 14
"""What the crop shows beyond the 112 template, each side."""
IDENTITY: Final = 244
UNITS: Final = 23
FIRST_UNIT: Final = IDENTITY + 2
OUTPUTS: Final = FIRST_UNIT + UNITS
"""y of method B: identity, pitch and yaw in units of ``DEGREES``, units 0-1."""
DEGREES: Final = 45.0
CLASSES: Final = 11
GROUND: Final = (0, 10)
"""Classes that are no face: background and hair."""
POINTS: Final = 68
"""The points of the face, in the order that iBUG gave them."""
SHARP: Final = 4.0
"""What the logits of a point's place are multiplied with: at one they take long to leave the crop's middle."""


class Parsing(nn.Module):
    """F_seg: uint8 [n, SIDE, SIDE, 3] RGB -> ``f_gb`` [n, c], ``T`` (three maps, face-weighted), class logits.

    Logits are [n, CLASSES, SIDE/2, SIDE/2]; the maps have sides SIDE/4, SIDE/8, SIDE/16. 17 M MAC.
    """

    grid: Tensor

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        w1, w2, w3, w4 = width, 2 * width, 4 * width, 6 * width
        self.widths = (w2, w3, w4)
        self.stem = nn.Sequential(_conv(3, w1, 2), _Residual(w1))
        self.down2 = nn.Sequential(_conv(w1, w2, 2), _Residual(w2))
        self.down3 = nn.Sequential(_conv(w2, w3, 2), _Residual(w3))
        self.down4 = nn.Sequential(_conv(w3, w4, 2), _Residual(w4))
        self.lateral = nn.ModuleList(nn.Conv2d(w, w2, 1) for w in (w1, w2, w3, w4))
        self.fused = _conv(w2, w1, 1)
        self.classes = nn.Conv2d(w1, CLASSES, 1)
        self.places = nn.Conv2d(w1, POINTS, 1)
        line = (torch.arange(SIDE // 2) + 0.5) * 4 / SIDE - 1
        self.register_buffer("grid", torch.stack(torch.meshgrid(line, line, indexing="xy"), 2).view(-1, 2), False)

    def forward(self, crops: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor], Tensor]:
        return self.parse((crops.permute(0, 3, 1, 2).to(self.classes.weight.dtype) - 127.5) / 64.0)

    def parse(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor], Tensor]:
        """As ``forward``, of pictures [n, 3, SIDE, SIDE] that are normalised already: (pixel - 127.5) / 64."""
        x1 = self.stem(x)
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        x4 = self.down4(x3)
        y = self.lateral[3](x4)
        for lateral, map_ in zip((self.lateral[2], self.lateral[1], self.lateral[0]), (x3, x2, x1), strict=True):
            y = lateral(map_) + F.interpolate(y, scale_factor=2.0, mode="nearest")
        fused = self.fused(y)
        logits = self.classes(fused)
        points = (SHARP * self.places(fused).flatten(2).float()).softmax(dim=2) @ self.grid
        shares = logits.softmax(dim=1)
        face = 1 - shares[:, GROUND[0] : GROUND[0] + 1] - shares[:, GROUND[1] : GROUND[1] + 1]
        weighted = tuple(map_ * (0.25 + 0.75 * F.avg_pool2d(face, step)) for map_, step in ((x2, 2), (x3, 4), (x4, 8)))
        return torch.cat([x4.mean(dim=(2, 3)).float(), points.flatten(1)], dim=1), weighted, logits


def points_of(whole: Tensor) -> Tensor:
    """The points [n, POINTS, 2] within ``f_gb``, x and y from -1 to 1 across the crop."""
    return whole[:, -2 * POINTS :].view(-1, POINTS, 2)


class Regressor(nn.Module):
    """R: ``f_gb`` and ``T`` to y [n, OUTPUTS]; units by a sigmoid, the rest free."""

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 96), hidden: int = 256) -> None:
        super().__init__()
        w2, w3, w4 = widths
        self.from2 = nn.Sequential(_conv(w2, 48, 2), _conv(48, 48, 2))
        self.from3 = _conv(w3, 64, 2)
        self.joined = _conv(48 + 64 + w4, 64, 1)
        last = nn.Linear(hidden, OUTPUTS)
        with torch.no_grad():
            last.bias[FIRST_UNIT:].fill_(-2.0)  # units rest on most faces
        self.level = nn.BatchNorm1d(w4 + 2 * POINTS)
        self.head = nn.Sequential(
            nn.Linear(64 * (SIDE // 16) ** 2 + w4 + 2 * POINTS, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            last,
        )

    def forward(self, whole: Tensor, maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return self.answered(self.gathered(whole, maps))

    def gathered(self, whole: Tensor, maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """All that the head looks at, [n, c]."""
        x = self.joined(torch.cat([self.from2(maps[0]), self.from3(maps[1]), maps[2]], dim=1))
        return torch.cat([x.flatten(1), self.level(whole)], dim=1)

    def answered(self, gathered: Tensor) -> Tensor:
        """y of what was ``gathered``."""
        y = self.head(gathered).float()
        return torch.cat([y[:, :FIRST_UNIT], y[:, FIRST_UNIT:].sigmoid()], dim=1)


class FacialParameters(nn.Module):
    """What is served: crops uint8 [n, SIDE, SIDE, 3] to y float32 [n, OUTPUTS]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.parsing = Parsing(width)
        self.regressor = Regressor(self.parsing.widths)

    def forward(self, crops: Tensor) -> Tensor:
        whole, maps, _ = self.parsing(crops)
        y: Tensor = self.regressor(whole, maps)
        return y


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
