"""The stages that train: the parsing network and R on renders, the imitator, R on photographs. All are resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from app.face.nets.facial_parameters import IDENTITY, FacialParameters, Parsing
from training import facial_losses
from training.checkpoint import Run
from training.facial_batches import batch_of
from training.facial_losses import Recognise, Weights
from training.imitator import Imitator, imitation
from training.landmarks import share_of_rate
from training.optimizers import MatrixOptimizer
from training.precision import halved
from training.render_sets import RenderSet

Losses = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Schedule:
    """``steps`` of batches of ``size`` at a peak ``rate``."""

    steps: int
    size: int = 32
    rate: float = 4e-3
    seed: int = 1
    bfloat16: bool = True


@dataclass(slots=True)
class Stage:
    """One loop: ``losses`` of a step; ``network`` is what is kept, ``learns`` the part of it that moves."""

    network: nn.Module
    learns: nn.Module
    losses: Callable[[int], Losses]
    schedule: Schedule

    def run(self, folder: Path) -> None:
        """Train, or go on where ``folder`` stands; a kill costs at most a minute."""
        run, plan = Run(folder, every=45.0), self.schedule
        optimiser = MatrixOptimizer(self.learns, self.learns, plan.rate, 1e-2)
        state, first = run.load(), 0
        if state is not None:
            self.network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
            first = int(state["step"])
        means: dict[str, float] = {}
        for step in track(range(first, plan.steps), description=folder.name):
            optimiser.at(share_of_rate(step / plan.steps))
            with halved(wanted=plan.bfloat16):
                losses = self.losses(step)
            total = torch.stack([term.float() for term in losses.values()]).sum()
            total.backward()
            optimiser.step()
            for name, term in losses.items():
                now = term.item()
                means[name] = 0.98 * means.get(name, now) + 0.02 * now
            if run.due() or step + 1 == plan.steps:
                run.save({"network": self.network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1})
                run.log(step=step + 1, **means)


def visibility(identity: NDArray[np.float32]) -> Tensor:
    """How much each of the modes [244, v, 3] moves the face, mean one: what its number counts."""
    moved = np.sqrt((identity.astype(np.float64) ** 2).sum(axis=2).mean(axis=1))
    return torch.from_numpy((moved / moved.mean()).astype(np.float32))


def warm_up(network: FacialParameters, sets: Sequence[RenderSet], modes: Tensor, schedule: Schedule) -> Stage:
    """F_seg, and R on it, supervised by ``sets`` as ``batch_of`` takes them."""
    network.train()
    return Stage(network, network, partial(_supervised, network, sets, modes, schedule), schedule)


def _supervised(
    network: FacialParameters, sets: Sequence[RenderSet], modes: Tensor, schedule: Schedule, step: int
) -> Losses:
    batch = batch_of(sets, schedule.size, (schedule.seed, step))
    whole, maps, logits = network.parsing.parse((batch["images"] - 127.5) / 64)
    return facial_losses.supervised(network.regressor(whole, maps), whole, logits, batch, modes)


def imitate(network: Imitator, parsing: Parsing, base: RenderSet, schedule: Schedule) -> Stage:
    """G on renders of one skin and light."""
    parsing.eval().requires_grad_(False)
    network.train()

    def losses(step: int) -> Losses:
        rows = np.random.default_rng((schedule.seed, step)).integers(0, len(base), schedule.size)
        wanted = (torch.from_numpy(base.images[rows]).permute(0, 3, 1, 2).float() - 127.5) / 64
        return imitation(network(torch.from_numpy(base.y[rows])), wanted, parsing)

    return Stage(network, network, losses, schedule)


@dataclass(frozen=True, slots=True, eq=False)
class Photographs:
    """``crops`` uint8 [n, SIDE, SIDE, 3] and F_reg's ``embeddings`` [n, width] of them."""

    crops: NDArray[np.uint8]
    embeddings: NDArray[np.float32]


def embeddings(recognise: Recognise, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """F_reg of crops uint8 [n, SIDE, SIDE, 3]."""
    with torch.inference_mode():
        pictures = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 64
        return np.concatenate([recognise(pictures[part]).numpy() for part in batches(len(crops), 64)])


def adapt(
    network: FacialParameters,
    imitator: Imitator,
    recognise: Recognise,
    photographs: Photographs,
    weights: Weights,
    schedule: Schedule,
    known: tuple[Sequence[RenderSet], Tensor] | None = None,
) -> Stage:
    """R by the five losses on photographs; F_seg, G and F_reg stand still.

    With ``known`` (sets and modes of ``warm_up``) every step also sees a supervised batch, so that R does not forget
    what units are.
    """
    network.eval()
    network.parsing.requires_grad_(False)
    imitator.eval().requires_grad_(False)

    def losses(step: int) -> Losses:
        rows = np.random.default_rng((schedule.seed, step, 7)).integers(0, len(photographs.crops), schedule.size)
        pictures = (torch.from_numpy(photographs.crops[rows]).permute(0, 3, 1, 2).float() - 127.5) / 64
        embeddings = torch.from_numpy(photographs.embeddings[rows])
        terms = facial_losses.unlabelled(network, imitator, recognise, pictures, embeddings, weights)
        if known is not None:
            supervised = _supervised(network, *known, schedule, step)
            terms |= {f"known {name}": supervised[name] for name in ("units", "angles", "identity")}
        return terms

    return Stage(network, network.regressor, losses, schedule)


def batches(count: int, size: int) -> Iterator[slice]:
    """Slices of ``size`` that cover ``count``."""
    return (slice(start, start + size) for start in range(0, count, size))


def estimates(network: FacialParameters, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """y [n, 269] of crops uint8 [n, SIDE, SIDE, 3]."""
    network.eval()
    with torch.inference_mode():
        parts = [network(torch.from_numpy(np.ascontiguousarray(crops[part]))) for part in batches(len(crops), 64)]
    return np.asarray(torch.cat(parts).numpy() if parts else np.empty((0, IDENTITY + 25)), np.float32)
