"""Pictures to faces, by MTCNN's cascade. Large pictures are looked at smaller.

A picture in which nothing was found, or only what the landmark refiner takes for no face, is looked at again,
several times, for a face that fills the frame; what most of these looks agree on is a face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.boxes import areas, overlaps, strongest
from app.face.cascade import NOTHING, Candidates, Cascade, DetectorSettings
from app.face.faces import Detection
from app.face.nets.mtcnn import CELL
from app.face.pyramid import GREY
from app.face.refine import LandmarkRefiner, shipped_refiner
from app.face.runtime import Runtime
from app.face.sweep import swept


@dataclass(frozen=True, slots=True)
class Look:
    """A second look: ``padding`` of the longer side is added all around, the picture is turned left to right when
    ``mirrored``, and faces of at least ``least`` of its shorter side are looked for."""

    padding: float
    mirrored: bool
    least: float


LOOKS: Final = (
    Look(0.25, False, 0.25),
    Look(0.25, True, 0.25),
    Look(0.5, True, 0.25),
    Look(0.5, False, 0.4),
    Look(0.25, True, 0.4),
    Look(0.25, False, 0.4),
)
"""In this order, until they agree on a face. Each sees it at other sizes and places, which a cascade's scores
depend on by chance, most of all at profile."""

LOOK_THRESHOLDS: Final = (0.3, 0.05, 0.3)
"""After P-, R- and O-Net in a second look: windows are few there, so that O-Net may judge nearly all of them."""

AGREEMENT: Final = 2.0
"""Least sum over the looks of O-Net's best score at a face's place.

With ``FILLS`` and ``LEAST_FACE_SCORE`` chosen on 237 tight crops of VGGFace2 and Pins, three quarters of them side
views, none of which it misses (2.5 misses one), and 279 crops without a face of CelebA's photographs and of other
things, of which it takes 2 for faces (the best single look over 0.5 took 38). Of the 2,000 side views of CFP, which
chose nothing, 140 come here; 5 are left to the sweep, which finds them."""

SAME_PLACE: Final = 0.4
"""Boxes of two looks that overlap by more than this (intersection over union) show the same face."""

FILLS: Final = 0.4
"""Least side of a face that fills the frame, in shorter sides of the picture."""

LEAST_FACE_SCORE: Final = 0.5
"""By the landmark refiner, for a face of a second look."""

CERTAIN: Final = 0.97
"""O-Net's score from which on a face is not doubted."""

DOUBT: Final = 0.8
"""Least score by the refiner of a face that is not certain.

Of 699 faces of training pictures, side views oversampled, none lies below it, and 3 where they are made 22 pixels
small; of 23 other things of which the cascade was not certain, 15 do. Of 300 faces in real masks 41 do, which is why
a doubted face stays unless there is a better one at its place."""

LOOK_PROPOSALS: Final = 32
"""The best of P-Net's windows that go on: a face that fills the frame is among them, and an empty picture costs
little."""

SAMPLED_TWICE: Final = 2.0
"""Up to this many times larger, two samples a side miss no pixel of a picture that is made smaller."""

LOOK_SIDE: Final = 320
"""The longer side at which a second look is taken: enough for O-Net's 48 pixels on a quarter of it."""


class Detector:
    """Thread safe."""

    def __init__(self, cascade: Cascade, refiner: LandmarkRefiner, settings: DetectorSettings) -> None:
        self._cascade, self._refiner, self.settings = cascade, refiner, settings
        self.name = f"mtcnn-{settings.min_face}-{settings.max_side}"

    @classmethod
    def load(
        cls,
        cache: Path,
        settings: DetectorSettings | None = None,
        runtime: Runtime = "openvino",
        streams: int = 1,
        device: str = "cpu",
    ) -> Detector:
        """The cascade with its published weights, converted into the folder ``cache`` at first use.

        Second looks are judged by the shipped refiner, whichever the model brings: where faces are found depends
        on no model.
        """
        return cls(
            Cascade.load(cache, runtime, streams, device),
            shipped_refiner(runtime, streams, device),
            settings or DetectorSettings(),
        )

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """The faces of each picture [h, w, 3], largest first; boxes may reach over its edges."""
        if not pictures:
            return []
        seen = [looked_at(picture, self.settings.max_side) for picture in pictures]
        found = self._cascade(seen, self.settings)
        return [
            _detections(self._believed(faces, look), picture.shape[1] / look.shape[1])
            for faces, picture, look in zip(found, pictures, seen, strict=True)
        ]

    def _believed(self, faces: Candidates, picture: NDArray[np.uint8]) -> Candidates:
        """``faces`` without doubted ones that touch a believed one; what looking again finds, where none is."""
        if not len(faces.boxes):
            return self._look_again(picture)
        faces = faces[np.argsort(-areas(faces.boxes), kind="stable")]
        believed = faces.scores >= CERTAIN
        judged = self._refiner.refine([(picture, face) for face in _detections(faces[~believed], 1.0)])
        believed[~believed] = [face.score >= DOUBT for face in judged]
        if believed.any():
            touching = (overlaps(faces.boxes, faces.boxes[believed]) > 0).any(axis=1)
            return faces[believed | ~touching]
        again = self._look_again(picture)
        return again if len(again.boxes) else faces

    def _look_again(self, picture: NDArray[np.uint8]) -> Candidates:
        """The faces that fill the frame, as soon as ``LOOKS`` agree on one, else what the refiner finds alone."""
        small = looked_at(picture, LOOK_SIDE)
        scale = picture.shape[1] / small.shape[1]
        found: list[Candidates] = []
        for look in LOOKS:
            found.append(self._look(small, look))
            agreed = agreed_on(found, FILLS * min(small.shape[:2]))
            detections = _detections(agreed, 1.0)
            judged = self._refiner.refine([(small, face) for face in detections], looks=1)
            faces = agreed[np.array([face.score >= LEAST_FACE_SCORE for face in judged], bool)]
            if len(faces.boxes):
                return Candidates(faces.boxes * scale, faces.scores, faces.points * scale)
        last = swept(small, self._refiner)
        if last is None:
            return NOTHING
        points = last.landmarks[None].astype(np.float64)
        return Candidates(np.array([last.box]) * scale, np.array([last.score]), points * scale)

    def _look(self, picture: NDArray[np.uint8], look: Look) -> Candidates:
        pad = round(max(picture.shape[:2]) * look.padding)
        source = picture[:, ::-1] if look.mirrored else picture
        padded = cv2.copyMakeBorder(source, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=GREY)
        settings = replace(
            self.settings,
            min_face=max(CELL, round(min(picture.shape[:2]) * look.least)),
            thresholds=LOOK_THRESHOLDS,
        )
        (faces,) = self._cascade([np.asarray(padded, np.uint8)], settings, LOOK_PROPOSALS)
        faces = Candidates(faces.boxes - pad, faces.scores, faces.points - pad)
        return _mirrored(faces, picture.shape[1]) if look.mirrored else faces


def agreed_on(found: Sequence[Candidates], least_side: float) -> Candidates:
    """Those of the looks' candidates, largest first, that are as large as that and supported by ``AGREEMENT``.

    A candidate's support is the sum, over the looks, of the best score at its place. Of each place only the
    best scored candidate stays.
    """
    boxes, scores, points = (
        np.concatenate([getattr(faces, part) for faces in found]) for part in ("boxes", "scores", "points")
    )
    support = np.zeros(len(boxes))
    for faces in found:
        there = overlaps(boxes, faces.boxes) > SAME_PLACE
        support += (there * faces.scores).max(axis=1, initial=0.0)
    chosen = (support >= AGREEMENT) & (np.sqrt(areas(boxes)) >= least_side)
    agreed = Candidates(boxes, scores, points)[chosen]
    kept = agreed[strongest(agreed.boxes, agreed.scores, SAME_PLACE, "smaller")]
    return kept[np.argsort(-areas(kept.boxes), kind="stable")]


def looked_at_size(picture: NDArray[np.uint8], max_side: int) -> tuple[int, int]:
    """Width and height at which faces are looked for: the longer side at most ``max_side`` pixels."""
    height, width = picture.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def looked_at(picture: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    """The picture at that size."""
    size = looked_at_size(picture, max_side)
    if size == picture.shape[1::-1]:
        return picture
    if max(picture.shape[:2]) <= SAMPLED_TWICE * max(size):
        # Interpolated at two samples a side of each new pixel, then averaged: within a few grey values of the mean of
        # the area, in less than half its time.
        picture = np.asarray(cv2.resize(picture, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _mirrored(faces: Candidates, width: int) -> Candidates:
    """The same faces in the picture turned left to right: what was left is right, of the points too."""
    boxes, points = faces.boxes.copy(), faces.points[:, [1, 0, 2, 4, 3]].copy()
    boxes[:, [0, 2]] = width - 1 - faces.boxes[:, [2, 0]]
    points[:, :, 0] = width - 1 - points[:, :, 0]
    return Candidates(boxes, faces.scores, points)


def _detections(faces: Candidates, scale: float) -> list[Detection]:
    order = np.argsort(-areas(faces.boxes), kind="stable")
    return [
        Detection(
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            points.astype(np.float32),
            float(score),
        )
        for box, points, score in zip(
            faces.boxes[order] * scale, faces.points[order] * scale, faces.scores[order], strict=True
        )
    ]
