"""The extractor E: a small ConvNeXt-like network with attention over channels.

EdgeNeXt (Maaz et al. 2022) as EdgeFace (George et al. 2023) uses it for faces: depthwise convolutions
that grow with depth, and at the end of each later stage a split depthwise block with cross-covariance
attention, whose cost is linear in pixels. It wins here per millisecond: about 2 ms on one core where a
MobileFaceNet of the same accuracy takes 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of [n, c, h, w]."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Two linear layers over the last axis, four times as wide between, scaled by a learned gain a channel."""

    def __init__(self, channels: int, gain: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)
        self.gain = nn.Parameter(torch.full((channels,), gain))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return y * self.gain


class Depthwise(nn.Conv2d):
    """A filter a channel, in float32 where a CPU trains in bfloat16.

    There the gradient of filters above 3x3 takes 4 to 14 times as long in bfloat16, half of a step in all.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, padding=kernel // 2, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class ConvBlock(nn.Module):
    """Depthwise convolution, then :class:`Mlp`, beside a shortcut. [n, c, h, w] to the same."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = Depthwise(channels, kernel)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp(self.depthwise(x).permute(0, 2, 3, 1))
        return x + y.permute(0, 3, 1, 2)


class CrossCovariance(nn.Module):
    """Attention between channels rather than pixels (XCiT, El-Nouby et al. 2021, eq. 3). [n, p, c] to the same."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        n, pixels, channels = x.shape
        parts = self.qkv(x).reshape(n, pixels, 3, self.heads, channels // self.heads).permute(2, 0, 3, 4, 1)
        q, k, v = parts.unbind(0)
        attention = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.temperature
        y: Tensor = self.out((attention.softmax(dim=-1) @ v).permute(0, 3, 1, 2).reshape(n, pixels, channels))
        return y


class SplitBlock(nn.Module):
    """Split depthwise transpose attention: channels in ``scales`` parts, each filtered with the one before.

    ``side`` is the map's height and width; a learned position is added where it is not 0.
    """

    def __init__(self, channels: int, scales: int, side: int = 0) -> None:
        super().__init__()
        self.part = ceil(channels / scales)
        self.convs = nn.ModuleList(
            nn.Conv2d(self.part, self.part, 3, padding=1, groups=self.part) for _ in range(scales - 1)
        )
        self.position = nn.Parameter(torch.zeros(channels, side, side)) if side else None
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.attention = CrossCovariance(channels)
        self.gain = nn.Parameter(torch.full((channels,), 0.1))
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(torch.split(x, self.part, dim=1))
        filtered = parts[0]
        for i, conv in enumerate(self.convs):
            filtered = conv(filtered if i == 0 else filtered + parts[i])
            parts[i] = filtered
        y = torch.cat(parts, dim=1)
        if self.position is not None:
            y = y + self.position
        n, channels, height, width = y.shape
        tokens = y.flatten(2).transpose(1, 2)
        tokens = tokens + self.gain * self.attention(self.norm(tokens))
        tokens = self.mlp(tokens)
        return x + tokens.transpose(1, 2).reshape(n, channels, height, width)


class EdgeNeXt(nn.Module):
    """[n, 3, 112, 112] normalised RGB to [n, width] embeddings, not yet unit length.

    ``units`` lists stem, blocks and reductions in order, for training block by block; ``features`` gives
    the last map [n, dims[-1], 3, 3], on which heads may sit.
    """

    def __init__(
        self,
        width: int = 128,
        dims: Sequence[int] = (32, 64, 100, 192),
        depths: Sequence[int] = (3, 3, 9, 3),
        kernels: Sequence[int] = (3, 5, 7, 9),
        scales: Sequence[int] = (1, 2, 3, 4),
    ) -> None:
        super().__init__()
        self.width = width
        self.units = nn.ModuleList()
        for stage, (dim, depth, kernel, split) in enumerate(zip(dims, depths, kernels, scales, strict=True)):
            if stage == 0:
                self.units.append(nn.Sequential(nn.Conv2d(3, dim, 4, stride=4), ChannelNorm(dim)))
            else:
                self.units.append(
                    nn.Sequential(ChannelNorm(dims[stage - 1]), nn.Conv2d(dims[stage - 1], dim, 2, stride=2))
                )
            for block in range(depth):
                if split > 1 and block == depth - 1:
                    self.units.append(SplitBlock(dim, split, side=14 if stage == 1 else 0))
                else:
                    self.units.append(ConvBlock(dim, kernel))
        self._last = len(self.units) - 1 - depths[-1]
        self.norm = nn.LayerNorm(dims[-1], eps=EPS)
        self.embed = nn.Linear(dims[-1], width)

    def tail(self, blocks: int = 0) -> nn.ModuleList:
        """The last ``blocks`` blocks of the third stage, whose maps are [n, dims[-2], 7, 7], and the last stage."""
        return self.units[self._last - blocks :]

    def features(self, x: Tensor) -> Tensor:
        for unit in self.units:
            x = unit(x)
        return x

    def head(self, features: Tensor) -> Tensor:
        y: Tensor = self.embed(self.norm(features.mean(dim=(2, 3))))
        return y

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class WithMap(nn.Module):
    """The embeddings of ``network`` [n, width], the maps [n, dims[-1], 3, 3] that they come from, and the maps
    [n, dims[-2], 7, 7] before ``tail(blocks)``."""

    def __init__(self, network: EdgeNeXt, blocks: int = 0) -> None:
        super().__init__()
        self.network, self.blocks = network, blocks

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        network = self.network
        tail = network.tail(self.blocks)
        for unit in network.units[: len(network.units) - len(tail)]:
            x = unit(x)
        before = x
        for unit in tail:
            x = unit(x)
        return network.head(x), x, before
