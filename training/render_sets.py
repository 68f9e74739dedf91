"""Sets of renders on disk, drawn chunk by chunk: a kill costs one chunk.

``varied``: every identity with its own paint, several expressions, poses, lights and backgrounds. ``held_out``: the
same of identities that no other set has. ``base``: one skin and one light, parameters uniform: what the imitator
learns, so that its picture depends on y alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.action_units import UNITS, unique
from app.face.nets.facial_parameters import SIDE
from training.creases import creases_of, draw_habit, shade
from training.face_model import FaceModel
from training.paint import Array, Paint, base_paint, draw_paint
from training.render import (
    OVERSAMPLING,
    Parameters,
    Render,
    base_light,
    base_parameters,
    draw_ground,
    draw_identity,
    draw_light,
    draw_parameters,
    render,
)

CHUNK: Final = 256
FACES_EACH: Final = 8
"""Renders of one identity and paint."""
SHAKE: Final = 0.012
"""Standard deviation of the five points, in crop sides: about what the landmark refiner errs."""
SEEDS: Final = {"varied": 1, "held_out": 2, "base": 3}

GREY: Final = 0.5
PARTS: Final = ("images", "labels", "y", "points")

Drawn = list[tuple[Parameters, Render]]


@dataclass(frozen=True, slots=True, eq=False)
class RenderSet:
    """``images`` uint8 [n, SIDE, SIDE, 3], ``labels`` uint8 [n, GRID, GRID], ``y`` float32 [n, 269], ``points``
    [n, 68, 2] from -1 to 1."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    y: Array
    points: Array

    def __len__(self) -> int:
        return len(self.y)


def draw_varied(rng: np.random.Generator, model: FaceModel) -> Drawn:
    """A chunk of renders, ``FACES_EACH`` of each identity."""
    out: Drawn = []
    creases = creases_of(model)
    while len(out) < CHUNK:
        identity, paint, habit = draw_identity(rng), draw_paint(rng, model), draw_habit(rng)
        neutral = model.mean + np.tensordot(identity, model.identity, 1)
        for _ in range(FACES_EACH):
            parameters = draw_parameters(rng, model, identity)
            shake = rng.normal(0, SHAKE, (5, 2)).astype(np.float32)
            distance = float(rng.uniform(35, 150))
            ground, light = draw_ground(rng), draw_light(rng)
            albedo = paint.albedo * shade(creases, habit, parameters.units)[:, None]
            picture = render(model, parameters, replace(paint, albedo=albedo), light, ground, distance, shake, neutral)
            out.append((parameters, picture))
    return out


def draw_base(rng: np.random.Generator, model: FaceModel) -> Drawn:
    """A chunk for the imitator: y uniform, or sparse as on people; a tenth without any expression or identity."""
    out: Drawn = []
    paint = base_paint(model)
    base = base_parameters(model)
    while len(out) < CHUNK:
        drawn = draw_parameters(rng, model)
        units = unique(rng.uniform(0, 1, len(UNITS))) if rng.random() < 0.4 else drawn.units
        identity = drawn.identity * rng.uniform(0, 1)
        what = rng.random()
        parameters = replace(
            base,
            identity=base.identity if what < 0.1 else identity,
            units=base.units if what > 0.9 else units,
            yaw=float(rng.uniform(-75, 75)),
            pitch=float(rng.uniform(-35, 35)),
        )
        out.append((parameters, base_render(model, parameters, paint)))
    return out


def base_render(model: FaceModel, parameters: Parameters, paint: Paint | None = None) -> Render:
    """``parameters`` as the imitator's teacher draws them."""
    ground = np.full((SIDE * OVERSAMPLING, SIDE * OVERSAMPLING, 3), GREY, np.float32)
    return render(model, parameters, paint or base_paint(model), base_light(), ground)


DRAW: Final[dict[str, Callable[[np.random.Generator, FaceModel], Drawn]]] = {
    "varied": draw_varied,
    "held_out": draw_varied,
    "base": draw_base,
}


def draw_set(kind: str, count: int, model: FaceModel, folder: Path) -> None:
    """Draw at least ``count`` pictures of ``kind`` into ``folder/kind-NNNN.npz``; what is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for chunk in track(range(-(-count // CHUNK)), description=kind):
        path = folder / f"{kind}-{chunk:04d}.npz"
        if path.exists():
            continue
        drawn = DRAW[kind](np.random.default_rng((SEEDS[kind], chunk)), model)
        save_set(
            path,
            RenderSet(
                np.stack([picture.image for _, picture in drawn]),
                np.stack([picture.labels for _, picture in drawn]),
                np.stack([parameters.vector() for parameters, _ in drawn]),
                np.stack([picture.landmarks for _, picture in drawn]),
            ),
        )


def save_set(path: Path, pictures: RenderSet) -> None:
    """Write one chunk; atomic."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, **{name: getattr(pictures, name) for name in PARTS})
    partial.replace(path)


def load_set(kind: str, folder: Path) -> RenderSet:
    """All chunks of ``kind``. Raises ``FileNotFoundError`` where none was drawn."""
    paths = sorted(folder.glob(f"{kind}-*.npz"))
    if not paths:
        raise FileNotFoundError(f"no renders of the kind {kind}: draw them first")
    parts = [np.load(path, allow_pickle=False) for path in paths]
    return RenderSet(*(np.concatenate([part[name] for part in parts]) for name in PARTS))
