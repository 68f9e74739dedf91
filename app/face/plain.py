"""MTCNN as published: one scale at a time, one window at a time, torch eager. The yardstick of tests and bench.

It follows the package mtcnn 1.0.0 step by step (its resampling, its rounding, its pixel counting), shares
nothing with ``app.face.detect`` but the networks and the arithmetic on boxes, and is not served.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor

from app.face.boxes import Boxes, moved, squared, strongest
from app.face.nets.mtcnn import CELL, STRIDE, ONet, PNet, RNet

Networks = tuple[PNet, RNet, ONet]


def detect_plainly(
    networks: Networks,
    picture: NDArray[np.uint8],
    min_face: int = 20,
    factor: float = 0.709,
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8),
) -> NDArray[np.float64]:
    """Faces of ``picture`` [h, w, 3] as [n, 15]: box (4), score, five x, five y; best first."""
    pnet, rnet, onet = networks
    normal = ((picture.astype(np.float32) - 127.5) / 128).astype(np.float32)
    with torch.inference_mode():
        boxes, scores = _propose(pnet, normal, min_face, factor, thresholds[0])
        answers = _ask(rnet, normal, boxes, RNet.side)
        scores = _sigmoid(answers[:, 0])
        boxes = moved(boxes, answers[:, 1:5])
        over = scores > thresholds[1]
        boxes, scores = boxes[over], scores[over]
        kept = strongest(boxes, scores, 0.7)
        boxes = squared(boxes[kept])
        answers = _ask(onet, normal, boxes, ONet.side)
    scores = _sigmoid(answers[:, 0])
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    points = answers[:, 5:15].reshape(-1, 2, 5) * sides[:, :, None] + boxes[:, :2, None] - 1
    rows = np.hstack([moved(boxes, answers[:, 1:5]), scores[:, None], points.reshape(-1, 10)])[scores > thresholds[2]]
    return rows[strongest(rows[:, :4], rows[:, 4], 0.7, "smaller")]


def _propose(
    pnet: PNet, normal: NDArray[np.float32], min_face: int, factor: float, threshold: float
) -> tuple[Boxes, NDArray[np.float64]]:
    height, width = normal.shape[:2]
    count = round(-(np.log(min(height, width) / CELL) / np.log(factor) + 1))
    found = [(np.empty((0, 4)), np.empty(0))]
    for scale in CELL / min_face * factor ** np.arange(count):
        size = int(width * scale), int(height * scale)
        if min(size) < CELL:
            break
        level = np.asarray(cv2.resize(normal, size, interpolation=cv2.INTER_AREA), np.float32)
        answer = pnet(_raw(torch.from_numpy(level).permute(2, 0, 1)[None]))[0].numpy()
        scores = _sigmoid(answer[0])
        rows, columns = np.nonzero(scores > threshold)
        corner = np.stack([columns, rows], axis=1) * STRIDE
        cells = np.hstack([corner + 1, corner + CELL])
        boxes = (cells + answer[1:5, rows, columns].T * (CELL - 1)) / scale
        kept = strongest(boxes, scores[rows, columns], 0.5)
        found.append((boxes[kept], scores[rows, columns][kept]))
    boxes, best = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
    kept = strongest(boxes, best, 0.7)
    return squared(boxes[kept]), best[kept]


def _ask(network: RNet | ONet, normal: NDArray[np.float32], boxes: Boxes, side: int) -> NDArray[np.float64]:
    """The network's answers [n, channels] for windows cut one by one from the full picture, without averaging."""
    if not len(boxes):
        return np.empty((0, 15))
    planes = torch.from_numpy(normal).permute(2, 0, 1)[None]
    height, width = normal.shape[:2]
    steps = torch.linspace(0, 1, side, dtype=torch.float64)
    cut = []
    for x0, y0, x1, y1 in boxes:
        # The edges fall on the centres of the outer pixels (TensorFlow's crop_and_resize).
        across = 2 * (x0 + steps * (x1 - x0)) / width - 1
        down = 2 * (y0 + steps * (y1 - y0)) / height - 1
        grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1).float()[None]
        cut.append(nnf.grid_sample(planes, grid, align_corners=True))
    return network(_raw(torch.cat(cut))).numpy().astype(np.float64)


def _raw(normal: Tensor) -> Tensor:
    """Back to 0-255, which is what our networks take."""
    return normal * 128 + 127.5


def _sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))
