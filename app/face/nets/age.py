"""Age and identity taken apart on E's last feature map: method C.

A vector v of the map is split by a gate s of itself: the age vector a = s * v, the identity part id = v - a. The
age vector is read by its similarity to a bank of standard age vectors, one a group of ages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE: Final = 0.1
"""t of the age loss: similarities to the bank are divided by it before the softmax."""

OPEN, SHUT = 3.0, -4.0
"""Where the gate starts, before its sigmoid: in the spare coordinates all is age, in E's own nearly nothing."""

COVERED: Final = 0.8
"""Share of faces whose age the interval holds, on the pictures it was calibrated on."""


@dataclass(frozen=True, slots=True, eq=False)
class Separated:
    """``vector`` = ``identity`` + ``age``, each float32 [n, width + spare]."""

    vector: Tensor
    identity: Tensor
    age: Tensor


class AgeSeparation(nn.Module):
    """E's last map [n, channels, 3, 3] to the vector v, its age vector and its identity part.

    ``width`` coordinates of v start as E's own embedding (see ``start_at``), ``spare`` ones hold what age needs
    besides. Identities are compared in the first ``width`` coordinates of the identity part, which so lies where E's
    embeddings lie. ``groups`` standard age vectors stand for the ages 0, ``step``, 2 ``step``, ... years.
    """

    def __init__(
        self,
        width: int = 192,
        channels: int = 192,
        spare: int = 64,
        hidden: int = 192,
        groups: int = 21,
        step: float = 5.0,
    ) -> None:
        super().__init__()
        self.width = width
        whole = width + spare
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.embed = nn.Linear(channels, whole)
        # Where on the face something is matters for age (corners of the eyes, mouth, forehead): a look at all cells.
        self.look = nn.Sequential(
            nn.Conv2d(channels, hidden // 4, 1), nn.GELU(), nn.Conv2d(hidden // 4, hidden, 3), nn.GELU(), nn.Flatten()
        )
        self.add = nn.Linear(hidden, whole)
        self.gate = nn.Sequential(nn.Linear(whole, hidden), nn.GELU(), nn.Linear(hidden, whole))
        self.bank = nn.Parameter(torch.randn(groups, whole) / whole**0.5)
        self.ages: Tensor
        self.register_buffer("ages", torch.arange(groups) * step)
        self.below: Tensor
        self.register_buffer("below", torch.ones(groups))
        self.above: Tensor
        self.register_buffer("above", torch.ones(groups))
        last = self.gate[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            self.add.weight[:width] = 0
            self.add.bias.zero_()
            last.weight.mul_(0.1)
            last.bias.copy_(torch.cat([torch.full((width,), SHUT), torch.full((spare,), OPEN)]))

    def start_at(self, norm: nn.LayerNorm, embed: nn.Linear) -> None:
        """Take over E's head, so that the identity part starts at E's embedding (up to the gate)."""
        with torch.no_grad():
            self.norm.load_state_dict(norm.state_dict())
            self.embed.weight[: self.width] = embed.weight
            self.embed.bias[: self.width] = embed.bias

    def vector(self, maps: Tensor) -> Tensor:
        """v [n, width + spare] of maps [n, channels, 3, 3]."""
        pooled: Tensor = self.embed(self.norm(maps.mean(dim=(2, 3))))
        return pooled + self.add(self.look(maps))

    def separate(self, vector: Tensor) -> Separated:
        """Any v [n, width + spare], also a converted one, into age and identity."""
        # The gate looks at directions: how long v is depends on the picture's quality.
        age = torch.sigmoid(self.gate(F.normalize(vector) * vector.shape[1] ** 0.5)) * vector
        return Separated(vector, vector - age, age)

    def forward(self, maps: Tensor) -> Separated:
        return self.separate(self.vector(maps))

    def compared(self, identity: Tensor) -> Tensor:
        """What identities are compared by: unit rows [n, width] of identity parts [n, width + spare]."""
        return F.normalize(identity[:, : self.width])

    def logits(self, age: Tensor) -> Tensor:
        """Similarities of age vectors to the bank, over t: [n, groups]."""
        return F.linear(F.normalize(age), F.normalize(self.bank)) / TEMPERATURE

    def years(self, age: Tensor) -> tuple[Tensor, Tensor]:
        """Expected age and its standard deviation over the bank, in years, [n] each."""
        shares = self.logits(age).softmax(dim=1)
        mean = shares @ self.ages
        spread = (shares * (self.ages - mean[:, None]).square()).sum(dim=1).sqrt()
        return mean, spread

    def interval(self, age: Tensor) -> Tensor:
        """years, low, high [n, 3]: ``below`` and ``above`` of that age times (spread + 1), not below 0."""
        mean, spread = self.years(age)
        near = between(mean, self.ages)
        low, high = mean - near @ self.below * (spread + 1), mean + near @ self.above * (spread + 1)
        return torch.stack([mean, low.clamp(min=0), high], dim=1)


def between(years: Tensor, ages: Tensor) -> Tensor:
    """Years [n] as shares [n, groups] of the two groups around them; ``ages`` [groups] rise evenly.

    An age that a standard vector stands for is that vector's alone, and the age loss then the plain one.
    """
    step = ages[1] - ages[0]
    place = ((years - ages[0]) / step).clamp(0, len(ages) - 1)
    below = place.floor().long().clamp(max=len(ages) - 2)
    upper = (place - below)[:, None]
    return F.one_hot(below, len(ages)) * (1 - upper) + F.one_hot(below + 1, len(ages)) * upper


class Conversion(nn.Module):
    """An identity part with another age vector back to a v: c = id + a + D(id, a), at first their plain sum."""

    def __init__(self, whole: int, hidden: int = 192) -> None:
        super().__init__()
        self.change = nn.Sequential(nn.Linear(2 * whole, hidden), nn.GELU(), nn.Linear(hidden, whole))
        last = self.change[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, identity: Tensor, age: Tensor) -> Tensor:
        plain = identity + age
        both = torch.cat([F.normalize(identity), F.normalize(age)], dim=1)
        return plain + self.change(both) * plain.norm(dim=1, keepdim=True)
