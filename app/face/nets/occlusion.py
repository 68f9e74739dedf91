"""Which features an occlusion corrupted: masks them before the extractor's last stage, and says what is covered.

Method D. The decoder turns the map F [n, 100, 7, 7] that enters the last stage into a mask M of the same shape in
(0, 1); the embedding is that of F x M through a last stage and head of its own, which start as the extractor's and
learn with the decoder. After the last stage is too late: its 3 x 3 cells have all seen the cover, and a mask on them
wins nothing back. A classifier reads the pattern from what the decoder found covered.
"""

from __future__ import annotations

from typing import Final, cast

import torch
from torch import Tensor, nn

from app.face.nets.edgenext import ChannelNorm, EdgeNeXt
from app.face.patterns import GRID, patterns

FINE: Final = 14
"""Cells a side of the map of what is covered: 8 pixels of the crop each."""

SAID: Final = 2
"""Logits: that something is covered, that a face mask is worn."""


class OcclusionNet(nn.Module):
    """``forward``: maps [n, channels, side, side] -> embeddings [n, width] not of unit length, probabilities that
    each of [n, FINE, FINE] cells is covered, probabilities [n, SAID], logits of the patterns [n, 226].
    """

    def __init__(self, width: int = 192, hidden: int = 256, channels: int = 100, side: int = 7) -> None:
        super().__init__()
        self.channels, self.side = channels, side
        whole = EdgeNeXt(width)
        self.stage = whole.last_stage()
        self.norm, self.embed = whole.norm, whole.embed
        self.look = nn.Sequential(
            ChannelNorm(channels),
            nn.Conv2d(channels, 64, 1),
            nn.GELU(),
            nn.Conv2d(64, 64, 3, padding=1, groups=64),
            nn.Conv2d(64, 64, 1),
            nn.GELU(),
        )
        self.gates = nn.Conv2d(64, channels, 1)
        self.read = nn.Sequential(
            nn.Conv2d(64, 24, 1), nn.GELU(), nn.Flatten(), nn.Linear(24 * side * side, hidden), nn.GELU()
        )
        self.cover = nn.Linear(hidden, FINE * FINE)
        self.said = nn.Linear(hidden, SAID)
        self.pattern = nn.Sequential(
            nn.Linear(hidden + FINE * FINE, hidden), nn.GELU(), nn.Linear(hidden, patterns(GRID))
        )
        with torch.no_grad():  # a mask of 0.95 everywhere to begin with
            self.gates.weight.zero_()
            cast(Tensor, self.gates.bias).fill_(3.0)

    def start_from(self, extractor: EdgeNeXt) -> None:
        """Take over the extractor's last stage and head."""
        self.stage.load_state_dict(extractor.last_stage().state_dict())
        self.norm.load_state_dict(extractor.norm.state_dict())
        self.embed.load_state_dict(extractor.embed.state_dict())

    def decode(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The mask, shaped as ``maps``, and the logits of cover [n, FINE * FINE], of what is said, of the patterns."""
        seen = self.look(maps)
        found = self.read(seen)
        cover = self.cover(found)
        pattern = self.pattern(torch.cat([found, torch.sigmoid(cover)], dim=1))
        return torch.sigmoid(self.gates(seen)), cover, self.said(found), pattern

    def through(self, maps: Tensor) -> Tensor:
        """Embeddings of masked ``maps``."""
        for unit in self.stage:
            maps = unit(maps)
        y: Tensor = self.embed(self.norm(maps.mean(dim=(2, 3))))
        return y

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mask, cover, said, pattern = self.decode(maps)
        return (
            self.through(maps * mask),
            torch.sigmoid(cover).view(-1, FINE, FINE),
            torch.sigmoid(said),
            pattern,
        )
