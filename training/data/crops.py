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


CHUNK = 1024
"""Pictures between two points from which an interrupted run goes on."""


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
    """Write ``out/<name>.npy`` and ``.tsv``; answer the number of crops.

    A finished set is left alone; one that was interrupted goes on where it was, at most ``CHUNK`` pictures back.
    """
    table = out / f"{name}.tsv"
    if table.exists():
        return len(table.read_text(encoding="utf-8").splitlines())
    faces = list(read_labels(labels))
    out.mkdir(parents=True, exist_ok=True)
    partial, log = out / f"{name}.part.npy", out / f"{name}.part.tsv"
    done = _done(log) if partial.exists() else []
    crops = np.lib.format.open_memmap(partial, "r+" if done else "w+", np.uint8, (len(faces), SIDE, SIDE, 3))
    kept = sum(done)
    with ProcessPoolExecutor(workers) as pool, log.open("w", encoding="utf-8") as lines:
        lines.write(_lines(done))
        lines.flush()
        for start in track(range(len(done), len(faces), CHUNK), description=name):
            part = faces[start : start + CHUNK]
            jobs = [(str(pictures / face.path), face.landmarks) for face in part]
            verdicts = []
            for crop in pool.map(cut, jobs, chunksize=64):
                verdicts.append(crop is not None)
                if crop is not None:
                    crops[kept] = crop
                    kept += 1
            crops.flush()
            lines.write(_lines(verdicts))
            lines.flush()
    del crops
    np.save(out / f"{name}.npy", np.load(partial, mmap_mode="r")[:kept])
    rows = (f for f, there in zip(faces, _done(log), strict=True) if there)
    table.with_suffix(".part").write_text(
        "".join(f"{f.path}\t{f.yaw:.1f}\t{f.pitch:.1f}\t{f.roll:.1f}\n" for f in rows), encoding="utf-8"
    )
    table.with_suffix(".part").rename(table)
    partial.unlink()
    log.unlink()
    return kept


def _lines(verdicts: list[bool]) -> str:
    return "".join(f"{int(v)}\n" for v in verdicts)


def _done(log: Path) -> list[bool]:
    """One entry a picture that was tried: could it be read? A last line without its end does not count."""
    if not log.exists():
        return []
    return [line == "1\n" for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
