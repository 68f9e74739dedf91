"""Pictures to faces: MTCNN's cascade (Zhang et al. 2016) over one canvas a picture, windows of all pictures together.

Differs from the published cascade only in how pixels are resampled: all levels go through P-Net in one call,
windows are cut from the nearest level instead of the full picture, and large pictures are looked at smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.boxes import Boxes, areas, moved, squared, strongest
from app.face.faces import Detection
from app.face.nets.mtcnn import CELL, STRIDE, ONet, RNet
from app.face.published import load_mtcnn
from app.face.pyramid import GREY, Level, packed, pyramid, windows
from app.face.runtime import FromPixels, Network, Runtime, run_with

REFINE_BATCH: Final = 16
OUTPUT_BATCH: Final = 4
"""Windows go through R- and O-Net in batches of one fixed size: kernels are made once, and a window's answer
does not depend on its neighbours."""

MAX_PROPOSALS: Final = 1024
"""Windows of one level that are compared with each other, best first: bounds memory on pictures made to hurt."""


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """``min_face``: the smallest face looked for, pixels of its shorter side in the picture as looked at;
    ``max_side``: larger pictures are looked at with this longer side; ``factor``: from one level to the next;
    ``thresholds``: least score after P-, R- and O-Net, 0-1; ``last_thresholds``: the same when nothing was found.
    """

    min_face: int = 20
    max_side: int = 1024
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8)
    last_thresholds: tuple[float, float, float] = (0.4, 0.4, 0.4)


TIGHT_PADDING: Final = 0.25
"""Of the longer side, added all around a picture in which nothing was found: its face may fill the frame."""

TIGHT_FACE: Final = 0.25
"""Of the shorter side: the least face looked for in such a second look."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes of one picture with their scores [n], and the points [n, 5, 2] once O-Net has answered."""

    boxes: Boxes
    scores: NDArray[np.float64]
    points: NDArray[np.float64]

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        return Candidates(self.boxes[chosen], self.scores[chosen], self.points[chosen])


class Detector:
    """Thread safe when its networks are."""

    def __init__(self, pnet: Network, rnet: Network, onet: Network, settings: DetectorSettings) -> None:
        self._pnet, self._rnet, self._onet, self.settings = pnet, rnet, onet, settings
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
        """The cascade with its published weights, converted into the folder ``cache`` at first use."""
        pnet, rnet, onet = load_mtcnn(cache)
        return cls(
            run_with(runtime, FromPixels(pnet), (1, -1, -1, 3), streams, device),
            run_with(runtime, FromPixels(rnet), (REFINE_BATCH, RNet.side, RNet.side, 3), streams, device),
            run_with(runtime, FromPixels(onet), (OUTPUT_BATCH, ONet.side, ONet.side, 3), streams, device),
            settings or DetectorSettings(),
        )

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """The faces of each picture [h, w, 3], largest first; boxes may reach over its edges."""
        settings = self.settings
        seen = [looked_at(picture, settings.max_side) for picture in pictures]
        found = self._cascade(seen, settings)
        for lower in (False, True):
            empty = [at for at, faces in enumerate(found) if not len(faces.boxes)]
            if empty:
                again = self._second_look([seen[at] for at in empty], lower)
                for at, faces in zip(empty, again, strict=True):
                    found[at] = faces
        return [
            _detections(faces, picture.shape[1] / look.shape[1])
            for faces, picture, look in zip(found, pictures, seen, strict=True)
        ]

    def _second_look(self, pictures: Sequence[NDArray[np.uint8]], lower: bool) -> list[Candidates]:
        """For faces that fill the frame. Only large ones are looked for, so that it costs next to nothing."""
        out = []
        for picture in pictures:
            pad = round(max(picture.shape[:2]) * TIGHT_PADDING)
            padded = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=GREY)
            settings = replace(
                self.settings,
                min_face=max(self.settings.min_face, round(min(picture.shape[:2]) * TIGHT_FACE)),
                thresholds=self.settings.last_thresholds if lower else self.settings.thresholds,
            )
            faces = self._cascade([np.asarray(padded, np.uint8)], settings)[0]
            out.append(Candidates(faces.boxes - pad, faces.scores, faces.points - pad))
        return out

    def _cascade(self, pictures: Sequence[NDArray[np.uint8]], settings: DetectorSettings) -> list[Candidates]:
        """All three stages; R- and O-Net see the windows of all pictures together."""
        first = CELL / settings.min_face
        pyramids = [pyramid(picture, first, settings.factor, CELL) for picture in pictures]
        found = [self._proposals(levels, settings.thresholds[0]) for levels in pyramids]
        sources = [[Level(picture, (1.0, 1.0)), *levels] for picture, levels in zip(pictures, pyramids, strict=True)]
        found = [
            _kept(faces, moved(faces.boxes, answer[:, 1:5]), answer[:, 0], settings.thresholds[1], 0.7)
            for faces, answer in zip(found, _answers(self._rnet, sources, found, RNet.side, REFINE_BATCH), strict=True)
        ]
        found = [Candidates(squared(faces.boxes), faces.scores, faces.points) for faces in found]
        answers = _answers(self._onet, sources, found, ONet.side, OUTPUT_BATCH)
        out = []
        for faces, answer in zip(found, answers, strict=True):
            pointed = Candidates(faces.boxes, faces.scores, _points(faces.boxes, answer[:, 5:15]))
            boxes = moved(faces.boxes, answer[:, 1:5])
            out.append(_kept(pointed, boxes, answer[:, 0], settings.thresholds[2], 0.7, smaller=True))
        return out

    def _proposals(self, levels: list[Level], threshold: float) -> Candidates:
        """Square windows of one picture that P-Net takes for faces."""
        found = [(np.empty((0, 4)), np.empty(0))]
        if levels:
            canvas = packed(levels)
            answer = self._pnet(canvas.sheet[None])[0]
            for level, (x, y) in zip(levels, canvas.corners, strict=True):
                high, wide = (max(0, (side - CELL) // STRIDE + 1) for side in level.pixels.shape[:2])
                part = answer[:, y // STRIDE : y // STRIDE + high, x // STRIDE : x // STRIDE + wide]
                found.append(_windows_of(part, level, threshold))
        boxes, scores = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
        best = strongest(boxes, scores, 0.7)[:MAX_PROPOSALS]
        return Candidates(squared(boxes[best]), scores[best], np.empty((len(best), 5, 2)))


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
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _windows_of(answer: NDArray[np.float32], level: Level, threshold: float) -> tuple[Boxes, NDArray[np.float64]]:
    """P-Net's answer [5, rows, columns] for one level as boxes in pixels of the picture, thinned out."""
    rows, columns = np.nonzero(answer[0] > _logit(threshold))
    logits, offsets = answer[0, rows, columns], answer[1:5, rows, columns].T
    best = np.argsort(-logits, kind="stable")[:MAX_PROPOSALS]
    corner = np.stack([columns[best], rows[best]], axis=1).astype(np.float64) * STRIDE
    # The published cascade counts pixels from one here: a window's first corner is one pixel further.
    cells = np.hstack([corner + 1, corner + CELL])
    boxes = (cells + offsets[best] * (CELL - 1)) / np.tile(level.scale, 2)
    scores = _sigmoid(logits[best])
    kept = strongest(boxes, scores, 0.5)
    return boxes[kept], scores[kept]


def _answers(
    network: Network, sources: Sequence[Sequence[Level]], found: Sequence[Candidates], side: int, batch: int
) -> list[NDArray[np.float32]]:
    """What ``network`` answers for every candidate, [n, channels] a picture."""
    cut = np.concatenate([windows(levels, faces.boxes, side) for levels, faces in zip(sources, found, strict=True)])
    short = -len(cut) % batch
    padded = np.concatenate([cut, np.zeros((short, side, side, 3), np.uint8)])
    parts = [network(padded[at : at + batch]) for at in range(0, len(padded), batch)]
    answers = np.concatenate(parts)[: len(cut)] if parts else np.empty((0, 15), np.float32)
    return np.split(answers, np.cumsum([len(faces.boxes) for faces in found])[:-1])


def _kept(
    faces: Candidates,
    boxes: Boxes,
    logits: NDArray[np.float32],
    threshold: float,
    overlap: float,
    smaller: bool = False,
) -> Candidates:
    """Those over the threshold that no better one covers, with their new boxes and scores."""
    scores = _sigmoid(logits)
    over = scores > threshold
    passed = Candidates(boxes[over], scores[over], faces.points[over])
    return passed[strongest(passed.boxes, passed.scores, overlap, "smaller" if smaller else "union")]


def _points(boxes: Boxes, fractions: NDArray[np.float32]) -> NDArray[np.float64]:
    """O-Net's five points [n, 5, 2] in pixels: fractions of the window, five x then five y."""
    # The published cascade counts from one here, which puts every point 0.8 pixels up and left of its place.
    sides = (boxes[:, 2:] - boxes[:, :2])[:, None, :]
    return boxes[:, None, :2] + fractions.reshape(-1, 2, 5).transpose(0, 2, 1) * sides


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


def _sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
