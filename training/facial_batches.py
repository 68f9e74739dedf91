"""Batches of renders and redrawn photographs, shaken as cameras shake them. Pure but for the seed's generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from app.face.action_units import NAMES
from app.face.nets.facial_parameters import FIRST_UNIT
from training.face_model import CLASSES, IDENTITY
from training.redrawn import IGNORED
from training.render_sets import RenderSet

YAW: Final = IDENTITY + 1


def _partner(name: str, names: tuple[str, ...], ends: tuple[str, str]) -> int:
    """The index of ``name`` on the other side of the face, its own where it has none."""
    one, other = ends
    for end, turned in ((one, other), (other, one)):
        if name.endswith(end) and name[: -len(end)] + turned in names:
            return names.index(name[: -len(end)] + turned)
    return names.index(name)


MIRRORED_UNITS: Final = [_partner(name, NAMES, ("L", "R")) for name in NAMES]
MIRRORED_CLASSES: Final = [_partner(name, CLASSES, ("_L", "_R")) for name in CLASSES]
MIRRORED_POINTS: Final = [
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
]  # fmt: skip


def batch_of(sets: Sequence[RenderSet], size: int, seed: tuple[int, int]) -> dict[str, Tensor]:
    """``images`` float [n, 3, s, s] 0-255, ``labels`` long [n, s/2, s/2], ``y`` [n, 269], ``points`` [n, 68, 2].

    Half of it from the first set, painted faces, the rest from the others alike. ``known`` [n, 1] is 1 where the
    identity is exact: painted faces that were not mirrored.
    """
    rng = np.random.default_rng(seed)
    others = size // 2 // max(len(sets) - 1, 1)
    counts = [size - others * (len(sets) - 1)] + [others] * (len(sets) - 1)
    rows = [(part, rng.integers(0, len(part), count)) for part, count in zip(sets, counts, strict=True)]
    images = np.concatenate([part.images[at] for part, at in rows])
    labels = np.concatenate([part.labels[at] for part, at in rows])
    y = np.concatenate([part.y[at] for part, at in rows])
    points = np.concatenate([part.points[at] for part, at in rows])
    known = (np.arange(size) < counts[0]).astype(np.float32)
    for at in np.flatnonzero(rng.random(size) < 0.5):
        images[at], labels[at], y[at], points[at] = mirrored(images[at], labels[at], y[at], points[at])
        known[at] = 0
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    pictures, maps, moved = _shaken(rng, pictures, torch.from_numpy(labels), torch.from_numpy(points))
    return {
        "images": _seen(rng, pictures),
        "labels": maps,
        "y": torch.from_numpy(y),
        "points": moved,
        "known": torch.from_numpy(known)[:, None],
    }


def mirrored(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], y: NDArray[np.float32], points: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Left for right in all four; the identity's modes have no mirror and are left as they are."""
    swap = np.arange(256, dtype=np.uint8)
    swap[: len(CLASSES)] = MIRRORED_CLASSES
    turned = y.copy()
    turned[YAW] = -y[YAW]
    turned[FIRST_UNIT:] = y[FIRST_UNIT:][MIRRORED_UNITS]
    return image[:, ::-1], swap[labels[:, ::-1]], turned, points[MIRRORED_POINTS] * np.array([-1, 1], np.float32)


def _shaken(rng: np.random.Generator, images: Tensor, labels: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turned, scaled and moved a little, as five points err."""
    n = len(images)
    turn, grow = rng.normal(0, 0.05, n), np.exp(rng.normal(0, 0.04, n))
    moved = rng.normal(0, 0.04, (n, 2))
    matrix = np.stack(
        [
            np.stack([np.cos(turn), -np.sin(turn)], 1) * grow[:, None],
            np.stack([np.sin(turn), np.cos(turn)], 1) * grow[:, None],
        ],
        axis=1,
    )
    theta = torch.from_numpy(np.concatenate([matrix, moved[:, :, None]], axis=2).astype(np.float32))
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    pictures = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    small = F.affine_grid(theta, [n, 1, *labels.shape[1:]], align_corners=False)
    outside = (small.abs() > 1).any(dim=3)
    maps = F.grid_sample(labels[:, None].float(), small, mode="nearest", padding_mode="border", align_corners=False)
    moved_points = torch.linalg.solve(theta[:, None, :, :2], (points - theta[:, None, :, 2])[..., None])[..., 0]
    return pictures, torch.where(outside, IGNORED, maps[:, 0].long()), moved_points


def _seen(rng: np.random.Generator, images: Tensor) -> Tensor:
    """Light, colour, blur, noise and things in the way."""
    n, _, side, _ = images.shape

    def each(values: NDArray[np.floating | np.bool_]) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).view(n, -1, 1, 1)

    x = images / 255
    x = x.clamp(1e-3, 1) ** each(np.exp(rng.normal(0, 0.25, n)))
    x = (x - 0.5) * each(rng.uniform(0.6, 1.3, n)) + 0.5 + each(rng.normal(0, 0.08, n))
    x = x * each(1 + rng.normal(0, 0.08, (n, 3)))
    grey = each(rng.random(n) < 0.25)
    x = grey * x.mean(dim=1, keepdim=True) + (1 - grey) * x
    blurred = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    blur = each(np.clip(rng.uniform(-1, 1, n), 0, 1))
    x = blur * blurred + (1 - blur) * x
    x = x + torch.from_numpy(rng.normal(0, 1, x.shape).astype(np.float32)) * each(np.abs(rng.normal(0, 0.03, n)))
    for at in np.flatnonzero(rng.random(n) < 0.15):
        high, wide = rng.integers(4, side // 3, 2)
        top, left = rng.integers(0, side - high), rng.integers(0, side - wide)
        x[at, :, top : top + high, left : left + wide] = torch.from_numpy(rng.random((3, 1, 1)).astype(np.float32))
    return (x * 255).clamp(0, 255)
