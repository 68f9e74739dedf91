"""The two stages of training E, each resumable: units alone (see ``training.blocks``), then the whole."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.heads import yaw_bins
from training.batches import Ahead, Batch, batches, side_view_weights
from training.blocks import chained_cosine, error_weights, hint_loss, stage_scales, unit_losses
from training.branch import Config, MainBranch, cosine_rate, held_out, identity_loss, pixels
from training.checkpoint import Run
from training.data.covered_crops import Covers
from training.data.store import CropStore
from training.embeddings import unit
from training.losses import distillation
from training.optimizers import MatrixOptimizer
from training.parallel import average_gradients, processes
from training.precision import halved
from training.start import fit_heads, plain_crops
from training.teachers import Teacher

LOG_EVERY = 50
FITTED = 4096
"""Pictures, an even sample, on which the heads are fitted before the first step."""
MEASURED = 64
"""Pictures that the scale of each map is taken from."""
VALIDATED = 512
"""Held-out pictures, an even sample, on which the whole's agreement with its target is told."""


def sampling(store: CropStore, config: Config) -> NDArray[np.float64]:
    """Weights over rows, sum 1: side views often, held-out rows never."""
    weights = np.where(held_out(store, config.held_out), 0.0, side_view_weights(store.yaw, config.side_views))
    return np.asarray(weights / weights.sum(), np.float64)


def taught(
    store: CropStore,
    config: Config,
    teacher: Teacher,
    seed: tuple[int, ...],
    start: int,
    covers: Covers | None = None,
) -> Iterator[tuple[Batch, NDArray[np.float32], list[NDArray[np.float32]]]]:
    """Batches with the teacher's embedding of the very same pixels, and what its units make of them."""
    for batch in batches(store, config.batch, config.augmentation, seed, start, sampling(store, config), covers):
        yield batch, *teacher(batch.crops)


def measure(store: CropStore, teacher: Teacher, device: torch.device) -> dict[str, Any]:
    """Scale and weight of every map, from an even sample of plain crops: kept with the run, equal in all processes."""
    crops = plain_crops(store, np.arange(0, len(store), max(1, len(store) // MEASURED)))
    maps = [torch.from_numpy(m).to(device) for m in teacher(crops)[1]]
    scales = stage_scales(maps)
    weights = error_weights(pixels(crops, device), [m * s for m, s in zip(maps, scales, strict=True)])
    return {"scales": scales, "weights": weights}


def scaled(maps: list[NDArray[np.float32]], scales: list[float], device: torch.device) -> list[Tensor]:
    return [
        (torch.from_numpy(m).to(device) * s).contiguous(memory_format=torch.channels_last)
        for m, s in zip(maps, scales, strict=True)
    ]


def train_blocks(
    branch: MainBranch, store: CropStore, config: Config, teacher: Teacher, run: Run, device: torch.device
) -> None:
    """Stage one. The teacher runs in the thread that makes the batches."""
    units = branch.extractor.units
    optimizer = MatrixOptimizer(units, units, config.blocks_rate)
    step, measured = resume(run, "blocks", branch, optimizer)
    measured = measured or measure(store, teacher, device)
    clock = time.monotonic()
    with Ahead(
        itertools.islice(taught(store, config, teacher, (config.seed, run.rank), step), config.blocks_steps - step)
    ) as made:
        for batch, _, raw in made:
            x = pixels(batch.crops, device)
            targets = scaled(raw, measured["scales"], device)
            optimizer.at(cosine_rate(step, config.blocks_steps))
            with halved(device.type):
                losses = unit_losses(units, x, targets, measured["weights"])
            torch.stack(losses).sum().backward()
            average_gradients(units.parameters())
            optimizer.step()
            step += 1
            if step % LOG_EVERY == 0:
                rate = LOG_EVERY * config.batch * processes() / (time.monotonic() - clock)
                clock = time.monotonic()
                each = [float(loss.detach()) for loss in losses]
                run.log(
                    step=step,
                    loss=sum(each) / len(each),
                    worst=max(each),
                    cosine=chained_cosine(units, x, targets[-1]),
                    rate=rate,
                )
            if run.due():
                run.save(state("blocks", step, branch, optimizer, config, measured))
    run.save(state("blocks", step, branch, optimizer, config, measured))


def train_joint(
    branch: MainBranch,
    store: CropStore,
    wide: NDArray[np.float16],
    projection: NDArray[np.float32],
    config: Config,
    teacher: Teacher,
    run: Run,
    device: torch.device,
    covers: Covers | None = None,
) -> None:
    """Stage two. ``wide`` [rows, m] unit is what the teachers say together; ``projection`` [m, width] reduces it.

    Of several teachers the target is that of the plain crop, whatever was done to the pixels; of the tapped one alone
    it is what it says of the changed pixels (Beyer et al. 2022: a consistent teacher). The hints are what its stages
    make of those pixels in either case: no picture is ever the same twice, so nothing is learnt by heart.
    """
    consistent = config.teachers == (teacher.spec.path.stem,)
    optimizer = MatrixOptimizer(branch, branch.extractor, config.joint_rate, decay=0.01)
    step, measured = resume(run, "joint", branch, optimizer)
    measured = measured or measure(store, teacher, device)
    target = aims(wide, projection)
    if not step:
        rows = np.flatnonzero(~held_out(store, config.held_out))
        fit_heads(branch, store, target, rows[:: max(1, len(rows) // FITTED)], device)
        run.log(step=0, held_out=agreement(branch, store, target, config, device))
    average = torch.optim.swa_utils.AveragedModel(
        branch, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    if step and (saved := run.load()):
        average.module.load_state_dict(saved["average"])
        average.n_averaged.fill_(step)
    seed = (config.seed + 1, run.rank)
    clock = time.monotonic()
    with Ahead(itertools.islice(taught(store, config, teacher, seed, step, covers), config.joint_steps - step)) as made:
        for batch, said, raw in made:
            x = pixels(batch.crops, device)
            optimizer.at(cosine_rate(step, config.joint_steps))
            all_said = said if consistent else wide[batch.index].astype(np.float32)
            whole = torch.from_numpy(all_said).to(device)
            with halved(device.type):
                features, hint = hint_loss(branch.extractor.units, x, raw, measured["scales"])
            embedding = F.normalize(branch.extractor.head(features.float()))
            people = torch.from_numpy(np.where(batch.blended, -1, store.identity[batch.index])).to(device)
            bins = yaw_bins(torch.from_numpy(batch.yaw).to(device))
            clear = torch.from_numpy(~batch.blended).to(device)
            goal = torch.from_numpy(unit(all_said @ projection) if consistent else target[batch.index]).to(device)
            distilled, cosine = distillation(embedding, goal, whole, config.relation_weight)
            who = identity_loss(branch, embedding, people)
            turned = branch.pose(embedding[clear])
            pose = F.cross_entropy(turned, bins[clear]) if len(turned) else embedding.new_zeros(())
            loss = distilled + config.hint_weight * hint + config.identity_weight * who + config.pose_weight * pose
            loss.backward()
            average_gradients(branch.parameters())
            nn.utils.clip_grad_norm_(branch.parameters(), 5.0)
            optimizer.step()
            average.update_parameters(branch)
            step += 1
            if step % LOG_EVERY == 0:
                rate = LOG_EVERY * config.batch * processes() / (time.monotonic() - clock)
                clock = time.monotonic()
                figures = {"cosine": cosine, "hint": hint, "identity": who, "pose": pose}
                run.log(step=step, **{name: float(value.detach()) for name, value in figures.items()}, rate=rate)
            if step % (10 * LOG_EVERY) == 0 and not run.rank:
                run.log(step=step, held_out=agreement(cast(MainBranch, average.module), store, target, config, device))
            if run.due():
                run.save(state("joint", step, branch, optimizer, config, measured, average.module))
    run.save(state("joint", step, branch, optimizer, config, measured, average.module))


def aims(wide: NDArray[np.float16], projection: NDArray[np.float32], block: int = 8192) -> NDArray[np.float32]:
    """What each row's embedding aims at: ``wide`` [rows, m] by ``projection`` [m, width], unit length."""
    parts = [wide[at : at + block].astype(np.float32) @ projection for at in range(0, len(wide), block)]
    return unit(np.concatenate(parts))


@torch.no_grad()
def agreement(
    branch: MainBranch, store: CropStore, target: NDArray[np.float32], config: Config, device: torch.device
) -> float:
    """Mean cosine to the target [rows, width] on plain crops that no step sees."""
    rows = np.flatnonzero(held_out(store, config.held_out))
    rows = rows[:: max(1, len(rows) // VALIDATED)]
    total = 0.0
    for part in np.array_split(rows, max(1, len(rows) // config.batch)):
        with halved(device.type):
            features = branch.extractor.features(pixels(plain_crops(store, part), device))
        embedding = branch.extractor.head(features.float()).cpu()
        total += float(F.cosine_similarity(embedding, torch.from_numpy(target[part])).sum())
    return total / len(rows)


def state(
    stage: str,
    step: int,
    branch: MainBranch,
    optimizer: MatrixOptimizer,
    config: Config,
    measured: dict[str, Any],
    average: nn.Module | None = None,
) -> dict[str, Any]:
    return {
        "stage": stage,
        "step": step,
        "model": branch.state_dict(),
        "optimizer": optimizer.state_dict(),
        "config": asdict(config),
        "measured": measured,
        "average": (average or branch).state_dict(),
    }


def resume(run: Run, stage: str, branch: MainBranch, optimizer: MatrixOptimizer) -> tuple[int, dict[str, Any]]:
    """Where the stage stands: the step to go on from, and what was measured on the run's first batch."""
    saved = run.load()
    if saved is None:
        return 0, {}
    branch.load_state_dict(saved["model"])
    if saved["stage"] != stage:
        return 0, saved["measured"]
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"]), saved["measured"]
