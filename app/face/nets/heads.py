"""What sits on an embedding: the classifiers C_I and C_P of training, the frontalizer G, its critic D.

Method A (adversarial feature frontalization): G and D are MLPs on cached embeddings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

YAW_EDGES = (-75.0, -60.0, -45.0, -30.0, -15.0, 15.0, 30.0, 45.0, 60.0, 75.0)
"""Bounds of the yaw bins in degrees; the frontal bin lies between -15 and 15."""

FRONTAL_BIN = len(YAW_EDGES) // 2
POSE_BINS = len(YAW_EDGES) + 1


def yaw_bins(yaw: Tensor) -> Tensor:
    """Yaw in degrees, any shape, to the index of its bin, int64, 0..10; 5 is frontal."""
    return torch.bucketize(yaw.contiguous(), torch.tensor(YAW_EDGES, device=yaw.device))


class MarginSoftmax(nn.Module):
    """Identity classifier C_I: logits of cosines with a margin on the true class while training.

    ``kind`` is "cosface" (cos - m; Wang et al. 2018, eq. 4), "arcface" (cos(theta + m); Deng et al. 2019,
    eq. 3) or "softmax" (no margin). Embeddings [n, width], labels int64 [n]; answers logits [n, classes].
    """

    def __init__(
        self, width: int, classes: int, kind: str = "cosface", margin: float = 0.3, scale: float = 32.0
    ) -> None:
        super().__init__()
        if kind not in {"cosface", "arcface", "softmax"}:
            raise ValueError(f"no such margin: {kind}")
        self.kind, self.margin, self.scale = kind, margin, scale
        self.weight = nn.Parameter(torch.randn(classes, width) * 0.01)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        cosine = F.linear(F.normalize(x), F.normalize(self.weight))
        if labels is None or self.kind == "softmax":
            return self.scale * cosine
        true = cosine.gather(1, labels[:, None])
        if self.kind == "cosface":
            moved = true - self.margin
        else:
            moved = torch.cos(true.clamp(-1 + 1e-6, 1 - 1e-6).acos() + self.margin)
        return self.scale * cosine.scatter(1, labels[:, None], moved.to(cosine.dtype))


class PoseClassifier(nn.Linear):
    """C_P: a linear layer from the unit embedding [n, width] to logits over the yaw bins [n, 11]."""

    def __init__(self, width: int) -> None:
        super().__init__(width, POSE_BINS)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(8.0 * F.normalize(x))


class Frontalizer(nn.Module):
    """G: R^m -> R^m, a linear base and a residual MLP on unit embeddings, which start as the identity.

    [n, width] unit vectors to [n, width] unit vectors. The base may hold a whitening (see
    ``training.frontalization``). With ``gated`` the change is scaled by a learned
    soft gate of the embedding (DREAM, Cao et al. 2018, eq. 3), so that frontal faces stay where they are.
    """

    def __init__(self, width: int, hidden: int = 512, gated: bool = False) -> None:
        super().__init__()
        self.base = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.base.weight)
        self.change = nn.Sequential(
            nn.Linear(width, hidden),
            nn.PReLU(hidden),
            nn.Linear(hidden, hidden),
            nn.PReLU(hidden),
            nn.Linear(hidden, width),
        )
        last = self.change[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gate = nn.Linear(width, 1) if gated else None

    def forward(self, x: Tensor) -> Tensor:
        x = F.normalize(self.base(x))
        change = self.change(x)
        if self.gate is not None:
            change = change * torch.sigmoid(8.0 * self.gate(x))
        return F.normalize(x + change)


class Critic(nn.Module):
    """D: R^m -> R, tells embeddings of frontal pictures from what G makes. [n, width] to [n]."""

    def __init__(self, width: int, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y[:, 0]
