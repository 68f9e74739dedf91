"""Labelled faces cut out with much room around them, once, so that a trainer may jitter its crops freely.

``OUT/<set>.npy`` is uint8 [n, SIDE, SIDE, 3] RGB; ``OUT/<set>.npz`` holds, in the same order, ``points``
[n, 5, 2] in pixels of the region, ``pose`` [n, 3] (yaw, pitch, roll in degrees, signs of ``app.face.faces.Pose``),
``person`` (the set's identity where it has one, else the picture's path) and ``path``.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import warp
from training.data.crops import Labelled, read_labels
from training.data.readers import READERS, Row

SIDE: Final = 112
ROOM: Final = 2.2
"""A region's side in units of the box's mean side: a crop of 1.2 may move by a fifth and grow by a quarter inside."""


def unit(box: tuple[float, float, float, float]) -> float:
    """The mean of the box's width and height in pixels: what landmark errors are divided by."""
    return (box[2] - box[0] + box[3] - box[1]) / 2


def region_matrix(box: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Picture to region [2, 3]: the box's centre becomes the region's, its mean side ``SIDE / ROOM`` pixels."""
    scale = SIDE / (ROOM * unit(box))
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return np.array([[scale, 0.0, SIDE / 2 - scale * x], [0.0, scale, SIDE / 2 - scale * y]])


def cut(job: tuple[str, tuple[float, float, float, float]]) -> NDArray[np.uint8] | None:
    """The region [SIDE, SIDE, 3] RGB around one box, or nothing where the picture cannot be read."""
    image = cv2.imread(job[0], cv2.IMREAD_COLOR)
    if image is None:
        return None
    return warp(np.ascontiguousarray(image[:, :, ::-1]), region_matrix(job[1]), SIDE)


def prepare(
    name: str, pictures: Path, labels: Path, out: Path, left_out: Collection[str] = (), workers: int = 1
) -> int:
    """Write ``out/<name>.npy`` and ``.npz`` without the paths in ``left_out``; answer how many faces.

    A finished set is left alone.
    """
    table = out / f"{name}.npz"
    if table.exists():
        return len(np.load(table)["points"])
    out.mkdir(parents=True, exist_ok=True)
    faces = [f for f in read_labels(labels) if f.path not in left_out]
    regions = np.lib.format.open_memmap(out / f"{name}.part.npy", "w+", np.uint8, (len(faces), SIDE, SIDE, 3))
    kept: list[Labelled] = []
    with ProcessPoolExecutor(workers) as pool:
        found = pool.map(cut, ((str(pictures / f.path), f.box) for f in faces), chunksize=64)
        for face, region in track(zip(faces, found, strict=True), description=name, total=len(faces)):
            if region is not None:
                regions[len(kept)] = region
                kept.append(face)
    regions.flush()
    del regions
    np.save(out / f"{name}.npy", np.load(out / f"{name}.part.npy", mmap_mode="r")[: len(kept)])
    (out / f"{name}.part.npy").unlink()
    parse = READERS[name].open(pictures)
    matrices = np.array([region_matrix(f.box) for f in kept])
    points = (
        np.einsum("nij,npj->npi", matrices[:, :, :2], np.array([f.landmarks for f in kept])) + matrices[:, None, :, 2]
    )
    np.savez(
        table,
        points=points.astype(np.float32),
        pose=np.array([(f.yaw, f.pitch, -f.roll) for f in kept], np.float32),  # the labeller's roll is anticlockwise
        person=np.array([_person(name, parse(f.path), f.path) for f in kept]),
        path=np.array([f.path for f in kept]),
    )
    return len(kept)


def _person(name: str, row: Row | None, path: str) -> str:
    return f"{name}/{row.identity if row and row.identity else path}"
