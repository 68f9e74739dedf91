"""Pictures to faces: MTCNN's cascade (Zhang et al. 2016) over one canvas a picture, windows of all pictures together.

All levels go through P-Net in one call, windows through R- and O-Net in batches, and large pictures are looked at
smaller. A picture in which nothing was found is looked at again for a face that fills the frame.
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
from app.face.pyramid import GREY, packed, pyramid, windows
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
    ``thresholds``: least score after P-, R- and O-Net, 0-1;
    ``last_threshold``: after O-Net when nothing else was found.
    """

    min_face: int = 20
    max_side: int = 1024
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8)
    last_threshold: float = 0.5


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
"""In this order, until one finds a face. Each sees the face at other sizes and places, which a cascade's scores
depend on by chance, most of all at profile."""

LOOK_THRESHOLDS: Final = (0.3, 0.05)
"""After P- and R-Net in a second look: windows are few there, so that O-Net may judge nearly all of them."""

LOOK_PROPOSALS: Final = 32
"""The best of P-Net's windows that go on: a face that fills the frame is among them, and an empty picture costs
little."""

LOOK_SIDE: Final = 320
"""The longer side at which a second look is taken: enough for O-Net's 48 pixels on a quarter of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes of one picture with their scores [n], and the points [n, 5, 2] once O-Net has answered."""

    boxes: Boxes
    scores: NDArray[np.float64]
    points: NDArray[np.float64]

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        return Candidates(self.boxes[chosen], self.scores[chosen], self.points[chosen])

    def first(self, count: int) -> Candidates:
        return Candidates(self.boxes[:count], self.scores[:count], self.points[:count])


NOTHING: Final = Candidates(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))


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
        if not pictures:
            return []
        seen = [looked_at(picture, self.settings.max_side) for picture in pictures]
        found = self._cascade(seen, self.settings)
        return [
            _detections(faces if len(faces.boxes) else self._look_again(look), picture.shape[1] / look.shape[1])
            for faces, picture, look in zip(found, pictures, seen, strict=True)
        ]

    def _look_again(self, picture: NDArray[np.uint8]) -> Candidates:
        """What the first successful one of ``LOOKS`` finds, else the best face of all over the last threshold."""
        small = looked_at(picture, LOOK_SIDE)
        scale = picture.shape[1] / small.shape[1]
        best = NOTHING
        for look in LOOKS:
            faces = self._look(small, look)
            faces = Candidates(faces.boxes * scale, faces.scores, faces.points * scale)
            sure = faces[faces.scores > self.settings.thresholds[2]]
            if len(sure.boxes):
                return sure
            if len(faces.boxes) and (not len(best.boxes) or faces.scores.max() > best.scores[0]):
                best = faces[np.array([faces.scores.argmax()])]
        return best

    def _look(self, picture: NDArray[np.uint8], look: Look) -> Candidates:
        pad = round(max(picture.shape[:2]) * look.padding)
        source = picture[:, ::-1] if look.mirrored else picture
        padded = cv2.copyMakeBorder(source, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=GREY)
        settings = replace(
            self.settings,
            min_face=max(CELL, round(min(picture.shape[:2]) * look.least)),
            thresholds=(*LOOK_THRESHOLDS, self.settings.last_threshold),
        )
        (faces,) = self._cascade([np.asarray(padded, np.uint8)], settings, LOOK_PROPOSALS)
        faces = Candidates(faces.boxes - pad, faces.scores, faces.points - pad)
        return _mirrored(faces, picture.shape[1]) if look.mirrored else faces

    def _cascade(
        self, pictures: Sequence[NDArray[np.uint8]], settings: DetectorSettings, proposals: int = MAX_PROPOSALS
    ) -> list[Candidates]:
        """All three stages; R- and O-Net see the windows of all pictures together."""
        found = [self._proposals(picture, settings).first(proposals) for picture in pictures]
        answers = _answers(self._rnet, pictures, found, RNet.side, REFINE_BATCH)
        for at, (faces, answer) in enumerate(zip(found, answers, strict=True)):
            moved_on = Candidates(moved(faces.boxes, answer[:, 1:5]), _sigmoid(answer[:, 0]), faces.points)
            over = moved_on[moved_on.scores > settings.thresholds[1]]
            kept = over[strongest(over.boxes, over.scores, 0.7)]
            found[at] = Candidates(squared(kept.boxes), kept.scores, kept.points)
        answers = _answers(self._onet, pictures, found, ONet.side, OUTPUT_BATCH)
        for at, (faces, answer) in enumerate(zip(found, answers, strict=True)):
            points = _points(faces.boxes, answer[:, 5:15])
            final = Candidates(moved(faces.boxes, answer[:, 1:5]), _sigmoid(answer[:, 0]), points)
            over = final[final.scores > settings.thresholds[2]]
            found[at] = over[strongest(over.boxes, over.scores, 0.7, "smaller")]
        return found

    def _proposals(self, picture: NDArray[np.uint8], settings: DetectorSettings) -> Candidates:
        """Square windows of one picture that P-Net takes for faces, best first."""
        levels = pyramid(picture, CELL / settings.min_face, settings.factor, CELL)
        if not levels:
            return NOTHING
        canvas = packed(levels)
        answer = self._pnet(canvas.sheet[None])[0]
        found = []
        for level, (x, y) in zip(levels, canvas.corners, strict=True):
            high, wide = ((side - CELL) // STRIDE + 1 for side in level.pixels.shape[:2])
            part = answer[:, y // STRIDE : y // STRIDE + high, x // STRIDE : x // STRIDE + wide]
            found.append(_windows_of(part, level.scale, settings.thresholds[0]))
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


def _windows_of(answer: NDArray[np.float32], scale: float, threshold: float) -> tuple[Boxes, NDArray[np.float64]]:
    """P-Net's answer [5, rows, columns] for one level as boxes in pixels of the picture, thinned out."""
    rows, columns = np.nonzero(answer[0] > _logit(threshold))
    logits, offsets = answer[0, rows, columns], answer[1:5, rows, columns].T
    best = np.argsort(-logits, kind="stable")[:MAX_PROPOSALS]
    corner = np.stack([columns[best], rows[best]], axis=1).astype(np.float64) * STRIDE
    # The published cascade counts pixels from one here: a window's first corner is one pixel further.
    cells = np.hstack([corner + 1, corner + CELL])
    boxes = (cells + offsets[best] * (CELL - 1)) / scale
    scores = _sigmoid(logits[best])
    kept = strongest(boxes, scores, 0.5)
    return boxes[kept], scores[kept]


def _answers(
    network: Network, pictures: Sequence[NDArray[np.uint8]], found: Sequence[Candidates], side: int, batch: int
) -> list[NDArray[np.float32]]:
    """What ``network`` answers for every candidate, [n, channels] a picture."""
    cut = np.concatenate([windows(picture, faces.boxes, side) for picture, faces in zip(pictures, found, strict=True)])
    short = -len(cut) % batch
    padded = np.concatenate([cut, np.zeros((short, side, side, 3), np.uint8)])
    parts = [network(padded[at : at + batch]) for at in range(0, len(padded), batch)]
    answers = np.concatenate(parts)[: len(cut)] if parts else np.empty((0, 15), np.float32)
    return np.split(answers, np.cumsum([len(faces.boxes) for faces in found])[:-1])


def _mirrored(faces: Candidates, width: int) -> Candidates:
    """The same faces in the picture turned left to right: what was left is right, of the points too."""
    boxes, points = faces.boxes.copy(), faces.points[:, [1, 0, 2, 4, 3]].copy()
    boxes[:, [0, 2]] = width - 1 - faces.boxes[:, [2, 0]]
    points[:, :, 0] = width - 1 - points[:, :, 0]
    return Candidates(boxes, faces.scores, points)


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
