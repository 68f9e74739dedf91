"""The mask decoder of method D, on maps that ``training.occlusion_maps`` keeps, into a folder that ships.

    python -m training.occlusion --maps MAPS --model fast --run RUN --out app/weights/occlusion

E stays as it is. The decoder, the blocks and the head behind the mask, and the readers of cover and pattern learn
jointly: ``L = L_recognition + L_pattern`` and two small ones, clean pictures first and ever more covered ones.
Recognition is two losses on what is served, E's embedding of the covered picture and the masked one together: it is
pulled to E's of the bare picture (distillation), and must tell another bare picture of the same person from those of
many other people. Both count before G and behind it, where there is one.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.occlusion import FINE, OcclusionNet
from app.face.occlusion import SHARE
from app.face.weights import SHIPPED, find_card, load_part, read_card, write_card
from training.checkpoint import Run
from training.export import half, save_weights
from training.occlusion_card import answers, card_of_run, measured
from training.occlusion_maps import TAP, Maps

SCALE, MARGIN = 24.0, 0.2
"""Of the cosines in the recognition loss."""

SHARP = 0.03
"""Temperature of the overlaps that the pattern's targets are made of."""


@dataclass(frozen=True, slots=True)
class Config:
    """``rate`` is that of what E had, ``fresh`` that of what starts anew. ``many``: other people's pictures that each
    batch is told apart from."""

    steps: int = 800
    batch: int = 128
    many: int = 4096
    rate: float = 3e-4
    fresh: float = 2e-3
    decay: float = 1e-2
    distil: float = 6.0
    recognise: float = 0.5
    pattern: float = 0.5
    cover: float = 2.0
    said: float = 1.0
    covered: float = 0.8
    seed: int = 0


def covered_share(step: int, steps: int, most: float) -> float:
    """Which part of a batch is covered: half of ``most`` at first, all of it after the first third."""
    return most * min(1.0, 0.5 + 1.5 * step / max(1, steps))


def rate_at(step: int, steps: int, warm: float = 0.05) -> float:
    """Which part of the rate a step learns with: rising over the first ``warm`` of them, then half a cosine to 0."""
    done = (step + 1) / (steps + 1)
    return done / warm if done < warm else 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))


def recognition_loss(embeddings: Tensor, bare: Tensor, people: Tensor, many: Tensor, of_many: Tensor) -> Tensor:
    """Cross-entropy of unit rows [n, m] over the bare unit rows [n, m], each its own class, and ``many`` [k, m].

    With a margin. Other rows of the same of ``people`` [n], ``of_many`` [k], are left out of the sum.
    """
    own = torch.eye(len(bare), dtype=torch.bool)
    logits = SCALE * (torch.cat([embeddings @ bare.T, embeddings @ many.T], dim=1))
    logits = logits - SCALE * MARGIN * F.pad(own, (0, len(many))).float()
    same = people[:, None] == torch.cat([people, of_many])[None, :]
    return F.cross_entropy(logits.masked_fill(same & ~F.pad(own, (0, len(many))), -1e4), torch.arange(len(bare)))


def pattern_loss(logits: Tensor, pattern: Tensor, overlaps: Tensor) -> Tensor:
    """Cross-entropy of ``logits`` [n, 226], half to the true ``pattern`` [n], half to all by their ``overlaps``
    [n, 225] with the cover: one that fits nearly as well is nearly as right."""
    soft = F.pad(F.softmax(overlaps / SHARP, dim=1), (1, 0))
    hard = F.one_hot(pattern, logits.shape[1]).float()
    return F.cross_entropy(logits, torch.where(pattern[:, None] > 0, 0.5 * (soft + hard), hard))


def losses(network: OcclusionNet, g: nn.Module | None, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each loss by the name of its weight in ``Config``."""
    mask, cover, said, pattern = network.decode(batch["maps"])
    masked = F.normalize(network.through(batch["maps"] * mask))
    embeddings = F.normalize((1 - SHARE) * batch["own"] + SHARE * masked)
    truths = torch.stack([(batch["pattern"] > 0).float(), batch["worn"].float()], dim=1)
    distil, recognise = [], []
    for turn in (None, g) if g is not None else (None,):
        found, bare, other, many = (
            one if turn is None else turn(one) for one in (embeddings, batch["bare"], batch["other"], batch["many"])
        )
        distil.append((1 - (found * bare).sum(dim=1)).mean())
        recognise.append(recognition_loss(found, other, batch["people"], many, batch["of_many"]))
    return {
        "distil": torch.stack(distil).mean(),
        "recognise": torch.stack(recognise).mean(),
        "pattern": pattern_loss(pattern, batch["pattern"], network.overlaps(batch["cells"].view(-1, FINE, FINE))),
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

    def draw(self, size: int, many: int, covered: float, rng: np.random.Generator) -> dict[str, Tensor]:
        maps = self._maps
        rows = rng.choice(self._rows, size)
        which = np.where(rng.random(size) < covered, rng.integers(1, maps.worn.shape[1], size), 0)
        others = [rng.choice(self._of[int(person)]) for person in maps.person[rows]]
        strangers = rng.choice(self._rows, many)
        return {
            "maps": torch.from_numpy(maps.at(rows, which)).contiguous(memory_format=torch.channels_last),
            "cells": torch.from_numpy(maps.cells[rows, which].astype(np.float32)).flatten(1),
            "own": torch.from_numpy(maps.embeddings[rows, which]),
            "bare": torch.from_numpy(maps.embeddings[rows, 0]),
            "other": torch.from_numpy(maps.embeddings[others, 0]),
            "many": torch.from_numpy(maps.embeddings[strangers, 0]),
            "pattern": torch.from_numpy(maps.pattern[rows, which]),
            "worn": torch.from_numpy(maps.worn[rows, which]),
            "people": torch.from_numpy(maps.person[rows]),
            "of_many": torch.from_numpy(maps.person[strangers]),
        }


def watched(maps: Maps, network: OcclusionNet, g: nn.Module | None, rows: NDArray[np.int64]) -> dict[str, float]:
    """Figures of the first covered picture of ``rows``, of people held out, in the middle of a training."""
    network.eval()
    bare, own = maps.embeddings[rows, 0], maps.embeddings[rows, 1]
    view = answers(network, g, own, maps.at(rows, 1))
    network.train()
    return {f"held out, {name}": value for name, value in measured(view, own, bare, maps.pattern[rows, 1]).items()}


def fit(
    maps: Maps,
    extractor: EdgeNeXt,
    g: nn.Module | None,
    config: Config,
    run: Run,
    seeing: OcclusionNet | None = None,
) -> OcclusionNet:
    """Train on the rows that are not held out; goes on from the checkpoint of ``run`` where there is one.

    ``seeing``: a network of an earlier training that knows already what covers a face.
    """
    torch.manual_seed(config.seed)
    network = OcclusionNet(extractor.width, blocks=TAP)
    network.start_from(extractor)
    if seeing is not None:
        network.see_as(seeing)
    known = [*network.tail.parameters(), *network.norm.parameters(), *network.embed.parameters()]
    fresh = [one for one in network.parameters() if all(one is not other for other in known)]
    groups = [{"params": known, "lr": config.rate}, {"params": fresh, "lr": config.fresh}]
    optimiser = torch.optim.AdamW(groups, weight_decay=config.decay)
    rates = [group["lr"] for group in optimiser.param_groups]
    rows = np.flatnonzero(~maps.held_out)
    batches, start, state = Batches(maps, rows), 0, run.load()
    if state is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
    weights = {name: getattr(config, name) for name in ("distil", "recognise", "pattern", "cover", "said")}
    for step in range(start, config.steps):
        rng = np.random.default_rng([config.seed, step])  # a run that goes on sees what it would have seen
        covered = covered_share(step, config.steps, config.covered)
        found = losses(network, g, batches.draw(config.batch, config.many, covered, rng))
        total = torch.stack([weights[name] * one for name, one in found.items()]).sum()
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * rate_at(step, config.steps)
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        if step % 50 == 0 or step + 1 == config.steps:
            run.log(step=step, **{name: one.item() for name, one in found.items()})
        if step % 300 == 299:
            run.log(step=step, **watched(maps, network, g, np.flatnonzero(maps.held_out)[:300]))
        if run.due():
            run.save(
                {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1},
            )
    return network.eval().requires_grad_(False)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--maps", type=Path, required=True, help="folder of training.occlusion_maps")
    parser.add_argument("--model", default="fast", help="name or id of the model whose extractor made the maps")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and figures")
    parser.add_argument(
        "--seeing", type=Path, help="folder of an earlier training's card: only the embedding starts anew"
    )
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
    seeing = load_part(read_card(args.seeing), "estimator") if args.seeing else None
    if not isinstance(seeing, OcclusionNet | None):
        raise SystemExit(f"{args.seeing} does not know what covers a face")
    network = fit(maps, extractor, g, Config(**args.config), Run(args.run), seeing)
    network.load_state_dict({name: value.float() for name, value in half(network.state_dict()).items()})
    save_weights(network.state_dict(), args.out / "estimator.safetensors")
    shipped = write_card(args.out, card_of_run(card, maps, network, g))
    print(json.dumps({"calibration": dict(shipped.calibration), "metrics": list(shipped.metrics)}, indent=1))


if __name__ == "__main__":
    main()
