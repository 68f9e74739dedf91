"""Real faces with and without a face mask, as aligned crops: Face Mask 12K by our own engine, RWMFD by its labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import align
from app.face.engine import Engine
from training.data.crops import read_labels

Crops = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class MaskPhotographs:
    """``data/mask_12k`` and ``data/rwmfd``; faces that ``engine`` found are kept in ``found``."""

    data: Path
    labels: Path
    found: Path
    engine: Engine

    def folder(self, kind: str, parts: Sequence[str], first: int, count: int) -> Crops:
        """Faces [n, 112, 112, 3] of pictures ``first`` to ``first + count`` of Face Mask 12K's ``kind``, as a hash
        orders those of its ``parts``."""
        paths = [path for part in parts for path in (self.data / "mask_12k" / part / kind).iterdir()]
        some = chosen(paths, first + count)[first:]
        name = f"{kind}-{'-'.join(parts)}-{first}-{len(some)}.npy"
        return kept(self.found / name, lambda: faces_of(self.engine, some))

    def people(self, back: bool) -> Crops:
        """RWMFD's masked faces, of people who are ``held_back`` or of the others, by their labelled points."""
        return np.stack(list(self._labelled(back)))

    def _labelled(self, back: bool) -> Iterator[Crops]:
        for face in read_labels(self.labels / "rwmfd.tsv.xz"):
            if held_back(face.path.split("/")[0]) is back:
                image = np.asarray(cv2.imread(str(self.data / "rwmfd" / face.path)), np.uint8)
                yield align(np.ascontiguousarray(image[:, :, ::-1]), face.landmarks)


def held_back(name: str) -> bool:
    """Whether a person or a picture of this name is one of the half that only reports."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def chosen(paths: Sequence[Path], count: int) -> list[Path]:
    """``count`` of them by a hash of their names, so that the choice hangs on nothing else."""
    return sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())[:count]


def faces_of(engine: Engine, paths: Sequence[Path]) -> Iterator[Crops]:
    """The aligned crop of the largest face of each picture; where none is found, nothing."""
    for path in track(paths, "finding faces"):
        image = np.ascontiguousarray(np.asarray(cv2.imread(str(path)), np.uint8)[:, :, ::-1])
        faces = engine.pictures([image])[0].faces
        if faces:
            yield align(image, faces[0].detection.landmarks)


def kept(path: Path, made: Callable[[], Iterator[Crops]]) -> Crops:
    """What ``made`` gives as one array, from ``path`` where it was made before: faces are found once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack(list(made())))
    return np.asarray(np.load(path))
