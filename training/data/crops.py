"""A folder of pictures and a table of landmarks become one memory-mapped file of aligned crops.

``OUT/<set>.npy`` is uint8 [n, side, side, 3]; ``OUT/<set>.tsv`` has a row a crop, in the same order:
path, yaw, pitch, roll in degrees (yaw > 0: nose to the picture's right).
"""

from __future__ import annotations

import csv
import lzma
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import align

SIDE = 128
MARGIN = 1 / 14
"""A crop of 128 pixels is the 112 one with eight pixels more on each side, for jitter."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled face of a data set. ``landmarks`` [5, 2] in pixels of the picture; angles in degrees."""

    path: str
    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    yaw: float
    pitch: float
    roll: float


def read_labels(path: Path) -> Iterator[Labelled]:
    """Rows of a ``.tsv.xz``: path, score, box (4), five points (10), yaw, pitch, roll."""
    with lzma.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            n = [float(v) for v in row[1:]]
            yield Labelled(
                row[0], (n[1], n[2], n[3], n[4]), np.array(n[5:15], np.float32).reshape(5, 2), n[15], n[16], n[17]
            )


def cut(job: tuple[str, NDArray[np.float32]]) -> NDArray[np.uint8] | None:
    """The crop [SIDE, SIDE, 3] RGB of one picture, or nothing where the picture cannot be read."""
    image = cv2.imread(job[0], cv2.IMREAD_COLOR)
    if image is None:
        return None
    try:
        return align(np.ascontiguousarray(image[:, :, ::-1]), job[1], SIDE, MARGIN)
    except ValueError:
        return None


def prepare(name: str, pictures: Path, labels: Path, out: Path, workers: int = 2) -> int:
    """Write ``out/<name>.npy`` and ``.tsv``; answer the number of crops. A finished set is left alone."""
    table = out / f"{name}.tsv"
    if table.exists():
        return sum(1 for _ in table.open(encoding="utf-8"))
    faces = list(read_labels(labels))
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f"{name}.part.npy"
    crops = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(faces), SIDE, SIDE, 3))
    kept: list[Labelled] = []
    jobs = ((str(pictures / face.path), face.landmarks) for face in faces)
    with ProcessPoolExecutor(workers) as pool:
        found = pool.map(cut, jobs, chunksize=64)
        for face, crop in track(zip(faces, found, strict=True), description=name, total=len(faces)):
            if crop is not None:
                crops[len(kept)] = crop
                kept.append(face)
    crops.flush()
    del crops
    whole = np.load(partial, mmap_mode="r")
    np.save(out / f"{name}.npy", whole[: len(kept)])
    partial.unlink()
    rows = "".join(f"{f.path}\t{f.yaw:.1f}\t{f.pitch:.1f}\t{f.roll:.1f}\n" for f in kept)
    table.with_suffix(".part").write_text(rows, encoding="utf-8")
    table.with_suffix(".part").rename(table)
    return len(kept)
