"""Parsing, pose, action units and shape from one aligned crop: F_seg and R of method B.

F_seg is a BiSeNet-kind network (Yu et al. 2018): a trunk whose three last maps are fused upwards into class maps.
From the same fused map it also says where 68 points of the face lie, each the mean of a softmax over the map (integral
regression, Sun et al. 2018). Around these points it looks once more, at the finest map it has: what it sees there
moves the points by parts of a pixel and is told onwards, so that a lid or a crease is seen before anything is pooled.
R reads the global feature ``f_gb`` (the trunk's mean, what was seen at the points, and the points) and ``T``, the
trunk's three maps weighted by where the parsing sees a face, and answers 244 numbers of identity, the head's pitch and
yaw, and 23 action units.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE: Final = 128
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
GRID: Final = SIDE // 4
"""The side of the class maps."""
BETWEEN: Final[tuple[dict[int, float], ...]] = (
    {21: 0.5, 22: 0.5}, {21: 0.4, 22: 0.4, 27: 0.2}, {39: 0.6, 27: 0.4}, {42: 0.6, 27: 0.4},
    {19: 1.8, 37: -0.8}, {24: 1.8, 44: -0.8}, {21: 1.0, 19: 0.8, 37: -0.8}, {22: 1.0, 24: 0.8, 44: -0.8},
    {31: 0.6, 39: 0.4}, {35: 0.6, 42: 0.4}, {31: 0.5, 48: 0.5}, {35: 0.5, 54: 0.5},
    {31: 0.7, 48: 0.8, 33: -0.5}, {35: 0.7, 54: 0.8, 33: -0.5}, {36: 1.3, 39: -0.3}, {45: 1.3, 42: -0.3},
    {41: 0.6, 31: 0.4}, {46: 0.6, 35: 0.4}, {48: 0.5, 4: 0.5}, {54: 0.5, 12: 0.5},
    {57: 0.6, 8: 0.4}, {48: 0.7, 6: 0.3}, {54: 0.7, 10: 0.3}, {33: 0.5, 51: 0.5},
)  # fmt: skip
"""Places that are looked at beside the points, as sums of them: where brows, nose and cheeks fold when they move."""
PLACES: Final = POINTS + len(BETWEEN)
RING: Final = 2.5
"""Pixels of the crop between the nine looks around a place."""
TOLD: Final = 12
"""Numbers that are told onwards of each place."""
FARTHEST: Final = 0.06
"""How far the second look may move a point, where the crop spans 2."""


class Parsing(nn.Module):
    """F_seg: uint8 [n, SIDE, SIDE, 3] RGB -> ``f_gb`` [n, c], ``T`` (three maps, face-weighted), class logits.

    Logits are [n, CLASSES, GRID, GRID]; the maps have sides SIDE/4, SIDE/8, SIDE/16. 153 M MAC with R.
    """

    grid: Tensor
    places: Tensor
    ring: Tensor

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        w1, w2, w3, w4 = width, 2 * width, 4 * width, 8 * width
        self.widths = (w2, w3, w4)
        self.stem = nn.Sequential(_conv(3, w1, 2), _Residual(w1))
        self.down2 = nn.Sequential(_conv(w1, w2, 2), _Residual(w2))
        self.down3 = nn.Sequential(_conv(w2, w3, 2), _Residual(w3), _Residual(w3))
        self.down4 = nn.Sequential(_conv(w3, w4, 2), _Residual(w4), _Residual(w4))
        self.lateral = nn.ModuleList(nn.Conv2d(w, w2, 1) for w in (w2, w3, w4))
        self.fused = _conv(w2, w2)
        self.classes = nn.Conv2d(w2, CLASSES, 1)
        self.heat = nn.Conv2d(w2, POINTS, 1)
        self.look = Look(9 * w1 + w2)
        line = (torch.arange(GRID) + 0.5) * 2 / GRID - 1
        self.register_buffer("grid", torch.stack(torch.meshgrid(line, line, indexing="xy"), 2).view(-1, 2), False)
        step = torch.arange(-1, 2) * RING * 2 / SIDE
        self.register_buffer("ring", torch.stack(torch.meshgrid(step, step, indexing="xy"), 2).view(-1, 2), False)
        self.register_buffer("places", _places(), False)

    @property
    def whole(self) -> int:
        """Numbers of ``f_gb``."""
        return self.widths[2] + PLACES * TOLD + 2 * POINTS

    def forward(self, crops: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor], Tensor]:
        return self.parse((crops.permute(0, 3, 1, 2).to(self.classes.weight.dtype) - 127.5) / 64.0)

    def parse(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor], Tensor]:
        """As ``forward``, of pictures [n, 3, SIDE, SIDE] that are normalised already: (pixel - 127.5) / 64."""
        x1 = self.stem(x)
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        x4 = self.down4(x3)
        y = self.lateral[2](x4)
        for lateral, map_ in zip((self.lateral[1], self.lateral[0]), (x3, x2), strict=True):
            y = lateral(map_) + F.interpolate(y, scale_factor=2.0, mode="nearest")
        fused = self.fused(y)
        logits = self.classes(fused)
        first = (SHARP * self.heat(fused).flatten(2).float()).softmax(dim=2) @ self.grid
        moved, told = self.look(self._seen_at(first.detach(), x1, fused))
        points = first + moved
        shares = logits.softmax(dim=1)
        face = (1 - shares[:, GROUND[0] : GROUND[0] + 1] - shares[:, GROUND[1] : GROUND[1] + 1]).to(x2.dtype)
        weighted = (
            x2 * (0.25 + 0.75 * face),
            x3 * (0.25 + 0.75 * F.avg_pool2d(face, 2)),
            x4 * (0.25 + 0.75 * F.avg_pool2d(face, 4)),
        )
        whole = torch.cat([x4.mean(dim=(2, 3)).float(), told.flatten(1).float(), points.flatten(1)], dim=1)
        return whole, weighted, logits

    def _seen_at(self, points: Tensor, fine: Tensor, fused: Tensor) -> Tensor:
        """[PLACES, n, 9 w1 + w2]: nine looks into the finest map around each place, one into the fused one."""
        at = self.places @ points
        around = at[:, :, None] + self.ring
        near = _sampled(fine, around).permute(2, 0, 1, 3).flatten(2)
        there = _sampled(fused, at[:, :, None]).permute(2, 0, 1, 3).flatten(2)
        return torch.cat([near, there], dim=2)


class Look(nn.Module):
    """What was seen at each place, [PLACES, n, c], to how far its point lies aside [n, POINTS, 2] and what is told
    of it [n, PLACES, TOLD]: every place has weights of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(PLACES, width, TOLD + 2) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(PLACES, 1, TOLD + 2))

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        said = (torch.bmm(seen, self.weight) + self.bias).transpose(0, 1)
        return FARTHEST * torch.tanh(said[:, :POINTS, :2].float()), torch.relu(said[:, :, 2:])


def points_of(whole: Tensor) -> Tensor:
    """The points [n, POINTS, 2] within ``f_gb``, x and y from -1 to 1 across the crop."""
    return whole[:, -2 * POINTS :].view(-1, POINTS, 2)


class Regressor(nn.Module):
    """R: ``f_gb`` [n, whole] and ``T`` of ``widths`` to y [n, OUTPUTS]; units by a sigmoid, the rest free."""

    def __init__(self, whole: int, widths: tuple[int, int, int], hidden: int = 320) -> None:
        super().__init__()
        w2, w3, w4 = widths
        self.from2 = nn.Sequential(_conv(w2, 48, 2), _conv(48, 48, 2))
        self.from3 = _conv(w3, 64, 2)
        self.joined = _conv(48 + 64 + w4, 64, 2)
        last = nn.Linear(256, OUTPUTS)
        with torch.no_grad():
            last.bias[FIRST_UNIT:].fill_(-2.0)  # units rest on most faces
        self.level = nn.BatchNorm1d(whole)
        self.head = nn.Sequential(
            nn.Linear(64 * (SIDE // 32) ** 2 + whole, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 256),
            nn.ReLU(),
            last,
        )

    def forward(self, whole: Tensor, maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        x = self.joined(torch.cat([self.from2(maps[0]), self.from3(maps[1]), maps[2]], dim=1))
        y = self.head(torch.cat([x.flatten(1), self.level(whole)], dim=1)).float()
        return torch.cat([y[:, :FIRST_UNIT], y[:, FIRST_UNIT:].sigmoid()], dim=1)


class FacialParameters(nn.Module):
    """What is served: crops uint8 [n, SIDE, SIDE, 3] to y float32 [n, OUTPUTS]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.parsing = Parsing(width)
        self.regressor = Regressor(self.parsing.whole, self.parsing.widths)

    def forward(self, crops: Tensor) -> Tensor:
        whole, maps, _ = self.parsing(crops)
        y: Tensor = self.regressor(whole, maps)
        return y


def _places() -> Tensor:
    """[PLACES, POINTS]: every place as a sum of points."""
    sums = torch.eye(PLACES, POINTS)
    for row, parts in enumerate(BETWEEN, POINTS):
        for point, share in parts.items():
            sums[row, point] = share
    return sums


def _sampled(map_: Tensor, at: Tensor) -> Tensor:
    """``map_`` [n, c, h, w] at [n, p, k, 2], bilinear: [n, p, 1, c] of one look, [n, p, k, c] of several."""
    seen = F.grid_sample(map_.float(), at, mode="bilinear", padding_mode="border", align_corners=False)
    return seen.permute(0, 3, 2, 1)


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
