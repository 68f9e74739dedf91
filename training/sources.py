"""Where an evaluation's embeddings come from: labelled crops, or pictures through the real engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.errors import FrontalisError
from app.face.decode import PictureLimits, decode
from app.face.faces import Face, Picture
from training.benchmarks import Embedded
from training.data.crops import prepare, read_labels
from training.embeddings import Embed, cached, unit

PART = 256
"""Pictures between two points from which an interrupted run through the engine goes on."""


class Source(Protocol):
    """Embeddings of a test set by its name, and the crop that a row was computed from, to look at."""

    def embedded(self, name: str) -> Embedded: ...

    def crop(self, name: str, row: int) -> NDArray[np.uint8]: ...


class FaceEngine(Protocol):
    """What is used of :class:`app.face.engine.Engine`."""

    model_id: str
    detector: str
    width: int

    def pictures(self, images: Sequence[NDArray[np.uint8]]) -> list[Picture]: ...


@dataclass(frozen=True, slots=True)
class Folders:
    """``data/<set>`` holds pictures, ``labels/<set>.tsv.xz`` landmarks; ``crops`` and ``cache`` are ours to fill."""

    data: Path
    labels: Path
    crops: Path
    cache: Path

    def pictures(self, name: str) -> Path:
        """The folder of a set's pictures."""
        return self.data / name

    def crop_file(self, name: str) -> Path:
        """The set's crop file, cut from the labels where it is not there yet."""
        prepare(name, self.pictures(name), self.labels / f"{name}.tsv.xz", self.crops)
        return self.crops / f"{name}.npy"

    def rows(self, name: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Paths and yaws [n] of the set's labelled faces."""
        faces = list(read_labels(self.labels / f"{name}.tsv.xz"))
        return tuple(f.path for f in faces), np.array([f.yaw for f in faces], np.float32)


@dataclass(frozen=True, slots=True)
class LabelledCrops:
    """Crops cut by the labels: the detector's and the aligner's share in the errors is left out.

    ``embed`` gets standard crops, or with ``whole`` those of 128 pixels with their margin.
    """

    folders: Folders
    name: str
    embed: Embed
    whole: bool = False

    def embedded(self, name: str) -> Embedded:
        file = self.folders.crop_file(name)
        rows = [line.split("\t") for line in file.with_suffix(".tsv").read_text(encoding="utf-8").splitlines()]
        vectors = cached(file, self.folders.cache, self.name, self.embed, self.whole)
        return Embedded(name, tuple(r[0] for r in rows), vectors, np.array([float(r[1]) for r in rows], np.float32))

    def crop(self, name: str, row: int) -> NDArray[np.uint8]:
        return np.asarray(np.load(self.folders.crop_file(name), mmap_mode="r")[row])


@dataclass(frozen=True, slots=True)
class ThroughEngine:
    """Picture files through the engine as a request would send them; the face nearest the middle counts.

    The raw embedding ``E`` is taken; ``G`` is applied by the caller. A picture that the engine refuses or
    finds no face in becomes a row of zeros.
    """

    folders: Folders
    engine: FaceEngine

    def embedded(self, name: str) -> Embedded:
        paths, yaw = self.folders.rows(name)
        kept = self.folders.cache / f"{name}_{self.engine.model_id}_{self.engine.detector}"
        kept.mkdir(parents=True, exist_ok=True)
        starts = range(0, len(paths), PART)
        parts = [self._part(name, paths[at : at + PART], kept / f"{at:06d}.npy") for at in track(starts, name)]
        return Embedded(name, paths, unit(np.concatenate(parts)), yaw)

    def _part(self, name: str, paths: Sequence[str], file: Path) -> NDArray[np.float16]:
        if not file.exists():
            root = self.folders.pictures(name)
            rows = [self._embedding(root / path) for path in paths]
            partial = file.with_suffix(".part.npy")
            np.save(partial, np.asarray(rows, np.float16))
            partial.rename(file)
        return np.asarray(np.load(file), np.float16)

    def crop(self, name: str, row: int) -> NDArray[np.uint8]:
        return np.asarray(np.load(self.folders.crop_file(name), mmap_mode="r")[row])

    def _embedding(self, path: Path) -> NDArray[np.float32]:
        lost = np.zeros(self.engine.width, np.float32)
        try:
            image = decode(path.read_bytes(), PictureLimits())
            (picture,) = self.engine.pictures([image])
        except FrontalisError:
            return lost
        face = nearest_the_middle(picture)
        return lost if face is None else face.embedding


def nearest_the_middle(picture: Picture) -> Face | None:
    """The face that a test picture is about: its box's centre is nearest the picture's, or nothing."""
    width, height = picture.size

    def off(face: Face) -> float:
        x0, y0, x1, y1 = face.detection.box
        return ((x0 + x1) / 2 - width / 2) ** 2 + ((y0 + y1) / 2 - height / 2) ** 2

    return min(picture.faces, key=off, default=None)
