"""The mask decoder of method D, on maps that ``training.occlusion_maps`` keeps, into a folder that ships.

    python -m training.occlusion --maps MAPS --model fast --out app/weights/occlusion

E stays as it is. The decoder, the last stage behind the mask, and the readers of cover and pattern learn jointly:
``L = L_recognition + L_pattern`` and two small ones, clean pictures first and ever more covered ones. Recognition is
two losses: the covered picture's masked embedding is pulled to E's of the bare picture (distillation), and must tell
it from the bare embeddings of the other people in the batch.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.occlusion import OcclusionNet
from app.face.weights import SHIPPED, find_card, load_part, write_card
from training.checkpoint import Run
from training.export import half, save_weights
from training.occlusion_card import card_of_run
from training.occlusion_maps import Maps

SCALE, MARGIN = 24.0, 0.2
"""Of the cosines in the recognition loss."""


@dataclass(frozen=True, slots=True)
class Config:
    """``rate`` is that of the last stage; what starts anew learns three times as fast."""

    epochs: float = 8.0
    batch: int = 128
    rate: float = 1e-3
    decay: float = 1e-2
    distil: float = 8.0
    recognise: float = 0.5
    pattern: float = 0.5
    cover: float = 2.0
    said: float = 1.0
    covered: float = 0.67
    seed: int = 0


def covered_share(step: int, steps: int, most: float) -> float:
    """Which part of a batch is covered: half of ``most`` at first, all of it after the first third."""
    return most * min(1.0, 0.5 + 1.5 * step / max(1, steps))


def recognition_loss(embeddings: Tensor, bare: Tensor, people: Tensor) -> Tensor:
    """Cross-entropy of unit rows [n, m] over the bare unit rows [n, m], each its own class, with a margin.

    Other rows of the same of ``people`` [n] are left out of the sum.
    """
    logits = SCALE * (embeddings @ bare.T - MARGIN * torch.eye(len(bare)))
    same = (people[:, None] == people[None, :]) & ~torch.eye(len(people), dtype=torch.bool)
    return F.cross_entropy(logits.masked_fill(same, -1e4), torch.arange(len(bare)))


def losses(network: OcclusionNet, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each loss by the name of its weight in ``Config``."""
    mask, cover, said, pattern = network.decode(batch["maps"])
    embeddings = F.normalize(network.through(batch["maps"] * mask))
    truths = torch.stack([(batch["pattern"] > 0).float(), batch["worn"].float()], dim=1)
    return {
        "distil": (1 - (embeddings * batch["bare"]).sum(dim=1)).mean(),
        "recognise": recognition_loss(embeddings, batch["other"], batch["people"]),
        "pattern": F.cross_entropy(pattern, batch["pattern"]),
        "cover": F.binary_cross_entropy_with_logits(cover, batch["cells"]),
        "said": F.binary_cross_entropy_with_logits(said, truths),
    }


class Batches:
    """Draws faces, bare or covered. ``other`` is another picture of the same person where there is one."""

    def __init__(self, maps: Maps, rows: NDArray[np.int64]) -> None:
        self._maps, self._rows = maps, rows
        self._of: dict[int, list[int]] = {}
        for row in rows.tolist():
            self._of.setdefault(int(maps.person[row]), []).append(row)

    def draw(self, size: int, covered: float, rng: np.random.Generator) -> dict[str, Tensor]:
        maps = self._maps
        rows = rng.choice(self._rows, size)
        which = np.where(rng.random(size) < covered, rng.integers(1, maps.maps.shape[1], size), 0)
        others = [rng.choice(self._of[int(person)]) for person in maps.person[rows]]
        return {
            "maps": torch.from_numpy(maps.maps[rows, which].astype(np.float32)),
            "cells": torch.from_numpy(maps.cells[rows, which].astype(np.float32)).flatten(1),
            "bare": torch.from_numpy(maps.embeddings[rows, 0]),
            "other": torch.from_numpy(maps.embeddings[others, 0]),
            "pattern": torch.from_numpy(maps.pattern[rows, which]),
            "worn": torch.from_numpy(maps.worn[rows, which]),
            "people": torch.from_numpy(maps.person[rows]),
        }


def fit(maps: Maps, extractor: EdgeNeXt, config: Config, run: Run) -> OcclusionNet:
    """Train on the rows that are not held out; goes on from the checkpoint of ``run`` where there is one."""
    torch.manual_seed(config.seed)
    network = OcclusionNet(extractor.width)
    network.start_from(extractor)
    head = [*network.norm.parameters(), *network.embed.parameters()]
    for parameter in head:
        parameter.requires_grad_(False)
    known = {id(parameter) for parameter in [*head, *network.stage.parameters()]}
    fresh = [parameter for parameter in network.parameters() if id(parameter) not in known]
    optimiser = torch.optim.AdamW(
        [{"params": [*network.stage.parameters()]}, {"params": fresh}], config.rate, weight_decay=config.decay
    )
    rows = np.flatnonzero(~maps.held_out)
    steps = max(1, int(config.epochs * len(rows) * (maps.maps.shape[1] - 1) / config.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [config.rate, 3 * config.rate], total_steps=steps, pct_start=0.15
    )
    batches, start, state = Batches(maps, rows), 0, run.load()
    if state is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        start = int(state["step"])
    weights = {name: getattr(config, name) for name in ("distil", "recognise", "pattern", "cover", "said")}
    for step in range(start, steps):
        rng = np.random.default_rng([config.seed, step])  # a run that goes on sees what it would have seen
        batch = batches.draw(config.batch, covered_share(step, steps, config.covered), rng)
        found = losses(network, batch)
        total = torch.stack([weights[name] * one for name, one in found.items()]).sum()
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step + 1 == steps:
            run.log(step=step, **{name: one.item() for name, one in found.items()})
        if run.due():
            run.save(
                {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "step": step + 1,
                }
            )
    return network.eval().requires_grad_(False)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--maps", type=Path, required=True, help="folder of training.occlusion_maps")
    parser.add_argument("--model", default="fast", help="name or id of the model whose extractor made the maps")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and figures")
    parser.add_argument("--config", type=json.loads, default={}, help="JSON: fields of Config that differ")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.config.pop("threads", 1))
    card = find_card(args.model, [args.weights])
    extractor = load_part(card, "extractor")
    if not isinstance(extractor, EdgeNeXt):
        raise SystemExit(f"{args.model} shows no maps")
    g = load_part(card, "frontalizer") if "frontalizer" in card.parts else None
    maps = Maps.read(args.maps)
    network = fit(maps, extractor, Config(**args.config), Run(args.run))
    network.load_state_dict({name: value.float() for name, value in half(network.state_dict()).items()})
    save_weights(network.state_dict(), args.out / "estimator.safetensors")
    shipped = write_card(args.out, card_of_run(card, maps, network, g))
    print(json.dumps({"calibration": dict(shipped.calibration), "metrics": list(shipped.metrics)}, indent=1))


if __name__ == "__main__":
    main()
