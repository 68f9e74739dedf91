"""How the separation of age and identity (method C) is trained on E's last maps; E stays frozen.

    L = L_age + c L_x + i L_I + k L_K
L_age: similarity of the age vector to the standard vectors, where the age is known. L_x over triples (x1, x2 one
person, x3 another): conversion of 1 to the age of 2 must give 2; conversion of 1 to the age of 3 must keep person 1
and read as old as 3. L_I: margin softmax over the people. L_K, ours: the identity part stays near E's embedding, so
that templates of E and what LFW and CFP say of it stay valid. Warm-up: L_age and L_K alone, after which ages are
predicted for the sets that tell people only; pairs are then drawn with a gap between their ages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.age import COVERED, AgeSeparation, Conversion, Separated, between
from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.heads import MarginSoftmax
from training.ages import Faces
from training.checkpoint import Run
from training.cross_age_losses import age_loss, conversion_loss, identity_kept
from training.intervals import reaches
from training.landmarks import share_of_rate

EVEN = 0.75
"""How far the interval is calibrated for all decades alike (see ``reaches``): chosen on one half of the calibration
faces by what the other half's interval held."""

TRIES = 3
"""Of so many other pictures of a person the one furthest in predicted age makes the pair."""


@dataclass(frozen=True, slots=True)
class Config:
    """A run. ``aged`` pictures with known age and ``triples`` a step; a loss with weight 0 is left out."""

    steps: int = 350
    warm: int = 100
    aged: int = 256
    triples: int = 96
    rate: float = 2e-3
    age: float = 1.0
    cross: float = 4.0
    identity: float = 0.1
    keep: float = 1.5
    margin: float = 0.3
    decay: float = 0.02
    seed: int = 7


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Training pictures of all sets: ``maps`` float16 [n, ...], ``age`` float32 [n] with NaN, ``people`` int64 [n]
    with -1, ``young`` bool [n]: a picture that its set calls the young one."""

    maps: NDArray[np.float16]
    age: NDArray[np.float32]
    people: NDArray[np.int64]
    young: NDArray[np.bool_]

    @classmethod
    def of(cls, sets: Sequence[Faces]) -> Samples:
        rows = [faces.where("train") for faces in sets]
        who = [faces.people[i] for faces, at in zip(sets, rows, strict=True) for i in at.tolist()]
        known = {person: number for number, person in enumerate(sorted({p for p in who if p is not None}))}
        return cls(
            np.concatenate([faces.maps[at] for faces, at in zip(sets, rows, strict=True)]),
            np.concatenate([faces.age[at] for faces, at in zip(sets, rows, strict=True)]),
            np.array([-1 if p is None else known[p] for p in who], np.int64),
            np.concatenate([faces.young[at] for faces, at in zip(sets, rows, strict=True)]),
        )


class Trainee(nn.Module):
    """The separation and what only training needs: the conversion and the identity classifier."""

    def __init__(self, extractor: EdgeNeXt, people: int) -> None:
        super().__init__()
        self.separation = AgeSeparation(extractor.width, extractor.embed.in_features)
        self.separation.start_at(extractor.norm, extractor.embed)
        self.conversion = Conversion(self.separation.bank.shape[1])
        self.classifier = MarginSoftmax(extractor.width, max(people, 1))


def fit(data: Samples, extractor: EdgeNeXt, config: Config, run: Run) -> AgeSeparation:
    """Train, or go on from the run's last checkpoint. The extractor is only asked."""
    torch.manual_seed(config.seed)
    trainee = Trainee(extractor, int(data.people.max(initial=-1)) + 1)
    optimizer = torch.optim.AdamW(trainee.parameters(), config.rate, weight_decay=config.decay)
    step = 0
    if saved := run.load():
        if saved["config"] != asdict(config):
            raise ValueError(f"{run.folder} holds a run with another config: choose another folder")
        trainee.load_state_dict(saved["trainee"])
        optimizer.load_state_dict(saved["optimizer"])
        step = int(saved["step"])
    draw = _Draw(data, config)
    while step < config.steps:
        for group in optimizer.param_groups:
            group["lr"] = config.rate * share_of_rate(step / config.steps)
        warm = step < config.warm
        if not warm and draw.years is None:
            draw.years = years_of(trainee.separation, data.maps)
        loss, figures = step_loss(trainee, extractor, data, draw, config, step, warm)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trainee.parameters(), 5.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            run.log(step=step, **figures)
        if run.due():
            run.save(_state(trainee, optimizer, step, config))
    run.save(_state(trainee, optimizer, step, config))
    return trainee.separation.eval().requires_grad_(False)


def _state(trainee: Trainee, optimizer: torch.optim.Optimizer, step: int, config: Config) -> dict[str, Any]:
    return {
        "trainee": trainee.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "config": asdict(config),
    }


def step_loss(
    trainee: Trainee, extractor: EdgeNeXt, data: Samples, draw: _Draw, config: Config, step: int, warm: bool
) -> tuple[Tensor, dict[str, float]]:
    """L of one step's batch, and its parts for the log."""
    rng = np.random.default_rng((config.seed, step))
    aged = draw.aged(rng)
    triples = draw.triples(rng) if not warm else np.empty((3, 0), np.int64)
    maps = torch.from_numpy(data.maps[np.concatenate([aged, triples.ravel()])].astype(np.float32))
    parts = trainee.separation(maps)
    here = trainee.separation.compared(parts.identity)
    with torch.no_grad():
        before = F.normalize(extractor.head(maps))
    n = len(aged)
    ages = between(torch.from_numpy(data.age[aged]), trainee.separation.ages)
    known = age_loss(trainee.separation.logits(parts.age[:n]), ages)
    kept = (1 - (here * before).sum(dim=1)).mean()
    loss = config.age * known + config.keep * kept
    figures = {"age": float(known.detach()), "keep": float(kept.detach())}
    if warm:
        return loss, figures
    _, v2, _ = parts.vector[n:].chunk(3)
    id1, _, id3 = parts.identity[n:].chunk(3)
    _, a2, a3 = parts.age[n:].chunk(3)
    if config.cross:
        c12, c13 = trainee.conversion(id1, a2), trainee.conversion(id1, a3)
        again = trainee.separation.separate(c13)
        true = trainee.separation.logits(a3).detach().softmax(dim=1)
        cross = (
            conversion_loss(c12, v2)
            + identity_kept(again.identity, id1, id3, config.margin)
            + 0.1 * age_loss(trainee.separation.logits(again.age), true)
        )
        loss = loss + config.cross * cross
        figures["cross"] = float(cross.detach())
    if config.identity:
        people = torch.from_numpy(data.people[np.concatenate([triples[0], triples[1]])])
        who = F.cross_entropy(trainee.classifier(here[n : n + len(people)], people), people)
        loss = loss + config.identity * who
        figures["identity"] = float(who.detach())
    return loss, figures


class Regressor(AgeSeparation):
    """The baseline: the same look at the map, and ages read from all of it by a linear layer. Nothing is separated."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__(width, channels)
        self.read = nn.Linear(self.bank.shape[1], len(self.ages))

    def separate(self, vector: Tensor) -> Separated:
        return Separated(vector, torch.zeros_like(vector), vector)

    def logits(self, age: Tensor) -> Tensor:
        shares: Tensor = self.read(age)
        return shares


def fit_regressor(data: Samples, extractor: EdgeNeXt, config: Config, run: Run) -> Regressor:
    """As many steps on as many pictures of known age as the separation gets. A finished one is read back."""
    torch.manual_seed(config.seed)
    regressor = Regressor(extractor.width, extractor.embed.in_features)
    regressor.start_at(extractor.norm, extractor.embed)
    if saved := run.load():
        regressor.load_state_dict(saved["regressor"])
        return regressor.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(regressor.parameters(), config.rate, weight_decay=config.decay)
    draw = _Draw(data, config)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.rate * share_of_rate(step / config.steps)
        rows = draw.aged(np.random.default_rng((config.seed, step)))
        parts = regressor(torch.from_numpy(data.maps[rows].astype(np.float32)))
        shares = between(torch.from_numpy(data.age[rows]), regressor.ages)
        optimizer.zero_grad(set_to_none=True)
        age_loss(regressor.logits(parts.age), shares).backward()
        optimizer.step()
    run.save({"regressor": regressor.state_dict()})
    return regressor.eval().requires_grad_(False)


class _Draw:
    """Rows of a step. ``years`` [n] are predicted after the warm-up; until then any two pictures make a pair."""

    def __init__(self, data: Samples, config: Config) -> None:
        self._config, self._young = config, data.young
        self._aged = np.flatnonzero(np.isfinite(data.age))
        order = np.argsort(data.people, kind="stable")
        people, starts = np.unique(data.people[order], return_index=True)
        groups = np.split(order, starts[1:])
        self._people = [g for who, g in zip(people, groups, strict=True) if who >= 0 and len(g) > 1]
        self._other = np.arange(len(data.people))
        self._who = data.people
        self.years: NDArray[np.float32] | None = None

    def aged(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.choice(self._aged, self._config.aged)

    def triples(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """[3, triples] rows."""
        out = np.empty((3, self._config.triples), np.int64)
        for at, chosen in enumerate(rng.integers(0, len(self._people), self._config.triples)):
            mine = self._people[chosen]
            first = int(rng.choice(mine))
            second = self._second(first, mine, rng)
            other = int(rng.choice(self._other))
            while self._who[other] == self._who[first]:
                other = int(rng.choice(self._other))
            out[:, at] = first, second, other
        return out

    def _second(self, first: int, mine: NDArray[np.int64], rng: np.random.Generator) -> int:
        across = mine[self._young[mine] != self._young[first]]
        if len(across):
            return int(rng.choice(across))
        others = rng.choice(mine[mine != first], TRIES)
        if self.years is None:
            return int(others[0])
        return int(others[np.argmax(np.abs(self.years[others] - self.years[first]))])


def years_of(separation: AgeSeparation, maps: NDArray[np.float16], batch: int = 512) -> NDArray[np.float32]:
    """Predicted age [n] in years."""
    return outputs_of(separation, maps, batch)[1][:, 0]


def outputs_of(
    separation: AgeSeparation, maps: NDArray[np.float16], batch: int = 512
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit identity parts [n, width], and years, low, high [n, 3]."""
    identities, intervals = [], []
    with torch.inference_mode():
        for start in range(0, len(maps), batch):
            parts = separation(torch.from_numpy(maps[start : start + batch].astype(np.float32)))
            identities.append(separation.compared(parts.identity).numpy())
            intervals.append(separation.interval(parts.age).numpy())
    return np.concatenate(identities), np.concatenate(intervals)


def calibrate(separation: AgeSeparation, sets: Sequence[Faces], even: float = EVEN) -> None:
    """Set how far the interval reaches on the calibration pictures of the sets with ages."""
    maps = np.concatenate([faces.maps[faces.where("calibrate")] for faces in sets])
    true = np.concatenate([faces.age[faces.where("calibrate")] for faces in sets])
    with torch.inference_mode():
        parts = separation(torch.from_numpy(maps.astype(np.float32)))
        years, spread = (one.numpy() for one in separation.years(parts.age))
        below, above = reaches(years, spread, true, separation.ages.numpy(), COVERED, even)
        separation.below.copy_(torch.from_numpy(below))
        separation.above.copy_(torch.from_numpy(above))
