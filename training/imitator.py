"""G, the imitator of method B: from y to the picture that the renderer draws, so that gradients pass.

L_G = |I_y - G(y)|_1 + w |F(I_y) - F(G(y))|_2. The source's F is a VGG; ours is the trunk of our own parsing network,
so that nothing has to be fetched.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.face.nets.facial_parameters import OUTPUTS, SIDE, Parsing


class Imitator(nn.Module):
    """y [n, 269] to pictures [n, 3, SIDE, SIDE], normalised: (pixel - 127.5) / 64. 12 M MAC."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Sequential(nn.Linear(OUTPUTS, 512), nn.ReLU(), nn.Linear(512, 8 * width * (SIDE // 16) ** 2))
        steps = [(8 * width, 6 * width), (6 * width, 4 * width), (4 * width, 2 * width), (2 * width, width)]
        self.grow = nn.ModuleList(_Grow(inputs, outputs) for inputs, outputs in steps)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, y: Tensor) -> Tensor:
        x = self.first(y).view(len(y), 8 * self.width, SIDE // 16, SIDE // 16)
        for grow in self.grow:
            x = grow(x)
        return 2.0 * torch.tanh(self.last(x).float())


class _Grow(nn.Module):
    """Twice the side. Normalised by sample, as the picture must depend on y alone."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.leaky_relu(self.norm(self.conv(x)), 0.1)
        return F.interpolate(y, scale_factor=2.0, mode="nearest")


def imitation(drawn: Tensor, wanted: Tensor, parsing: Parsing, perceptual: float = 0.5) -> dict[str, Tensor]:
    """L_G by its two terms; both pictures normalised as ``Imitator`` answers them."""
    _, of_drawn, _ = parsing.parse(drawn)
    with torch.no_grad():
        _, of_wanted, _ = parsing.parse(wanted)
    features = torch.stack([F.mse_loss(a, b) for a, b in zip(of_drawn, of_wanted, strict=True)]).sum()
    return {"pixels": F.l1_loss(drawn, wanted), "features": perceptual * features.clamp(min=1e-8).sqrt()}
