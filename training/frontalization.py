"""Train the frontalizer G on cached embeddings: adversarial feature frontalization, method A.

With the classifiers C_I and C_P frozen, critic and generator are minimised in turn:
    L_advD = E_fake[D(f)] - E_real[D(f)] + gp * penalty          (WGAN-GP; or clipped weights)
    L_G    = L_IG + a L_PG + b L_advG + c L_C + s L_S + t L_T
    L_IG   = CE(C_I(G(e)), person)       L_PG = CE(C_P(G(e)), frontal bin)       L_advG = -E_fake[D(f)]
real = embeddings of frontal pictures, fake = G of all. Ours: L_C = 1 - cosine to the centre of the same person's
frontal embeddings, the target that identity alone leaves open; L_S = 1 - cosine to the input for frontal pictures,
which are to stay; and, for an extractor that was distilled, L_T, its loss against what the teachers say of the
picture, which a linear head could not follow all the way. A weight of 0 takes a loss out; ours are out by default, for
they cost more than they bring (docs/training.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.heads import FRONTAL_BIN, YAW_EDGES, Critic, Frontalizer, MarginSoftmax, PoseClassifier, yaw_bins
from training.losses import distillation

RELATIONS = 20.0
"""Weight of the batch's similarities in L_T, as in the training of E."""

FRONTAL_YAW = YAW_EDGES[FRONTAL_BIN]
"""Pictures with a smaller absolute yaw (degrees) are the frontal ones."""


@dataclass(frozen=True, slots=True)
class Config:
    """A run. ``lipschitz`` is "penalty" (weight ``penalty``) or "clip" (weights within +-``clip``)."""

    steps: int = 1500
    batch: int = 512
    rate: float = 1e-3
    hidden: int = 512
    gated: bool = False
    identity: float = 1.0
    pose: float = 0.1
    adversary: float = 0.01
    centre: float = 0.0
    stay: float = 0.0
    teacher: float = 0.0
    lipschitz: str = "penalty"
    penalty: float = 10.0
    clip: float = 0.05
    critic_steps: int = 3
    side_views: float = 0.5
    decay: float = 1e-4
    seed: int = 7


ABLATIONS: dict[str, dict[str, float | bool]] = {
    "AFF": {},
    "no L_adv": {"adversary": 0.0},
    "no L_PG": {"pose": 0.0},
    "neither": {"adversary": 0.0, "pose": 0.0},
    "AFF and ours": {"centre": 1.0, "stay": 1.0},
    "gated (DREAM)": {"gated": True},
}
"""Table 3 of the source; with our losses beside it; and with a soft gate."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Cached unit embeddings float32 [n, m], ``people`` int64 [n] from 0, ``yaw`` degrees [n].

    ``said`` float32 [n, m] unit: the teachers' embeddings in the same space, where the extractor was distilled.
    """

    embeddings: NDArray[np.float32]
    people: NDArray[np.int64]
    yaw: NDArray[np.float32]
    said: NDArray[np.float32] | None = None

    @property
    def frontal(self) -> NDArray[np.bool_]:
        return np.asarray(np.abs(self.yaw) < FRONTAL_YAW)


class Classifiers(nn.Module):
    """C_I and C_P on embeddings, linear as in the main branch."""

    def __init__(self, width: int, people: int) -> None:
        super().__init__()
        self.identity = MarginSoftmax(width, people, "softmax")
        self.pose = PoseClassifier(width)


def fit_classifiers(data: Features, steps: int = 800, batch: int = 1024, seed: int = 7) -> Classifiers:
    """The classifiers of the main branch, for an extractor that came without: fitted to its embeddings."""
    torch.manual_seed(seed)
    classifiers = Classifiers(data.embeddings.shape[1], int(data.people.max()) + 1)
    x, people, yaw = _tensors(data)
    with torch.no_grad():  # the persons' means are close to where C_I ends: start there
        means = torch.zeros_like(classifiers.identity.weight).index_add_(0, people, x)
        classifiers.identity.weight.copy_(F.normalize(means))
    bins = yaw_bins(yaw)
    optimizer = torch.optim.Adam(classifiers.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=generator)
        loss = F.cross_entropy(classifiers.identity(x[rows], people[rows]), people[rows])
        loss = loss + F.cross_entropy(classifiers.pose(x[rows]), bins[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return classifiers.requires_grad_(False)


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L_advD of critic values [n] on frontal embeddings and on what G made: E_fake - E_real."""
    return fake.mean() - real.mean()


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|grad D| - 1)^2] between ``real`` and ``fake`` [n, m], at ``mix`` [n, 1] in 0..1 (Gulrajani et al. 2017)."""
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()


def frontal_centres(data: Features, unit_length: bool = True) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mean of each person's frontal embeddings [people, m], and who has at least one."""
    count = int(data.people.max()) + 1
    sums = np.zeros((count, data.embeddings.shape[1]), np.float32)
    np.add.at(sums, data.people[data.frontal], data.embeddings[data.frontal])
    counts = np.bincount(data.people[data.frontal], minlength=count)
    lengths = np.linalg.norm(sums, axis=1) if unit_length else counts
    return sums / np.maximum(lengths, 1e-9)[:, None].astype(np.float32), counts > 0


def train(data: Features, classifiers: Classifiers, config: Config) -> Frontalizer:
    """G for these features. The classifiers are not touched. A few seconds to a minute."""
    torch.manual_seed(config.seed)
    width = data.embeddings.shape[1]
    g, d = Frontalizer(width, config.hidden, config.gated), Critic(width)
    g.base.requires_grad_(False)  # it is solved for, not trained: see ``fit``
    x, people, _ = _tensors(data)
    centres_, has_centre_ = frontal_centres(data)
    centres, has_centre = torch.from_numpy(centres_), torch.from_numpy(has_centre_)
    frontal = torch.from_numpy(np.flatnonzero(data.frontal))
    turned = torch.from_numpy(np.flatnonzero(~data.frontal))
    g_optimizer = torch.optim.AdamW(g.parameters(), config.rate, betas=(0.5, 0.9), weight_decay=config.decay)
    d_optimizer = torch.optim.Adam(d.parameters(), config.rate, betas=(0.5, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(g_optimizer, config.steps)
    generator = torch.Generator().manual_seed(config.seed)

    def draw(rows: Tensor, n: int) -> Tensor:
        return rows[torch.randint(len(rows), (n,), generator=generator)]

    def mixed(n: int) -> Tensor:
        side = int(n * config.side_views) if len(turned) else 0
        return torch.cat([draw(frontal, n - side), draw(turned, side)]) if side else draw(frontal, n)

    for _ in range(config.steps):
        if config.adversary:
            for _ in range(config.critic_steps):
                real = x[draw(frontal, config.batch)]
                with torch.no_grad():
                    fake = g(x[mixed(config.batch)])
                loss = critic_loss(d(real), d(fake))
                if config.lipschitz == "penalty":
                    mix = torch.rand(config.batch, 1, generator=generator)
                    loss = loss + config.penalty * gradient_penalty(d, real, fake, mix)
                d_optimizer.zero_grad(set_to_none=True)
                loss.backward()
                d_optimizer.step()
                if config.lipschitz == "clip":
                    with torch.no_grad():
                        for weight in d.parameters():
                            weight.clamp_(-config.clip, config.clip)
        rows = mixed(config.batch)
        made = g(x[rows])
        loss = _generator_loss(made, x[rows], rows, people, classifiers, d, centres, has_centre, data, config)
        g_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        g_optimizer.step()
        schedule.step()
    return g.requires_grad_(False).eval()


def _generator_loss(
    made: Tensor,
    source: Tensor,
    rows: Tensor,
    people: Tensor,
    classifiers: Classifiers,
    critic: Critic,
    centres: Tensor,
    has_centre: Tensor,
    data: Features,
    config: Config,
) -> Tensor:
    who = people[rows]
    loss = made.new_zeros(())
    if config.identity:
        loss = loss + config.identity * F.cross_entropy(classifiers.identity(made), who)
    if config.pose:
        straight = torch.full((len(rows),), FRONTAL_BIN)
        loss = loss + config.pose * F.cross_entropy(classifiers.pose(made), straight)
    if config.adversary:
        loss = loss - config.adversary * critic(made).mean()
    if config.centre:
        known = has_centre[who]
        loss = loss + config.centre * (1 - (made[known] * centres[who[known]]).sum(dim=1)).mean()
    if config.teacher and data.said is not None:
        said = torch.from_numpy(data.said)[rows]
        loss = loss + config.teacher * distillation(made, said, said, RELATIONS)[0]
    if config.stay:
        straight_rows = torch.from_numpy(data.frontal)[rows]
        loss = loss + config.stay * (1 - (made * source).sum(dim=1))[straight_rows].mean()
    return loss


@torch.no_grad()
def apply(g: Frontalizer, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """G(e) of unit rows [n, m], unit rows again."""
    return np.asarray(g(torch.from_numpy(np.asarray(embeddings, np.float32))).numpy(), np.float32)


def ablation(name: str, config: Config) -> Config:
    """The named row of the ablation table."""
    return replace(config, **ABLATIONS[name])  # type: ignore[arg-type]


def _tensors(data: Features) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(data.embeddings), torch.from_numpy(data.people), torch.from_numpy(data.yaw)
