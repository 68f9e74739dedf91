"""Residual extractors for 112-pixel faces: ResNet-18 and -50 as face recognition uses them.

The improved residual unit (Deng et al. 2019, ArcFace, section 3.1): normalisation before the first and after
each convolution, PReLU between, stride in the second; no pooling at the start, and an embedding taken from the
whole 7 x 7 map instead of its mean.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

BLOCKS: Final = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3)}
"""Units a stage, by the number of layers in the name."""


class Unit(nn.Module):
    """[n, inputs, h, w] to [n, outputs, h / stride, w / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        return self.body(maps) + self.shortcut(maps)


class ResNet(nn.Module):
    """[n, 3, 112, 112] normalised RGB to [n, width], not yet unit length.

    ``layers`` is 18, 34 or 50; ``channels`` those of the first stage, doubled from stage to stage.
    """

    def __init__(self, width: int = 128, layers: int = 18, channels: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.PReLU(channels)
        )
        units: list[nn.Module] = []
        inputs = channels
        for stage, count in enumerate(BLOCKS[layers]):
            outputs = channels << stage
            units += [Unit(inputs if at == 0 else outputs, outputs, 2 if at == 0 else 1) for at in range(count)]
            inputs = outputs
        self.units = nn.Sequential(*units)
        self.embed = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(inputs * 7 * 7, width, bias=False),
            nn.BatchNorm1d(width),
        )

    def features(self, crops: Tensor) -> Tensor:
        """The last map [n, channels * 8, 7, 7]."""
        return self.units(self.stem(crops))

    def forward(self, crops: Tensor) -> Tensor:
        embedding: Tensor = self.embed(self.features(crops))
        return embedding
