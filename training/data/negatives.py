"""What a cascade with hardly any threshold takes for a face and is none: the hard cases for a face score.

Written as regions like those of labelled faces (``training.data.regions``): ``OUT/negatives.npy`` uint8
[n, SIDE, SIDE, 3]. Labels name one face a picture, so a box that does not touch it may show another person; it
counts as none only where the cascade itself hardly believes in it. Parts of the labelled face always count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import warp
from app.face.boxes import Boxes, overlaps
from app.face.cascade import Cascade, DetectorSettings
from training.data.crops import read_labels
from training.data.regions import SIDE, region_matrix

GREEDY: Final = DetectorSettings(thresholds=(0.4, 0.1, 0.02))
BELIEVED: Final = 0.2
"""Least O-Net score of a box that may well be somebody else's face."""
A_PICTURE: Final = 8


def without_face(
    boxes: Boxes, scores: NDArray[np.floating], face: tuple[float, float, float, float]
) -> NDArray[np.bool_]:
    """Which ``boxes`` [n, 4] show no whole face where ``face`` is the only labelled one: see above."""
    shared = overlaps(boxes, np.array([face]))[:, 0]
    return np.asarray((shared < 0.3) & ((shared > 0.02) | (scores < BELIEVED)))


def prepare(
    left_out: Mapping[str, Collection[str]],
    pictures: Path,
    labels: Path,
    out: Path,
    cache: Path,
    a_set: int = 700,
    seed: int = 1,
) -> int:
    """Look at ``a_set`` pictures of each set that ``left_out`` names, drawn by ``seed`` among those it does not list.

    ``cache`` is the detector's folder. Answers how many regions were written.
    """
    cascade, rng = Cascade.load(cache), np.random.default_rng(seed)
    regions: list[NDArray[np.uint8]] = []
    for name, gone in left_out.items():
        faces = [face for face in read_labels(labels / f"{name}.tsv.xz") if face.path not in gone]
        for at in track(rng.permutation(len(faces))[:a_set], description=name):
            image = cv2.imread(str(pictures / name / faces[at].path), cv2.IMREAD_COLOR)
            if image is not None:
                rgb = np.ascontiguousarray(image[:, :, ::-1], np.uint8)
                (found,) = cascade([rgb], GREEDY)
                none = found.boxes[without_face(found.boxes, found.scores, faces[at].box)][:A_PICTURE]
                regions += [warp(rgb, region_matrix((box[0], box[1], box[2], box[3])), SIDE) for box in none]
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "negatives.npy", np.stack(regions))
    return len(regions)
