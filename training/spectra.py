"""How the infrared network (method E) is trained on simulated near infrared; E is the frozen anchor.

    L = L_vis + L_ir + d L_D + p L_P
L_vis and L_ir: margin softmax of both networks over one identity classifier. As the visible network is frozen, its
loss shapes the classifier alone, and pulls the infrared network into its space. L_D distils: the infrared picture
embeds where E puts the visible one. L_P, an option: 1 - cosine to the mean of the person's visible embeddings. A
quarter of the pictures are plain grey ones, so that a picture without colour that is not infrared loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.edgenext import ConvBlock, EdgeNeXt, SplitBlock
from app.face.nets.heads import MarginSoftmax
from app.face.nets.infrared import InfraredEntry, infrared_extractor
from training.branch import pixels
from training.checkpoint import Run
from training.data.augment import Augmentation, augment
from training.data.near_infrared import TRAINING, Camera, grey, near_infrared
from training.landmarks import share_of_rate
from training.precision import halved

PLAIN_GREY: Final = 0.25

JITTER: Final = Augmentation(flip=0, colour=0, grey=0, blur=0, low_resolution=0, jpeg=0.2, noise=0, cover=0)
"""Geometry only: the simulated camera has its own light, blur and noise."""

CPU: Final = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Config:
    """A run. ``shared``: one classifier over both spectra; without it, infrared has its own, with no L_vis.

    Distilled alone is the default: after 300 steps L_vis and L_ir made no difference to it, and in the longer runs
    it did better without them (docs/years-and-dark.md).
    """

    steps: int = 1500
    batch: int = 64
    rate: float = 2e-3
    shared: bool = True
    identity: float = 0.0
    distil: float = 1.0
    pull: float = 0.0
    decay: float = 0.01
    seed: int = 7


ABLATIONS: Final[dict[str, dict[str, Any]]] = {
    "distilled alone": {},
    "joint, distilled": {"identity": 0.05},
    "joint": {"distil": 0.0, "identity": 1.0},
    "joint, pull": {"distil": 0.0, "identity": 1.0, "pull": 1.0},
    "infrared alone": {"distil": 0.0, "identity": 1.0, "shared": False},
}
"""Rows of the table, beside the visible network fed with infrared, which is not trained."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """``crops`` a crop file each, uint8 [m, 128, 128, 3]; over all kept pictures [n] which ``file`` and ``row``,
    E's unit ``embedding`` float32 [n, width] of the visible picture, and ``people`` int64 with -1."""

    crops: tuple[NDArray[np.uint8], ...]
    file: NDArray[np.int64]
    row: NDArray[np.int64]
    embedding: NDArray[np.float32]
    people: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def crop(self, at: int) -> NDArray[np.uint8]:
        return np.asarray(self.crops[self.file[at]][self.row[at]])

    def means(self) -> NDArray[np.float32]:
        """Unit mean of each person's visible embeddings [people, width]."""
        sums = np.zeros((int(self.people.max(initial=0)) + 1, self.embedding.shape[1]), np.float32)
        known = self.people >= 0
        np.add.at(sums, self.people[known], self.embedding[known])
        return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)


class Trainee(nn.Module):
    """What is trained: the entry and the classifier. The visible network is only asked, and saved nowhere."""

    def __init__(self, visible: EdgeNeXt, people: int) -> None:
        super().__init__()
        self.entry = entry_like(visible)
        self.entry.start_at(visible)
        self.classifier = MarginSoftmax(visible.width, people)


STAGES: Final = 2
"""How many of E's four stages infrared has of its own."""


def entry_shape(visible: EdgeNeXt, stages: int = STAGES) -> dict[str, list[int]]:
    """Arguments of the entry that takes the place of the visible network's first ``stages``."""
    starts = [i for i, unit in enumerate(visible.units) if isinstance(unit, nn.Sequential)]
    shape: dict[str, list[int]] = {"dims": [], "depths": [], "kernels": [], "scales": []}
    for start, end in zip(starts[:stages], [*starts, len(visible.units)][1:], strict=False):
        blocks = list(visible.units[start + 1 : end])
        convs = [block for block in blocks if isinstance(block, ConvBlock)]
        split = blocks[-1]
        shape["dims"].append(convs[0].depthwise.out_channels)
        shape["depths"].append(len(blocks))
        shape["kernels"].append(convs[0].depthwise.kernel_size[0])
        shape["scales"].append(len(split.convs) + 1 if isinstance(split, SplitBlock) else 1)
    return shape


def entry_like(visible: EdgeNeXt) -> InfraredEntry:
    """An entry of the shape of the visible network's first stages."""
    return InfraredEntry(**entry_shape(visible))


def fit(data: Pictures, visible: EdgeNeXt, config: Config, run: Run, camera: Camera = TRAINING) -> InfraredEntry:
    """Train, or go on from the run's last checkpoint. ``visible`` comes back as it was."""
    torch.manual_seed(config.seed)
    visible = visible.eval().requires_grad_(False)
    means = data.means()
    trainee = Trainee(visible, len(means))
    network = infrared_extractor(trainee.entry, visible)
    optimizer = torch.optim.AdamW(trainee.parameters(), config.rate, weight_decay=config.decay)
    step = 0
    if saved := run.load():
        if saved["config"] != asdict(config):
            raise ValueError(f"{run.folder} holds a run with another config: choose another folder")
        trainee.load_state_dict(saved["trainee"])
        optimizer.load_state_dict(saved["optimizer"])
        step = int(saved["step"])
    centres = torch.from_numpy(means)
    while step < config.steps:
        for group in optimizer.param_groups:
            group["lr"] = config.rate * share_of_rate((step + 0.5) / config.steps)
        rng = np.random.default_rng((config.seed, step))
        rows = rng.choice(len(data), config.batch)
        crops = np.stack([seen(data.crop(int(at)), camera, rng) for at in rows])
        with halved():
            maps = network.features(pixels(crops, CPU))
        there = F.normalize(network.head(maps.float()))
        here, people = torch.from_numpy(data.embedding[rows]), torch.from_numpy(data.people[rows])
        loss, figures = loss_of(trainee.classifier, here, there, people, centres, config)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trainee.parameters(), 5.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            run.log(step=step, **figures)
        if run.due():
            run.save(_state(trainee, optimizer, step, config))
    run.save(_state(trainee, optimizer, step, config))
    return trainee.entry.eval().requires_grad_(False)


def loss_of(
    classifier: MarginSoftmax, here: Tensor, there: Tensor, people: Tensor, means: Tensor, config: Config
) -> tuple[Tensor, dict[str, float]]:
    """L of a batch and its parts. ``here`` are E's embeddings of the visible pictures, ``there`` the infrared ones."""
    known = people >= 0
    who = people[known]
    cosine = (here * there).sum(dim=1).mean()
    loss = config.distil * (1 - cosine)
    figures = {"cosine": float(cosine.detach())}
    if config.identity and bool(known.any()):
        identity = F.cross_entropy(classifier(there[known], who), who)
        if config.shared:
            identity = identity + F.cross_entropy(classifier(here[known], who), who)
        loss = loss + config.identity * identity
        figures["identity"] = float(identity.detach())
    if config.pull and bool(known.any()):
        pull = 1 - (there[known] * means[who]).sum(dim=1).mean()
        loss = loss + config.pull * pull
        figures["pull"] = float(pull.detach())
    return loss, figures


def seen(crop: NDArray[np.uint8], camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A 128-pixel colour crop as training shows it [112, 112, 3]: moved a little, then infrared, or plain grey."""
    moved, _ = augment(crop, JITTER, rng)
    return grey(moved) if rng.random() < PLAIN_GREY else near_infrared(moved, camera, rng)


def _state(trainee: Trainee, optimizer: torch.optim.Optimizer, step: int, config: Config) -> dict[str, Any]:
    return {
        "trainee": trainee.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "config": asdict(config),
    }


def gathered(
    crops: Sequence[NDArray[np.uint8]],
    rows: Sequence[NDArray[np.int64]],
    embeddings: Sequence[NDArray[np.float32]],
    people: Sequence[Sequence[str | None]],
) -> Pictures:
    """Several sets as one; a person's key is unique over them."""
    names = [key for keys in people for key in keys]
    number = {key: i for i, key in enumerate(sorted({key for key in names if key is not None}))}
    return Pictures(
        tuple(crops),
        np.concatenate([np.full(len(one), i, np.int64) for i, one in enumerate(rows)]),
        np.concatenate(rows),
        np.concatenate(embeddings),
        np.array([-1 if key is None else number[key] for key in names], np.int64),
    )
