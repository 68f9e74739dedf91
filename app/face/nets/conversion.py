"""A child's embedding to what the same person's would be grown up (method C, conversion with a standard adult age).

The child's standard age vector is taken away, a linear map of the embedding and of E's last feature map added, and
the adult's standard age vector put in. Only where the face looks young: everybody else's embedding stays, bit by bit.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AdultConversion(nn.Module):
    """Unit embeddings [n, width], E's last maps [n, channels, h, w] and apparent ages [n] to unit embeddings.

    Full up to ``full`` years of apparent age, none from ``none`` on, in between mixed. ``cells`` = channels h w. It
    starts as no change.
    """

    def __init__(self, width: int = 192, cells: int = 1728, full: float = 20.0, none: float = 26.0) -> None:
        super().__init__()
        self.full, self.none = full, none
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(cells))
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(cells))
        self.change = nn.Linear(width + cells, width)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def look(self, maps: Tensor) -> Tensor:
        """The cells of the maps, each against its usual value, [n, cells] of unit length."""
        return F.normalize((maps.flatten(1) - self.centre) * self.scale)

    def share(self, years: Tensor) -> Tensor:
        """How much of the conversion a face of this apparent age gets, 0-1, [n]."""
        return ((self.none - years) / (self.none - self.full)).clamp(0, 1)

    def grown(self, embeddings: Tensor, maps: Tensor) -> Tensor:
        """The whole conversion, whatever the age: unit rows [n, width]."""
        return F.normalize(embeddings + self.change(torch.cat([embeddings, self.look(maps)], dim=1)))

    def forward(self, embeddings: Tensor, maps: Tensor, years: Tensor) -> Tensor:
        share = self.share(years)[:, None]
        mixed = F.normalize((1 - share) * embeddings + share * self.grown(embeddings, maps))
        return torch.where(share > 0, mixed, embeddings)
