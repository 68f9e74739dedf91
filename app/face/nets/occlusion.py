"""Which features an occlusion corrupted: masks them inside the extractor, and says what is covered.

Method D. The decoder turns a map F [n, 100, 7, 7] of the extractor's third stage into a mask M of the same shape in
(0, 1); the embedding is that of F x M through the rest of the extractor, as copies that learn with the decoder: the
last ``blocks`` blocks of the third stage, the last stage and the head. After the last stage is too late: its 3 x 3
cells have all seen the cover, and a mask on them wins nothing back. The pattern is read from what the decoder found
covered.
"""

from __future__ import annotations

from typing import Final, cast

import numpy as np
import torch
from torch import Tensor, nn

from app.face.nets.edgenext import ChannelNorm, EdgeNeXt
from app.face.patterns import GRID, cells_of, patterns

FINE: Final = 14
"""Cells a side of the map of what is covered: 8 pixels of the crop each."""

SAID: Final = 2
"""Logits: that something is covered, that a face mask is worn."""
SAYS_WORN: Final = 1
"""Which of them says the latter."""


class Overlaps(nn.Module):
    """Covered parts of fine cells [n, FINE, FINE] to the overlap [n, 225] of each rectangle of the patterns with them.

    As ``app.face.patterns.nearest_pattern`` counts it: by parts of cells.
    """

    def __init__(self) -> None:
        super().__init__()
        edges = np.linspace(0, FINE, GRID + 1)
        at = np.arange(FINE)
        share = np.clip(np.minimum(at + 1, edges[1:, None]) - np.maximum(at, edges[:-1, None]), 0, None)
        chosen = np.stack([cells_of(index).ravel() for index in range(1, patterns(GRID))])
        self.share: Tensor
        self.chosen: Tensor
        self.register_buffer("share", torch.tensor(share * GRID / FINE, dtype=torch.float32), persistent=False)
        self.register_buffer("chosen", torch.tensor(chosen.T, dtype=torch.float32), persistent=False)

    def forward(self, cells: Tensor) -> Tensor:
        coarse = (self.share @ cells @ self.share.T).flatten(1)
        inside = coarse @ self.chosen
        y: Tensor = inside / (self.chosen.sum(dim=0) + coarse.sum(dim=1, keepdim=True) - inside)
        return y


class OcclusionNet(nn.Module):
    """``forward``: maps [n, channels, side, side] -> embeddings [n, width] not of unit length, probabilities that
    each of [n, FINE, FINE] cells is covered, probabilities [n, SAID], logits of the patterns [n, 226].

    ``blocks``: how many blocks of the extractor's third stage it has of its own; the maps are those before them.
    """

    def __init__(
        self, width: int = 192, hidden: int = 256, channels: int = 100, side: int = 7, blocks: int = 0, seen: int = 96
    ) -> None:
        super().__init__()
        self.channels, self.side, self.blocks = channels, side, blocks
        whole = EdgeNeXt(width)
        self.tail = whole.tail(blocks)
        self.norm, self.embed = whole.norm, whole.embed
        self.look = nn.Sequential(
            ChannelNorm(channels),
            nn.Conv2d(channels, seen, 1),
            nn.GELU(),
            nn.Conv2d(seen, seen, 5, padding=2, groups=seen),
            nn.Conv2d(seen, seen, 1),
            nn.GELU(),
            nn.Conv2d(seen, seen, 5, padding=2, groups=seen),
            nn.Conv2d(seen, seen, 1),
            nn.GELU(),
        )
        self.gates = nn.Conv2d(seen, channels, 1)
        self.read = nn.Sequential(
            nn.Conv2d(seen, 24, 1), nn.GELU(), nn.Flatten(), nn.Linear(24 * side * side, hidden), nn.GELU()
        )
        self.near = nn.Sequential(nn.Conv2d(seen, (FINE // side) ** 2, 1), nn.PixelShuffle(FINE // side), nn.Flatten())
        self.cover = nn.Linear(hidden, FINE * FINE)
        self.said = nn.Linear(hidden, SAID)
        self.overlaps = Overlaps()
        self.pattern = nn.Sequential(
            nn.Linear(hidden + FINE * FINE, hidden), nn.GELU(), nn.Linear(hidden, patterns(GRID))
        )
        self.trust = nn.Parameter(torch.tensor(20.0))
        with torch.no_grad():  # a mask of 0.95 everywhere to begin with
            self.gates.weight.zero_()
            cast(Tensor, self.gates.bias).fill_(3.0)

    def start_from(self, extractor: EdgeNeXt) -> None:
        """Take over what the extractor has behind the maps."""
        self.tail.load_state_dict(extractor.tail(self.blocks).state_dict())
        self.norm.load_state_dict(extractor.norm.state_dict())
        self.embed.load_state_dict(extractor.embed.state_dict())

    def see_as(self, other: OcclusionNet) -> None:
        """Take over what ``other`` has learnt to see and to say, not what it makes of it: neither mask nor tail."""
        for mine, theirs in zip(self.readers(), other.readers(), strict=True):
            mine.load_state_dict(theirs.state_dict())
        with torch.no_grad():
            self.trust.copy_(other.trust)

    def readers(self) -> list[nn.Module]:
        """What sees and says."""
        return [self.look, self.read, self.near, self.cover, self.said, self.pattern]

    def decode(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The mask, shaped as ``maps``, and the logits of cover [n, FINE * FINE], of what is said, of the patterns."""
        seen = self.look(maps)
        found = self.read(seen)
        cover = self.cover(found) + self.near(seen)
        chances = torch.sigmoid(cover)
        learnt = self.pattern(torch.cat([found, chances], dim=1))
        overlaps = self.trust * self.overlaps(chances.view(-1, FINE, FINE))
        pattern = torch.cat([learnt[:, :1], learnt[:, 1:] + overlaps], dim=1)
        return torch.sigmoid(self.gates(seen)), cover, self.said(found), pattern

    def through(self, maps: Tensor) -> Tensor:
        """Embeddings of masked ``maps``."""
        for unit in self.tail:
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
