"""Photographs for the facial parameters: aligned crops with dense landmarks, people held out, fits and redrawn ones."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.action_units import UNITS
from training.creases import creases_of
from training.data.store import identity
from training.face_model import FaceModel
from training.paint import draw_paint
from training.redrawn import fit, of_landmarks, offset_of, read, redraw, rest_of, taught
from training.render_sets import CHUNK, RenderSet, save_set

WORST_FIT: Final = 1.3
"""Pixels of a 128 crop; a face whose fit is worse is not drawn over."""
WIDEST: Final = 40.0
"""Degrees of yaw beyond which half of the face has no colour to draw with."""
READ: Final = 55.0
"""Degrees of yaw beyond which a landmarker guesses half of its points."""
EYEBALLS: Final = 16
"""Paints that eyes and mouths of redrawn photographs are taken from."""
FRONTAL: Final = 25.0
LANDMARKED: Final = 400
"""Faces turned less than ``FRONTAL`` that say where the landmarker means its points, and what a fit makes of rest."""
STILL: Final = 0.02
"""Spread below which the landmarker's blendshape does not move, so that it says nothing of its unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Meshed:
    """One set of crops [n, 128, 128, 3] with the landmarker's ``points`` [m, 478, 3] and ``shapes`` [m, 52] 0-1.

    ``rows`` [m] says of which crop; ``yaw`` and ``pitch`` are the pose labeller's, in degrees.
    """

    name: str
    crops: NDArray[np.uint8]
    rows: NDArray[np.int64]
    points: NDArray[np.float32]
    shapes: NDArray[np.float32]
    shape_names: tuple[str, ...]
    yaw: NDArray[np.float32]
    pitch: NDArray[np.float32]


def held_out(name: str, path: str, people: Mapping[str, str] | None = None) -> bool:
    """Whether a picture's person is among the tenth that trains nothing: by a hash of the identity, else the path."""
    who = (people or {}).get(path) or identity(name, path) or path
    return zlib.crc32(who.encode()) % 10 == 0


def meshed(name: str, crops: Path, meshes: Path, testing: bool, left_out: Collection[str] = ()) -> Meshed:
    """The crops of ``name`` that ``training.landmarker`` found faces in: those held out, or the others."""
    table = np.load(meshes / f"{name}.npz", allow_pickle=False)
    lines = [line.split("\t") for line in (crops / f"{name}.tsv").read_text(encoding="utf-8").splitlines()]
    flat = crops / f"{name}.people.tsv"
    people = dict(line.split("\t") for line in flat.read_text().splitlines()) if flat.exists() else {}
    keep = [
        at
        for at, row in enumerate(table["rows"])
        if held_out(name, lines[row][0], people) == testing and lines[row][0] not in left_out
    ]
    rows = table["rows"][keep]
    return Meshed(
        name,
        np.load(crops / f"{name}.npy", mmap_mode="r"),
        rows,
        table["points"][keep],
        table["shapes"][keep],
        tuple(str(n) for n in table["names"]),
        np.array([lines[row][1] for row in rows], np.float32),
        np.array([lines[row][2] for row in rows], np.float32),
    )


def units_of(shapes: NDArray[np.floating], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Units [n, 23] by the landmarker's blendshapes ``shapes`` [n, 52]: the mean of each unit's own, 0-1.

    NaN for units whose blendshapes are ``STILL`` over the n faces.
    """
    said = [shapes[:, [names.index(shape) for shape in unit.blendshapes]].mean(axis=1) for unit in UNITS]
    return np.asarray([np.full(len(one), np.nan) if np.std(one) < STILL else one for one in said], np.float32).T


def redraw_set(sets: list[Meshed], share: float, model: FaceModel, folder: Path) -> None:
    """Every photograph whose fit is good with what it is ``taught`` as, into ``folder/photographs-NNNN.npz``, and
    redrawn pictures of a ``share`` of them into ``folder/redrawn-NNNN.npz``; resumable."""
    folder.mkdir(parents=True, exist_ok=True)
    small_model, frontal = of_landmarks(model), _frontal(sets)
    offset = offset_of(model, frontal)
    rest = rest_of(model, frontal, offset)
    said = _said(sets)
    creases, rng = creases_of(model), np.random.default_rng(4)
    paints = [draw_paint(rng, model) for _ in range(EYEBALLS)]
    jobs = [(part, at) for part in sets for at in range(len(part.rows)) if abs(part.yaw[at]) < READ]
    rng.shuffle(jobs)
    for chunk in track(range(-(-len(jobs) // CHUNK)), description="redrawn"):
        path = folder / f"photographs-{chunk:04d}.npz"
        if path.exists():
            continue
        seeded = np.random.default_rng((4, chunk))
        drawn, kept = [], []
        for part, at in jobs[chunk * CHUNK : (chunk + 1) * CHUNK]:
            crop, mesh = np.ascontiguousarray(part.crops[part.rows[at]]), part.points[at]
            fitted = fit(small_model, mesh, offset)
            if fitted.error > WORST_FIT:
                continue
            kept.append(read(crop, mesh, fitted, offset, taught(fitted, rest, said[part.name][at])))
            if seeded.random() < share and abs(fitted.angles[0]) < WIDEST:
                paint = paints[seeded.integers(len(paints))]
                drawn.append(redraw(seeded, model, crop, fitted, paint, creases))
        for kind, faces in (("redrawn", drawn), ("photographs", kept)):
            if faces:
                arrays = (np.stack(array) for array in zip(*faces, strict=True))
                save_set(folder / f"{kind}-{chunk:04d}.npz", RenderSet(*arrays))


def _said(sets: list[Meshed]) -> dict[str, NDArray[np.float32]]:
    """Of each set by name, the landmarker's units; what is still is so over all sets."""
    units = units_of(np.concatenate([part.shapes for part in sets]), sets[0].shape_names)
    ends = np.cumsum([len(part.rows) for part in sets])
    return {part.name: units[end - len(part.rows) : end] for part, end in zip(sets, ends, strict=True)}


def _frontal(sets: list[Meshed]) -> list[NDArray[np.float32]]:
    each = LANDMARKED // len(sets)
    return [mesh for part in sets for mesh in part.points[np.abs(part.yaw) < FRONTAL][:each]]
