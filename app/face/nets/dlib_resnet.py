"""The residual network of dlib's face recognition model (King 2017, public domain), as a torch module.

29 convolutions, each followed by a learned scale and shift per channel. Two habits of dlib matter: layers of
stride two do not pad, and a sum of unequal maps fills the smaller one with zeros at its right, bottom and end.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

SIDE: Final = 150
WIDTH: Final = 128
MEAN: Final = (122.782, 117.001, 104.298)
STD: Final = (256.0, 256.0, 256.0)
STAGES: Final = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels, blocks, whether the first block halves the map."""


class Affine(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return maps * self.weight + self.bias


class Block(nn.Module):
    """``side`` is that of the map it takes: it fixes which of the two maps is filled up, and by how much."""

    def __init__(self, inputs: int, outputs: int, halve: bool, side: int) -> None:
        super().__init__()
        self.halve = halve
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2 if halve else 1, 0 if halve else 1)
        self.affine1 = Affine(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.affine2 = Affine(outputs)
        new, old = ((side - 3) // 2 + 1, side // 2) if halve else (side, side)
        self.side = max(new, old)
        self.fill_new = (0, self.side - new, 0, self.side - new)
        self.fill_old = (0, self.side - old, 0, self.side - old, 0, outputs - inputs)

    def forward(self, maps: Tensor) -> Tensor:
        new = self.affine2(self.conv2(torch.relu(self.affine1(self.conv1(maps)))))
        old = nnf.avg_pool2d(maps, 2) if self.halve else maps
        return torch.relu(nnf.pad(new, self.fill_new) + nnf.pad(old, self.fill_old))


class DlibResNet(nn.Module):
    """[n, 3, 150, 150], normalised with ``MEAN`` and ``STD``, to [n, 128], not unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 7, 2)
        self.affine = Affine(32)
        blocks, inputs, side = [], 32, ((SIDE - 7) // 2 + 1 - 3) // 2 + 1
        for outputs, count, halve in STAGES:
            for at in range(count):
                blocks.append(Block(inputs, outputs, halve and at == 0, side))
                inputs, side = outputs, blocks[-1].side
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(256, WIDTH, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        maps = nnf.max_pool2d(torch.relu(self.affine(self.conv(chips))), 3, 2)
        return self.head(self.blocks(maps).mean(dim=(2, 3)))
