"""Crops for the landmark refiner, cut from labelled regions as a detector that errs would cut them.

Half are upright squares around a shaken box, half are aligned by shaken points: the network meets both,
because it is run on both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.nets.refiner import DEGREES, FIELD, OUTPUTS, SHAPE, SIDE, points_matrix
from training.data import regions

MIRRORED: Final = [1, 0, 2, 4, 3]
"""Where each of the five points goes when left and right change places."""
UNIT: Final = regions.SIDE / regions.ROOM
"""Pixels of a region that the box's mean side measures."""


@dataclass(frozen=True, slots=True)
class Shake:
    """How a detector's box lies beside the label's, in units of the label's mean side.

    ``shift`` and ``zoom`` (of the logarithm) are standard deviations, half more than MTCNN's were measured on
    670 training pictures with side views oversampled (0.035 and 0.055); ``down`` and ``size`` are its means.
    ``degrees`` turns the square, ``points`` shakes the points that align a crop. A part ``far`` of the squares is
    shaken 2.5 times as much: at profile a detector may frame the ear's side, and a raised head lies in its box.
    """

    shift: float = 0.055
    zoom: float = 0.085
    down: float = -0.01
    size: float = 0.96
    degrees: float = 10.0
    points: float = 0.03
    far: float = 0.25


def shaken_box(rng: np.random.Generator, shake: Shake) -> NDArray[np.float64]:
    """Region to crop [2, 3]: the square of a detector that errs, a little turned besides."""
    much = 2.5 if rng.random() < shake.far else 1.0
    scale = SIDE / (FIELD * UNIT * shake.size * np.exp(rng.normal(0, much * shake.zoom)))
    angle = np.radians(rng.normal(0, much * shake.degrees))
    centre = regions.SIDE / 2 + UNIT * (np.array([0, shake.down]) + rng.normal(0, much * shake.shift, 2))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, SIDE / 2 - turn @ centre])


def shaken_points(rng: np.random.Generator, points: NDArray[np.float32], shake: Shake) -> NDArray[np.float64]:
    """Region to crop [2, 3], aligned by ``points`` [5, 2] that each err and err together."""
    error = rng.normal(0, shake.points, (5, 2)) + rng.normal(0, shake.points, 2)
    return points_matrix(points + UNIT * error)


def missed(rng: np.random.Generator) -> NDArray[np.float64]:
    """Region to crop [2, 3]: a square that overlaps the face's own by less than 0.3 of their union."""
    while True:
        size, centre = np.exp(rng.uniform(np.log(0.25), np.log(1.6))), rng.uniform(-0.9, 0.9, 2)
        shared = np.clip((size + 1) / 2 - np.abs(centre), 0, min(size, 1)).prod()
        if shared / (size**2 + 1 - shared) < 0.3:
            break
    scale = SIDE / (FIELD * UNIT * size)
    return np.column_stack([scale * np.eye(2), SIDE / 2 - scale * (regions.SIDE / 2 + UNIT * centre)])


def sample(
    rng: np.random.Generator,
    pixels: NDArray[np.uint8],
    points: NDArray[np.float32],
    pose: NDArray[np.float32],
    shake: Shake,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """One training pair: crop [SIDE, SIDE, 3] and target [OUTPUTS] in the network's units.

    The last target is 1, or 0 where the crop misses the face; the others mean nothing then.
    """
    face = rng.random() < 0.9
    matrix = missed(rng)
    if face:
        matrix = shaken_box(rng, shake) if rng.random() < 0.5 else shaken_points(rng, points, shake)
    crop: NDArray[Any] = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    placed = points @ matrix[:, :2].T + matrix[:, 2]
    yaw, pitch, roll = (float(v) for v in pose)
    roll += float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
    if rng.random() < 0.5:
        crop = np.ascontiguousarray(crop[:, ::-1])
        placed = placed[MIRRORED] * [-1, 1] + [SIDE - 1, 0]
        yaw, roll = -yaw, -roll
    target = np.empty(OUTPUTS, np.float32)
    target[:10] = (placed / SIDE - SHAPE).ravel()
    target[10:13] = np.array([yaw, pitch, roll]) / DEGREES
    target[13] = face
    return spoiled(rng, crop), target


def negative(rng: np.random.Generator, pixels: NDArray[np.uint8], shake: Shake) -> NDArray[np.uint8]:
    """A crop [SIDE, SIDE, 3] of a region that holds no whole face: its target is a score of 0."""
    crop: NDArray[Any] = cv2.warpAffine(pixels, shaken_box(rng, shake), (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return spoiled(rng, crop if rng.random() < 0.5 else np.ascontiguousarray(crop[:, ::-1]))


def spoiled(rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``crop`` as a poor camera, a hand or the picture's edge leaves it. Changes no geometry."""
    image: NDArray[Any] = crop  # OpenCV's own types name no dtype
    if rng.random() < 0.2:
        low = int(rng.integers(16, 40))
        image = cv2.resize(cv2.resize(image, (low, low), interpolation=cv2.INTER_AREA), (SIDE, SIDE))
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.2:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < 0.8:
        gain = rng.uniform(0.55, 1.5) * rng.uniform(0.88, 1.12, 3)
        level = np.arange(256)[:, None] / 255.0
        curve = np.clip((level ** rng.uniform(0.7, 1.4)) * gain + rng.uniform(-0.12, 0.12), 0, 1)
        image = cv2.LUT(image, np.ascontiguousarray((curve * 255).astype(np.uint8)[None]))
    if rng.random() < 0.25:
        wide, high = rng.integers(6, 28, 2)
        x, y = rng.integers(0, SIDE - wide), rng.integers(0, SIDE - high)
        image[y : y + high, x : x + wide] = rng.integers(0, 256, 3)
    if rng.random() < 0.15:
        turned = np.rot90(image, int(rng.integers(4)))
        turned[: rng.integers(2, 14)] = 0
    if rng.random() < 0.15:
        image = np.clip(image + rng.normal(0, rng.uniform(2, 12), image.shape), 0, 255)
    return np.ascontiguousarray(image, np.uint8)
