"""Train the extractor E: block by block from a teacher, then the multi-task main branch of method A.

    python -m training.recognition CONFIG.json --crops DIR --teacher FILE.onnx --targets FILE.npy --out RUN

Stage ``blocks`` teaches every unit by itself (see ``training.blocks``). Stage ``joint`` trains the whole:
    L = L_D + a L_I + b L_P
L_D distils the teachers' joint embedding (cosine to it, and the similarities within a batch), L_I is the
identity loss with a margin softmax C_I over the people that are known, L_P the pose loss of C_P over yaw
bins. Both classifiers sit on the embedding, as the frontalizer needs them. Resumable: run it again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.heads import MarginSoftmax, PoseClassifier, yaw_bins
from app.face.weights import SHIPPED, find_card, load_part
from training.batches import Ahead, Batch, batches, side_view_weights
from training.blocks import chained_cosine, error_weights, stage_scales, unit_losses
from training.checkpoint import Run
from training.data.augment import Augmentation
from training.data.store import CropStore, open_store
from training.losses import distillation
from training.parallel import average_gradients, join, leave, processes
from training.targets import joint_targets, principal_directions
from training.teachers import Teacher, TeacherSpec, edgeface_scopes


@dataclass(frozen=True, slots=True)
class Config:
    """What defines a run. Sizes in pictures, rates per step; a checkpoint keeps its config."""

    sets: tuple[str, ...] = ("vggface2_69", "pins105", "celeba_wild", "utkface", "all_age_faces", "muxspace", "lag")
    width: int = 192
    batch: int = 128
    blocks_steps: int = 6000
    blocks_rate: float = 3e-3
    joint_steps: int = 10000
    joint_rate: float = 1e-3
    identity_weight: float = 0.05
    pose_weight: float = 0.05
    relation_weight: float = 20.0
    margin: str = "cosface"
    side_views: float = 4.0
    seed: int = 7
    augmentation: Augmentation = field(default_factory=Augmentation)


class MainBranch(nn.Module):
    """E with the two linear classifiers of method A."""

    def __init__(self, width: int, people: int, margin: str) -> None:
        super().__init__()
        self.extractor = EdgeNeXt(width)
        self.identity = MarginSoftmax(width, people, margin)
        self.pose = PoseClassifier(width)


def identity_loss(branch: MainBranch, embedding: Tensor, people: Tensor) -> Tensor:
    """L_I over the rows whose person is known; zero where the batch has none."""
    known = people >= 0
    if not bool(known.any()):
        return embedding.new_zeros(())
    return F.cross_entropy(branch.identity(embedding[known], people[known]), people[known])


def pixels(crops: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [n, 112, 112, 3] to normalised float [n, 3, 112, 112], channels last."""
    x = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2)
    return x.float().sub_(127.5).div_(127.5).contiguous(memory_format=torch.channels_last)


def cosine_rate(step: int, steps: int, rate: float, warm: int = 200) -> float:
    """Linear warm-up, then half a cosine down to a hundredth of ``rate``."""
    if step < warm:
        return rate * (step + 1) / warm
    done = (step - warm) / max(steps - warm, 1)
    return rate * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(done, 1.0)))))


def train_blocks(
    branch: MainBranch, store: CropStore, config: Config, spec: TeacherSpec, run: Run, device: torch.device
) -> None:
    """Stage one. The teacher runs in the thread that makes the batches."""
    units = branch.extractor.units
    optimizer = torch.optim.AdamW(units.parameters(), config.blocks_rate, weight_decay=0.01)
    step, measured = _resume(run, "blocks", branch, optimizer)
    teacher = Teacher(spec, edgeface_scopes())
    weights = side_view_weights(store.yaw, config.side_views)

    def ahead() -> Iterator[tuple[Batch, list[NDArray[np.float32]]]]:
        for batch in batches(store, config.batch, config.augmentation, (config.seed, run.rank), step, weights):
            yield batch, teacher(batch.crops)[1]

    clock = time.monotonic()
    with Ahead(itertools.islice(ahead(), config.blocks_steps - step)) as made:
        for batch, maps in made:
            x = pixels(batch.crops, device)
            raw = [torch.from_numpy(m).to(device) for m in maps]
            if not measured:
                scales = stage_scales(raw)
                measured = {
                    "scales": scales,
                    "weights": error_weights(x, [m * s for m, s in zip(raw, scales, strict=True)]),
                }
            targets = [
                (m * s).contiguous(memory_format=torch.channels_last)
                for m, s in zip(raw, measured["scales"], strict=True)
            ]
            for group in optimizer.param_groups:
                group["lr"] = cosine_rate(step, config.blocks_steps, config.blocks_rate)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                losses = unit_losses(units, x, targets, measured["weights"])
            loss = torch.stack(losses).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            average_gradients(units.parameters())
            nn.utils.clip_grad_norm_(units.parameters(), 5.0)
            optimizer.step()
            step += 1
            if step % 100 == 0:
                agreement = chained_cosine(units, x, targets[-1])
                rate = 100 * config.batch * processes() / (time.monotonic() - clock)
                clock = time.monotonic()
                run.log(
                    step=step,
                    loss=float(loss.detach()) / len(losses),
                    worst=max(float(u.detach()) for u in losses),
                    cosine=agreement,
                    rate=rate,
                )
            if run.due():
                run.save(_state("blocks", step, branch, optimizer, config, measured))
    run.save(_state("blocks", step, branch, optimizer, config, measured))


def train_joint(
    branch: MainBranch,
    store: CropStore,
    wide: NDArray[np.float16],
    projection: NDArray[np.float32],
    config: Config,
    run: Run,
    device: torch.device,
) -> None:
    """Stage two. ``wide`` [rows, m] unit is what the teachers say together; ``projection`` [m, width] reduces it."""
    optimizer = torch.optim.AdamW(branch.parameters(), config.joint_rate, weight_decay=0.02)
    step, _ = _resume(run, "joint", branch, optimizer)
    average = torch.optim.swa_utils.AveragedModel(
        branch, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    if step and (saved := run.load()):
        average.module.load_state_dict(saved["average"])
        average.n_averaged.fill_(step)
    reduce = torch.from_numpy(projection).to(device)
    weights = side_view_weights(store.yaw, config.side_views)
    clock = time.monotonic()
    source = batches(store, config.batch, config.augmentation, (config.seed + 1, run.rank), step, weights)
    with Ahead(itertools.islice(source, config.joint_steps - step)) as made:
        for batch in made:
            for group in optimizer.param_groups:
                group["lr"] = cosine_rate(step, config.joint_steps, config.joint_rate)
            x = pixels(batch.crops, device)
            whole = torch.from_numpy(wide[batch.index].astype(np.float32)).to(device)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                features = branch.extractor.features(x)
            embedding = F.normalize(branch.extractor.head(features.float()))
            people = torch.from_numpy(store.identity[batch.index]).to(device)
            bins = yaw_bins(torch.from_numpy(batch.yaw).to(device))
            distilled, cosine = distillation(embedding, F.normalize(whole @ reduce), whole, config.relation_weight)
            who = identity_loss(branch, embedding, people)
            pose = F.cross_entropy(branch.pose(embedding), bins)
            loss = distilled + config.identity_weight * who + config.pose_weight * pose
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            average_gradients(branch.parameters())
            nn.utils.clip_grad_norm_(branch.parameters(), 5.0)
            optimizer.step()
            average.update_parameters(branch)
            step += 1
            if step % 100 == 0:
                rate = 100 * config.batch * processes() / (time.monotonic() - clock)
                clock = time.monotonic()
                run.log(
                    step=step,
                    loss=float(loss.detach()),
                    cosine=float(cosine.detach()),
                    identity=float(who.detach()),
                    pose=float(pose.detach()),
                    rate=rate,
                )
            if run.due():
                run.save(_state("joint", step, branch, optimizer, config, average=average.module))
    run.save(_state("joint", step, branch, optimizer, config, average=average.module))


def _state(
    stage: str,
    step: int,
    branch: MainBranch,
    optimizer: torch.optim.Optimizer,
    config: Config,
    measured: dict[str, Any] | None = None,
    average: nn.Module | None = None,
) -> dict[str, Any]:
    return {
        "stage": stage,
        "step": step,
        "model": branch.state_dict(),
        "optimizer": optimizer.state_dict(),
        "config": asdict(config),
        "measured": measured or {},
        "average": (average or branch).state_dict(),
    }


def _resume(run: Run, stage: str, branch: MainBranch, optimizer: torch.optim.Optimizer) -> tuple[int, dict[str, Any]]:
    """Where the stage stands: the step to go on from, and what stage one measured on its first batch."""
    state = run.load()
    if state is None:
        return 0, {}
    branch.load_state_dict(state["model"])
    if state["stage"] != stage:
        return 0, {}
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"]), state["measured"]


def read_config(path: Path | None) -> Config:
    """A JSON object of the fields that differ from the defaults."""
    values = json.loads(path.read_text()) if path else {}
    if "augmentation" in values:
        values["augmentation"] = Augmentation(**values["augmentation"])
    if "sets" in values:
        values["sets"] = tuple(values["sets"])
    return Config(**values)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("config", type=Path, nargs="?")
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--leave-out", type=Path, help="folder of <set>.txt with paths of test people")
    parser.add_argument("--teacher", type=Path, required=True, help="the ONNX teacher of stage one")
    parser.add_argument("--targets", type=Path, required=True, help="folder of training.targets")
    parser.add_argument("--stage", choices=["blocks", "joint", "all"], default="all")
    parser.add_argument("--start-from", help="a shipped model whose extractor is trained further (stage joint)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args(argv)
    config = read_config(args.config)
    rank = join()
    torch.manual_seed(config.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    left_out = {
        name: (args.leave_out / f"{name}.txt").read_text(encoding="utf-8").splitlines() if args.leave_out else []
        for name in config.sets
    }
    store = open_store(args.crops, config.sets, left_out)
    branch = MainBranch(config.width, store.identities, config.margin).to(device)
    branch.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stubs forget this one
    if args.start_from:
        shipped = load_part(find_card(args.start_from, [SHIPPED]), "extractor")
        branch.extractor.load_state_dict(shipped.state_dict())
    run = Run(args.out, rank)
    print(f"{len(store)} pictures, {store.identities} people, {(store.identity >= 0).sum()} with identity", flush=True)
    if args.stage in {"blocks", "all"}:
        done = run.load()
        if done is None or done["stage"] == "blocks":
            train_blocks(branch, store, config, TeacherSpec(args.teacher), run, device)
    if args.stage in {"joint", "all"}:
        wide = joint_targets(args.targets, store)
        kept = args.out / "projection.npy"  # a resumed run goes on towards the same space
        if not kept.exists() and not rank:
            np.save(kept, principal_directions(wide, config.width))
        projection = np.load(kept)
        train_joint(branch, store, wide, projection, config, run, device)
    leave()


if __name__ == "__main__":
    main()
