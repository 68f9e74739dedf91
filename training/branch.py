"""The main branch of method A as it is trained: what a run is, its network, its rate."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.heads import MarginSoftmax, PoseClassifier
from training.data.augment import Augmentation
from training.data.store import CropStore


@dataclass(frozen=True, slots=True)
class Config:
    """What defines a run. Sizes in pictures, rates per step; a checkpoint keeps its config.

    ``batch`` is that of one process. One person (or nameless picture) in ``held_out`` never trains. ``covered`` 0-1:
    how many faces of stage two have something before them. ``teachers`` are those that stage two imitates: several by
    what they say of the plain crop, the tapped one alone by what it says of the changed pixels themselves.
    """

    sets: tuple[str, ...] = ("vggface2_69", "pins105", "celeba_wild", "utkface", "all_age_faces", "muxspace", "lag")
    teachers: tuple[str, ...] = ("edgeface_xs", "se_mobilefacenet")
    width: int = 192
    batch: int = 64
    blocks_steps: int = 3000
    blocks_rate: float = 1.5e-2
    joint_steps: int = 4000
    joint_rate: float = 1e-3
    hint_weight: float = 0.5
    held_out: int = 32
    identity_weight: float = 0.01
    pose_weight: float = 0.02
    relation_weight: float = 20.0
    margin: str = "cosface"
    side_views: float = 4.0
    seed: int = 7
    covered: float = 0.0
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


def held_out(store: CropStore, one_in: int) -> NDArray[np.bool_]:
    """The rows of ``store`` that no step sees: every ``one_in``-th person, and every such row of the nameless."""
    mark = np.where(store.identity >= 0, store.identity, np.arange(len(store)))
    return np.asarray(mark % one_in == one_in // 2)


def pixels(crops: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 [n, 112, 112, 3] to normalised float [n, 3, 112, 112], channels last."""
    x = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2)
    return x.float().sub_(127.5).div_(127.5).contiguous(memory_format=torch.channels_last)


def cosine_rate(step: int, steps: int, warm: int = 100) -> float:
    """Fraction 0-1 of the full rate: linear warm-up, then half a cosine down to a hundredth."""
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(steps - warm, 1)
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(done, 1.0))))


def read_config(path: Path | None) -> Config:
    """A JSON object of the fields that differ from the defaults."""
    values = json.loads(path.read_text()) if path else {}
    if "augmentation" in values:
        values["augmentation"] = Augmentation(**values["augmentation"])
    for name in ("sets", "teachers"):
        if name in values:
            values[name] = tuple(values[name])
    return Config(**values)
