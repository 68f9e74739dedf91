"""The losses of method B, each as its page states it. Pure.

y is [n, 269]: identity (244), pitch and yaw, units (23). I2 = G(a_id, a_au), I3 = G(base id, a_au),
I4 = G(a_id, base expression), where the base face is neutral and frontal, so that its y is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from app.face.nets.facial_parameters import FIRST_UNIT, FacialParameters, points_of
from training.face_model import CLASSES, IDENTITY
from training.redrawn import CONTOUR, IGNORED

Maps = tuple[Tensor, Tensor, Tensor]
Imitate = Callable[[Tensor], Tensor]
"""G: y [n, 269] to pictures [n, 3, s, s] normalised as ``Parsing.parse`` takes them."""
Recognise = Callable[[Tensor], Tensor]
"""F_reg: such pictures to embeddings [n, width]."""

MOUTH: Final = tuple(CLASSES.index(name) for name in ("upper_lip", "teeth", "lower_lip"))

TINY: Final = 1e-6

RARE: Final = torch.tensor([0.5, 2, 2, 4, 4, 1, 2, 2, 2, 0.5, 0.7])
"""What a class counts in the parsing loss: eyes and brows are few pixels."""


FAINT: Final = 4.0
"""What the units of a photograph count: people move a third as far as renders do, and errors are squares of that."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the terms of L; ``loop`` weighs L_lp, ``gbi`` is its inner g. Zero leaves a term out."""

    content: float = 1.0
    identity: float = 0.5
    parameters: float = 0.002
    loop: float = 1.0
    gbi: float = 1.0
    mouth: float = 0.5


def supervised(
    y: Tensor, whole: Tensor, logits: Tensor, batch: Mapping[str, Tensor], mode: Tensor
) -> dict[str, Tensor]:
    """Against what ``training.facial_batches.batch_of`` knows; y, f_gb and class logits are the network's.

    ``mode`` [244] says how much each identity number shows. A unit that is NaN is nobody's knowledge. The points of
    the jaw's outline count little: they are another line of the skin in every pose.
    """
    labels = batch["labels"]
    photographs = (labels == IGNORED).flatten(1).all(dim=1, keepdim=True)
    missed = F.smooth_l1_loss(points_of(whole), batch["points"], beta=0.01, reduction="none").mean(dim=(0, 2))
    points = 0.2 * missed[:CONTOUR].mean() + missed[CONTOUR:].mean()
    parsing = F.cross_entropy(logits.float(), labels, RARE.to(logits.device), ignore_index=IGNORED)
    answers = answered(y, batch["y"], batch["known"], torch.where(photographs, FAINT, 1.0), mode)
    return {**answers, "points": 20 * points, "parsing": 0.5 * parsing}


def answered(y: Tensor, true: Tensor, known: Tensor, weight: Tensor, mode: Tensor) -> dict[str, Tensor]:
    """The terms of y alone: units by ``weight`` [n, 1], angles, identity where it is ``known`` [n, 1]."""
    units = divergence(y[:, FIRST_UNIT:], true[:, FIRST_UNIT:], weight)
    angles = F.smooth_l1_loss(y[:, IDENTITY : IDENTITY + 2], true[:, IDENTITY : IDENTITY + 2], beta=0.1)
    wrong = ((y[:, :IDENTITY] - true[:, :IDENTITY]) ** 2 * mode).mean(dim=1, keepdim=True)
    identity = (known * wrong).sum() / known.sum().clamp(min=1)
    return {"units": 4 * units, "angles": 5 * angles, "identity": identity}


def divergence(found: Tensor, true: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Kullback and Leibler's, of units as chances: the cross entropy less what the truth itself costs; of those known.

    Faces count by ``weight`` [n, 1].

    Most units rest on most faces. A loss with a median (L1) then says zero where it is unsure, and the sigmoid, flat
    there, never leaves it: eyes that close stayed open.
    """

    sure = true.isfinite()
    true = true.nan_to_num()

    def cost(chance: Tensor) -> Tensor:
        log, other = chance.clamp(min=TINY).log(), (1 - chance).clamp(min=TINY).log()
        return -(true * log + (1 - true) * other)

    return ((cost(found.float()) - cost(true)) * sure * weight).sum() / sure.sum().clamp(min=1)


def swapped(y: Tensor) -> tuple[Tensor, Tensor]:
    """y of I3 (base identity) and of I4 (base expression, which includes the base pose)."""
    base = torch.zeros_like(y)
    gbi = torch.cat([base[:, :IDENTITY], y[:, IDENTITY:]], dim=1)
    gbe = torch.cat([y[:, :IDENTITY], base[:, IDENTITY:]], dim=1)
    return gbi, gbe


def content(of_i2: Maps, of_picture: Maps) -> Tensor:
    """L_ct: the maps carry the parsing's attention already."""
    terms = [F.l1_loss(one, other) for one, other in zip(of_i2, of_picture, strict=True)]
    return torch.stack(terms).sum()


def identity(of_i4: Tensor, of_picture: Tensor) -> Tensor:
    """L_id = 1 - cos."""
    return (1 - F.cosine_similarity(of_i4, of_picture, dim=1)).mean()


def parameters(y: Tensor) -> Tensor:
    """L_pr, the squared distance from the base face, summed over y."""
    return (y**2).sum(dim=1).mean()


def loop(again_gbe: Tensor, gbe: Tensor, again_gbi: Tensor, gbi: Tensor, g: float) -> Tensor:
    """L_lp: what R reads from I4 and I3 is what they were drawn from."""
    return F.l1_loss(again_gbe, gbe) + g * F.l1_loss(again_gbi, gbi)


def mouth(maps: Maps, logits: Tensor, base_maps: Maps, base_logits: Tensor) -> Tensor:
    """L_adv: the mouth of I4 is as closed as the base face's."""
    terms = [
        F.l1_loss(_at_mouth(one, logits), _at_mouth(other, base_logits).expand_as(one))
        for one, other in zip(maps, base_maps, strict=True)
    ]
    return torch.stack(terms).sum()


def _at_mouth(features: Tensor, logits: Tensor) -> Tensor:
    share = logits.softmax(dim=1)[:, list(MOUTH)].sum(dim=1, keepdim=True)
    return features * F.adaptive_avg_pool2d(share, features.shape[-1])


def unlabelled(
    network: FacialParameters,
    imitate: Imitate,
    recognise: Recognise,
    pictures: Tensor,
    embeddings: Tensor,
    weights: Weights,
) -> dict[str, Tensor]:
    """The five terms, weighted, on photographs [n, 3, s, s] (normalised) whose F_reg is ``embeddings``."""
    whole, maps, _ = network.parsing.parse(pictures)
    y = network.regressor(whole, maps)
    gbi, gbe = swapped(y)
    i2, i3, i4 = imitate(y), imitate(gbi), imitate(gbe)
    base = imitate(torch.zeros_like(y[:1]))
    n = len(y)
    seen, seen_maps, logits = network.parsing.parse(torch.cat([i2, i3, i4, base]))

    def of(start: int, stop: int) -> Maps:
        first, second, third = seen_maps
        return first[start:stop], second[start:stop], third[start:stop]

    again = network.regressor(seen[n : 3 * n], of(n, 3 * n))
    terms = {
        "content": weights.content * content(of(0, n), maps),
        "parameters": weights.parameters * parameters(y),
        "loop": weights.loop * loop(again[n:], gbe.detach(), again[:n], gbi.detach(), weights.gbi),
        "mouth": weights.mouth * mouth(of(2 * n, 3 * n), logits[2 * n : 3 * n], of(3 * n, 3 * n + 1), logits[3 * n :]),
    }
    if weights.identity:
        terms["identity"] = weights.identity * identity(recognise(i4), embeddings)
    return terms
