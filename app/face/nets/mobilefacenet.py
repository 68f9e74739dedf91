"""MobileFaceNet (Chen et al. 2018, table 1): inverted residuals and a learned pooling instead of a mean."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

STAGES: Final = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion, channels, blocks, stride of the first of them."""


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.PReLU(outputs),
    ]


class Bottleneck(nn.Module):
    """Widen, filter each channel, narrow; beside a shortcut where shapes allow one."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.body = nn.Sequential(
            *_conv(inputs, inner, 1),
            *_conv(inner, inner, 3, stride, inner),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.short = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        new: Tensor = self.body(maps)
        return maps + new if self.short else new


class MobileFaceNet(nn.Module):
    """[n, 3, 112, 112] normalised RGB to [n, width], not yet unit length. ``scale`` multiplies all channels."""

    def __init__(self, width: int = 128, scale: float = 1.0) -> None:
        super().__init__()
        self.width = width

        def scaled(channels: int) -> int:
            return max(8, round(channels * scale / 8) * 8)

        first, last = scaled(64), scaled(512)
        units: list[nn.Module] = [*_conv(3, first, 3, 2), *_conv(first, first, 3, 1, first)]
        inputs = first
        for expansion, channels, count, stride in STAGES:
            outputs = scaled(channels)
            for at in range(count):
                units.append(Bottleneck(inputs, outputs, expansion, stride if at == 0 else 1))
                inputs = outputs
        self.units = nn.Sequential(*units, *_conv(inputs, last, 1))
        self.pool = nn.Sequential(nn.Conv2d(last, last, 7, groups=last, bias=False), nn.BatchNorm2d(last))
        self.embed = nn.Sequential(nn.Conv2d(last, width, 1, bias=False), nn.BatchNorm2d(width), nn.Flatten())

    def features(self, crops: Tensor) -> Tensor:
        """The last map [n, 512 * scale, 7, 7]."""
        return self.units(crops)

    def forward(self, crops: Tensor) -> Tensor:
        embedding: Tensor = self.embed(self.pool(self.features(crops)))
        return embedding
