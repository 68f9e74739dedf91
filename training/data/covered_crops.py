"""Faces of a store with things before them, before the crop is moved about: masks, glasses, hands, scarves, phones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.face.align import CROP_SIZE, similarity, template
from training.data.cover import Frame, Occluder, frame_of, paint
from training.data.crops import SIDE, read_labels
from training.data.mask_templates import read_templates
from training.data.occluders import TRAIN, draw, with_templates
from training.data.store import CropStore


def frames(name: str, crops: Path, labels: Path, side: int = CROP_SIZE) -> list[Frame]:
    """The axes of every face of a crop file in its crop of ``side`` pixels, from the labelled points."""
    wanted, known = template(CROP_SIZE), {}
    for face in read_labels(labels / f"{name}.tsv.xz"):
        try:
            matrix = similarity(face.landmarks, wanted)
        except ValueError:  # such a face has no crop
            continue
        points = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
        known[face.path] = frame_of(points + (side - CROP_SIZE) / 2, side)
    lines = (crops / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [known[line.split("\t")[0]] for line in lines]


@dataclass(frozen=True, slots=True, eq=False)
class Covers:
    """``axes`` of every row of the store in its wide crop; ``chance`` 0-1 that a face is covered."""

    axes: tuple[Frame, ...]
    occluders: Mapping[str, tuple[Occluder, float]]
    chance: float

    def on(self, store: CropStore, row: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """The crop of a row, covered or as it is."""
        crop = store[row]
        if rng.random() >= self.chance:
            return crop
        other = store[int(rng.integers(len(store)))]
        return paint(crop, draw(self.occluders, self.axes[row], other, rng)[1])[0]


def open_covers(store: CropStore, crops: Path, labels: Path, templates: Path | None, chance: float) -> Covers:
    """Covers of training for every kept row; with the face masks of ``templates`` that training may see."""
    axes = [frames(name, crops, labels, SIDE) for name in store.names]
    masks = read_templates(templates) if templates else {}
    rows = tuple(axes[part][row] for part, row in zip(store.part, store.row, strict=True))
    return Covers(rows, with_templates(TRAIN, masks, test=False), chance)
