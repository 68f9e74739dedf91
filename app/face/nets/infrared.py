"""The infrared network of method E: first stages of its own before the late layers of the visible network.

What infrared changes is how a face is lit and how skin, hair and irises shine: that is for the first layers to undo.
The rest is shared with the frozen visible network, so that both embed into one space.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from app.face.nets.edgenext import EdgeNeXt


class InfraredEntry(nn.Module):
    """The first stages of an EdgeNeXt, as many as there are ``dims``: [n, 3, 112, 112] normalised to their last map."""

    def __init__(
        self,
        dims: Sequence[int] = (32, 64),
        depths: Sequence[int] = (3, 3),
        kernels: Sequence[int] = (3, 5),
        scales: Sequence[int] = (1, 2),
    ) -> None:
        super().__init__()
        self.units = EdgeNeXt(1, dims, depths, kernels, scales).units

    def start_at(self, visible: EdgeNeXt) -> None:
        """Take over the weights of the visible network's first units. Raises ``RuntimeError`` where they do not fit."""
        for mine, theirs in zip(self.units, visible.units, strict=False):
            mine.load_state_dict(theirs.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        for unit in self.units:
            x = unit(x)
        return x


def infrared_extractor(entry: InfraredEntry, visible: EdgeNeXt) -> EdgeNeXt:
    """``entry``, then the units of ``visible`` behind the place that it takes, then its head: no weight is copied."""
    whole = copy.copy(visible)
    whole._modules = visible._modules.copy()  # else the copy's units would be the visible network's, too
    whole.units = nn.ModuleList([*entry.units, *visible.units[len(entry.units) :]])
    return whole
