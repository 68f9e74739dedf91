"""Trains the landmark refiner (``app.face.nets.refiner``): boxes as a detector errs, points and pose as labelled.

    python -m training.landmarks prepare --pictures DATA --labels LABELS --left-out LISTS --out REGIONS SETS
    python -m training.landmarks train --regions REGIONS RUN
    python -m training.landmarks evaluate --regions REGIONS RUN/refiner.safetensors
    python -m training.landmarks export RUN/refiner.safetensors FACTS.json app/weights/landmarks-NAME

Half of the crops are upright squares around a shaken box, half are aligned by shaken points: the network
meets both, because it is run on both. Side views are few and therefore oversampled.
"""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from app.face.align import CROP_SIZE
from app.face.nets.refiner import DEGREES, OUTPUTS, SHAPE, SIDE, Refiner, landmarks_of, points_matrix, pose_of
from app.face.refine import LOOKS
from app.face.weights import write_card
from training.aligned_crop import crop_error
from training.data import negatives, regions
from training.export import save_weights
from training.precision import halved
from training.shaken_crops import UNIT, Shake, negative, sample, shaken_box

YAW_EDGES: Final = (0.0, 15.0, 30.0, 45.0, 60.0, 91.0)
YAW_SHARES: Final = (0.30, 0.18, 0.18, 0.17, 0.17)
"""Which part of a batch each band of abs(yaw) gets, whatever the data hold."""
NEGATIVES: Final = 0.1
"""Which part of a batch shows no face at all; of the rest ``training.shaken_crops`` lets a tenth miss it."""
NEGATIVE_SETS: Final[tuple[str, ...]] = ("celeba_wild", "vggface2_69")
"""Sets of whole photographs, with something beside the face."""
SAVE_SECONDS: Final = 30.0

app = typer.Typer(add_completion=False, help=__doc__)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Labelled regions: ``pixels[i]`` uint8 [SIDE, SIDE, 3], ``points`` [n, 5, 2], ``pose`` [n, 3] degrees."""

    pixels: list[NDArray[np.uint8]]
    points: NDArray[np.float32]
    pose: NDArray[np.float32]
    person: NDArray[np.str_]


def load(folder: Path, held_out: bool) -> Faces:
    """All prepared sets of ``folder``; a tenth of the people, by a hash of their names, are held out."""
    parts: list[Faces] = []
    for table in sorted(folder.glob("*.npz")):
        rows = np.load(table)
        keep = np.array([(zlib.crc32(p.encode()) % 10 == 0) == held_out for p in rows["person"]], bool)
        pixels = np.load(table.with_suffix(".npy"), mmap_mode="r")
        where = np.flatnonzero(keep)
        parts.append(Faces([pixels[i] for i in where], rows["points"][keep], rows["pose"][keep], rows["person"][keep]))
    return Faces(
        [pixels for part in parts for pixels in part.pixels],
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.pose for part in parts]),
        np.concatenate([part.person for part in parts]),
    )


def load_negatives(folder: Path) -> NDArray[np.uint8]:
    """What ``training.data.negatives`` wrote to ``folder``; none where it was not run."""
    path = folder / "negatives.npy"
    if not path.exists():
        return np.empty((0, regions.SIDE, regions.SIDE, 3), np.uint8)
    return np.asarray(np.load(path), np.uint8)


def by_yaw(pose: NDArray[np.float32]) -> list[NDArray[np.intp]]:
    """Indices of each band of ``YAW_EDGES``."""
    turn = np.abs(pose[:, 0])
    return [np.flatnonzero((turn >= low) & (turn < high)) for low, high in pairwise(YAW_EDGES)]


def batch_of(
    faces: Faces,
    bands: list[NDArray[np.intp]],
    nothing: NDArray[np.uint8],
    size: int,
    seed: tuple[int, int],
    shake: Shake,
) -> tuple[Tensor, Tensor]:
    """A batch by ``seed`` alone: crops uint8 [size, SIDE, SIDE, 3], targets [size, OUTPUTS].

    ``nothing`` [m, ...] are regions without a whole face; the last ``size * NEGATIVES`` crops are of them.
    """
    rng = np.random.default_rng(seed)
    shares = np.array([share if len(band) else 0.0 for share, band in zip(YAW_SHARES, bands, strict=True)])
    none = round(size * NEGATIVES) if len(nothing) else 0
    chosen = [rng.choice(bands[b]) for b in rng.choice(len(bands), size - none, p=shares / shares.sum())]
    pairs = [sample(rng, faces.pixels[i], faces.points[i], faces.pose[i], shake) for i in chosen]
    crops = [crop for crop, _ in pairs]
    crops += [negative(rng, nothing[i], shake) for i in rng.integers(0, max(len(nothing), 1), none)]
    targets = np.zeros((size, OUTPUTS), np.float32)
    targets[: size - none] = [target for _, target in pairs]
    return torch.from_numpy(np.stack(crops)), torch.from_numpy(targets)


def loss_of(outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Four terms, each about 0.1 at the end of training; a crop that misses the face counts for the score only.

    ``points``: wing loss (Feng et al. 2018, eq. 5; w 0.1, eps 0.02 crop sides); ``crop``: the error of what the
    points align, at most half its side; ``pose``: L1 in ``DEGREES``,
    pitch and roll by cos(yaw)^2, since at profile their labels cannot tell them apart; ``score``: cross entropy.
    """
    face = targets[:, 13]
    error = (outputs[:, :10] - targets[:, :10]).abs()
    wide, curve = 0.1, 0.02
    corner = wide - wide * float(np.log1p(wide / curve))
    wing = torch.where(error < wide, wide * torch.log1p(error / curve), error - corner).mean(dim=1)
    shape = torch.tensor(SHAPE, dtype=torch.float32, device=outputs.device)
    found, labelled = (rows[:, :10].float().reshape(-1, 5, 2) + shape for rows in (outputs, targets))
    crop = crop_error(found, labelled).clamp(max=0.5)
    angles = (outputs[:, 10:13] - targets[:, 10:13]).abs()
    apart = torch.cos(torch.deg2rad(targets[:, 10] * DEGREES)).square()
    pose = (angles[:, 0] + apart * (angles[:, 1] + angles[:, 2])) / 3
    score = torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 13], face)
    count = face.sum().clamp(min=1)
    return {
        "points": 10 * (wing * face).sum() / count,
        "crop": 10 * (crop * face).sum() / count,
        "pose": (pose * face).sum() / count,
        "score": score,
    }


def share_of_rate(done: float, rise: float = 0.05) -> float:
    """The learning rate beside its peak, by how much of the training is done: a linear rise, then half a cosine."""
    return done / rise if done < rise else float(0.5 + 0.5 * np.cos(np.pi * (done - rise) / (1 - rise)))


def errors(
    network: Refiner, faces: Faces, shake: Shake, passes: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean point error [n] in units of the box's mean side, error of the aligned crop [n] in pixels of 112, and errors
    of yaw, pitch, roll [n, 3] in degrees.

    Each face is looked for once in a box shaken by ``seed``, then ``passes - 1`` times in crops aligned by
    the points so far.
    """
    rng = np.random.default_rng(seed)
    matrices = np.array([shaken_box(rng, shake) for _ in faces.pixels])
    found = np.zeros_like(faces.points)
    outputs = np.zeros((len(found), OUTPUTS), np.float32)
    for turn in range(passes):
        if turn:
            matrices = np.array([points_matrix(p) for p in found])
        for start in range(0, len(found), 256):
            part = slice(start, start + 256)
            pairs = zip(faces.pixels[part], matrices[part], strict=True)
            crops = np.stack([cv2.warpAffine(region, matrix, (SIDE, SIDE)) for region, matrix in pairs])
            with torch.inference_mode():
                outputs[part] = network(torch.from_numpy(crops)).numpy()
        found = landmarks_of(outputs, matrices)
    distance = np.linalg.norm(found - faces.points, axis=2).mean(axis=1) / UNIT
    crop = CROP_SIZE * crop_error(torch.from_numpy(found), torch.from_numpy(faces.points)).numpy()
    turns = np.abs(pose_of(outputs, matrices) - faces.pose)
    return distance.astype(np.float64), crop.astype(np.float64), turns.astype(np.float64)


def table(network: Refiner, faces: Faces, shake: Shake) -> str:
    """Rows by abs(yaw): faces; point error in per cent of the box's mean side, first look and last; error of the
    aligned crop in pixels, mean and 95th percentile; angle errors in degrees."""
    network.eval()
    first, _, _ = errors(network, faces, shake, 1)
    last, crop, angles = errors(network, faces, shake, LOOKS)
    lines = ["abs(yaw)    faces  first %  last %  crop  95 %  yaw  pitch  roll"]
    bands = by_yaw(faces.pose)
    for (low, high), band in zip(pairwise(YAW_EDGES), bands, strict=True):
        if not len(band):
            continue
        yaw, pitch, roll = angles[band].mean(axis=0)
        lines.append(
            f"{low:3.0f}-{high:3.0f}  {len(band):8d}  {100 * first[band].mean():7.2f}  {100 * last[band].mean():6.2f}"
            f"  {crop[band].mean():4.2f}  {np.percentile(crop[band], 95):4.1f}  {yaw:3.1f}  {pitch:5.1f}  {roll:4.1f}"
        )
    return "\n".join(lines)


@app.command()
def prepare(
    pictures: Annotated[Path, typer.Option(help="the folder of data sets")],
    labels: Annotated[Path, typer.Option(help="the folder of <set>.tsv.xz")],
    out: Annotated[Path, typer.Option(help="where regions go")],
    left_out: Annotated[Path, typer.Option(help="the folder of lists that training.data.leaks wrote")],
    sets: Annotated[list[str], typer.Argument()],
) -> None:
    """Cut the labelled faces of SETS into regions, and what a greedy detector takes for faces beside them."""
    lists = {name: (left_out / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in sets}
    for name, paths in lists.items():
        count = regions.prepare(name, pictures / name, labels / f"{name}.tsv.xz", out, frozenset(paths))
        typer.echo(f"{name}: {count} faces")
    wild = {name: frozenset(lists[name]) for name in NEGATIVE_SETS if name in lists}
    if wild and not (out / "negatives.npy").exists():
        typer.echo(f"{negatives.prepare(wild, pictures, labels, out, out / 'detector')} regions without a face")


@app.command()
def train(
    folder: Annotated[Path, typer.Option("--regions")],
    out: Path,
    steps: int = 10_000,
    size: int = 128,
    rate: float = 2e-3,
    seed: int = 1,
    device: str = "cpu",
) -> None:
    """Train, or go on where OUT stands: a kill costs at most half a minute."""
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    faces, held_out, shake = load(folder, False), load(folder, True), Shake()
    bands, nothing = by_yaw(faces.pose), load_negatives(folder)
    network = Refiner().to(device)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-2)
    saved, first = out / "checkpoint.pt", 0
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    kept_at = time.monotonic()
    with SummaryWriter(str(out)) as board:
        for step in track(range(first, steps), description="refiner"):
            network.train()
            crops, targets = batch_of(faces, bands, nothing, size, (seed, step), shake)
            with halved(device):
                outputs = network(crops.to(device))
            losses = loss_of(outputs, targets.to(device))
            for group in optimiser.param_groups:
                group["lr"] = rate * share_of_rate(step / steps)
            optimiser.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            optimiser.step()
            if (step + 1) % 50 == 0:
                for name, value in losses.items():
                    board.add_scalar(name, float(value.detach()), step + 1)
            if time.monotonic() - kept_at > SAVE_SECONDS or step + 1 == steps:
                kept_at = time.monotonic()
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
                torch.save(state, saved.with_suffix(".part"))
                saved.with_suffix(".part").rename(saved)
    network = network.to("cpu")
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, out / "refiner.safetensors")
    typer.echo(table(network, held_out, Shake(far=0.0)))


@app.command()
def evaluate(folder: Annotated[Path, typer.Option("--regions")], weights: Path) -> None:
    """Errors on the held-out people."""
    network = Refiner()
    network.load_state_dict(load_file(weights))
    typer.echo(table(network, load(folder, True), Shake(far=0.0)))


@app.command()
def export(weights: Path, facts: Path, out: Path) -> None:
    """Ship WEIGHTS in float16 in the folder OUT, with the card's other fields from the JSON file FACTS."""
    save_weights(load_file(weights), out / "landmarks.safetensors")
    raw = json.loads(facts.read_text(encoding="utf-8"))
    part = {"architecture": "refiner", "kwargs": {}, "file": "landmarks.safetensors"}
    write_card(out, {**raw, "name": out.name, "kind": "landmarks", "parts": {"landmarks": part}})


if __name__ == "__main__":
    app()
