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
from app.face.pyramid import Level, packed, pyramid, windows
from app.face.runtime import FromPixels, Network, Runtime, halves, run_with

REFINE_BATCH: Final = 16
OUTPUT_BATCH: Final = 2
"""Windows go through R- and O-Net in batches of one fixed size: kernels are made once, and a window's answer
does not depend on its neighbours."""

AGAIN_BATCH: Final = 64
"""The same for cells that P-Net sees again."""

ROUGHLY: Final = 0.5
"""How far P-Net's logit in bfloat16 may lie below the exact one without losing a cell. On 100 photographs it is 0.03
off on average and 0.34 at most, where the exact one is over 0.3."""

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
    """Thread safe when its networks are.

    Where there is ``cells``, P-Net for single cells, ``pnet`` need only be nearly right: what it nearly likes is seen
    again, so that scores and places are those of the exact network.
    """

    def __init__(self, pnet: Network, rnet: Network, onet: Network, cells: Network | None = None) -> None:
        self._pnet, self._rnet, self._onet, self._cells = pnet, rnet, onet, cells

    @classmethod
    def load(cls, cache: Path, runtime: Runtime = "openvino", streams: int = 1, device: str = "cpu") -> Cascade:
        """The published weights, converted into the folder ``cache`` at first use."""
        pnet, rnet, onet = load_mtcnn(cache)
        rough, again = halves(runtime, device), (AGAIN_BATCH, CELL, CELL, 3)
        return cls(
            run_with(runtime, FromPixels(pnet), (1, -1, -1, 3), streams, device, rough=rough),
            run_with(runtime, FromPixels(rnet), (REFINE_BATCH, RNet.side, RNet.side, 3), streams, device),
            run_with(runtime, FromPixels(onet), (OUTPUT_BATCH, ONet.side, ONet.side, 3), streams, device),
            run_with(runtime, FromPixels(pnet), again, streams, device) if rough else None,
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
        least = _logit(settings.thresholds[0])
        found = []
        for level, (x, y) in zip(levels, canvas.corners, strict=True):
            high, wide = ((side - CELL) // STRIDE + 1 for side in level.pixels.shape[:2])
            part = answer[:, y // STRIDE : y // STRIDE + high, x // STRIDE : x // STRIDE + wide]
            found.append(_liked(part, least if self._cells is None else least - ROUGHLY))
        counts = np.cumsum([len(corners) for corners, _ in found])[:-1]
        corners, told = (np.concatenate(part) for part in zip(*found, strict=True))
        if self._cells is not None:
            places = np.repeat(np.array(canvas.corners), np.diff(counts, prepend=0, append=len(told)), axis=0)
            told = _seen_again(self._cells, canvas.sheet, corners + places)
        parts = zip(levels, np.split(corners, counts), np.split(told, counts), strict=True)
        windows_of = [_windows_of(*part, least) for part in parts]
        boxes, scores = (np.concatenate(part) for part in zip(*windows_of, strict=True))
        best = strongest(boxes, scores, 0.7)[:MAX_PROPOSALS]
        return Candidates(squared(boxes[best]), scores[best], np.empty((len(best), 5, 2)))


def _liked(answer: NDArray[np.float32], least: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best cells of one level over a logit of ``least``, of P-Net's ``answer`` [5, rows, columns]: their corners
    [n, 2] (x, y) in its pixels, and their answers [n, 5].
    """
    rows, columns = np.nonzero(answer[0] > least)
    best = np.argsort(-answer[0, rows, columns], kind="stable")[:MAX_PROPOSALS]
    return np.stack([columns[best], rows[best]], axis=1) * STRIDE, answer[:, rows[best], columns[best]].T


def _seen_again(network: Network, sheet: NDArray[np.uint8], corners: NDArray[np.int64]) -> NDArray[np.float32]:
    """P-Net's exact answers [n, 5] for the cells with these top left ``corners`` [n, 2] (x, y) on the canvas."""
    every = np.lib.stride_tricks.sliding_window_view(sheet, (CELL, CELL), axis=(0, 1))
    cells = every[corners[:, 1], corners[:, 0]].transpose(0, 2, 3, 1)
    return _in_batches(network, cells, AGAIN_BATCH).reshape(-1, 5)


def _windows_of(
    level: Level, corners: NDArray[np.int64], told: NDArray[np.float32], least: float
) -> tuple[Boxes, NDArray[np.float64]]:
    """Cells of one level over a logit of ``least`` as boxes in pixels of the picture, thinned out."""
    over = told[:, 0] > least
    corner = corners[over].astype(np.float64)
    # The published cascade counts pixels from one here: a window's first corner is one pixel further.
    cells = np.hstack([corner + 1, corner + CELL])
    boxes = (cells + told[over, 1:5] * (CELL - 1)) / level.scale
    scores = _sigmoid(told[over, 0])
    kept = strongest(boxes, scores, 0.5)
    return boxes[kept], scores[kept]


def _answers(
    network: Network, pictures: Sequence[NDArray[np.uint8]], found: Sequence[Candidates], side: int, batch: int
) -> list[NDArray[np.float32]]:
    """What ``network`` answers for every candidate, [n, channels] a picture."""
    cut = np.concatenate([windows(picture, faces.boxes, side) for picture, faces in zip(pictures, found, strict=True)])
    answers = _in_batches(network, cut, batch)
    return np.split(answers, np.cumsum([len(faces.boxes) for faces in found])[:-1])


def _in_batches(network: Network, cut: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    """The answers [n, ...] for ``cut`` [n, side, side, 3], of which the network takes ``batch`` at a time."""
    padded = np.zeros((len(cut) + -len(cut) % batch, *cut.shape[1:]), np.uint8)
    padded[: len(cut)] = cut
    parts = [network(padded[at : at + batch]) for at in range(0, len(padded), batch)]
    return np.concatenate(parts)[: len(cut)] if parts else np.empty((0, 15), np.float32)


def _points(boxes: Boxes, fractions: NDArray[np.float32]) -> NDArray[np.float64]:
    """O-Net's five points [n, 5, 2] in pixels: fractions of the window, five x then five y."""
    # The published cascade counts from one here, which puts every point 0.8 pixels up and left of its place.
    sides = (boxes[:, 2:] - boxes[:, :2])[:, None, :]
    return boxes[:, None, :2] + fractions.reshape(-1, 2, 5).transpose(0, 2, 1) * sides


def _sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
