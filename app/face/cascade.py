"""MTCNN's cascade (Zhang et al. 2016) over one canvas a picture, windows of all pictures together.

All levels go through P-Net in one call, windows through R- and O-Net in batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.boxes import Boxes, moved, squared, strongest
from app.face.nets.mtcnn import CELL, STRIDE, ONet, RNet
from app.face.published import load_mtcnn
from app.face.pyramid import packed, pyramid, windows
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
    ``thresholds``: least score after P-, R- and O-Net, 0-1.
    """

    min_face: int = 20
    max_side: int = 1024
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8)


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


class Cascade:
    """Thread safe when its networks are."""

    def __init__(self, pnet: Network, rnet: Network, onet: Network) -> None:
        self._pnet, self._rnet, self._onet = pnet, rnet, onet

    @classmethod
    def load(cls, cache: Path, runtime: Runtime = "openvino", streams: int = 1, device: str = "cpu") -> Cascade:
        """The published weights, converted into the folder ``cache`` at first use."""
        pnet, rnet, onet = load_mtcnn(cache)
        return cls(
            run_with(runtime, FromPixels(pnet), (1, -1, -1, 3), streams, device),
            run_with(runtime, FromPixels(rnet), (REFINE_BATCH, RNet.side, RNet.side, 3), streams, device),
            run_with(runtime, FromPixels(onet), (OUTPUT_BATCH, ONet.side, ONet.side, 3), streams, device),
        )

    def __call__(
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


def _points(boxes: Boxes, fractions: NDArray[np.float32]) -> NDArray[np.float64]:
    """O-Net's five points [n, 5, 2] in pixels: fractions of the window, five x then five y."""
    # The published cascade counts from one here, which puts every point 0.8 pixels up and left of its place.
    sides = (boxes[:, 2:] - boxes[:, :2])[:, None, :]
    return boxes[:, None, :2] + fractions.reshape(-1, 2, 5).transpose(0, 2, 1) * sides


def _sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
