"""What happens to a crop on its way into training: the door's cameras, imitated.

Works on the 128-pixel crops of ``training.data.crops``, whose eight spare pixels a side are for jitter.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.align import CROP_SIZE


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Probabilities 0-1 of each change, and the half-ranges of the jitter (pixels, fraction, degrees).

    ``squeeze`` is the half-range of the width alone, as a fraction: a head turned further shows less of it.
    ``blend`` is how often another picture of the batch shines through (``blended``), for teachers that are asked
    about the result.
    """

    flip: float = 0.5
    shift: float = 3.0
    scale: float = 0.05
    turn: float = 4.0
    colour: float = 0.6
    grey: float = 0.08
    blur: float = 0.1
    low_resolution: float = 0.12
    jpeg: float = 0.12
    noise: float = 0.08
    cover: float = 0.1
    squeeze: float = 0.0
    blend: float = 0.0


PLAIN = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""Nothing but the centre crop."""


def augment(
    crop: NDArray[np.uint8], how: Augmentation, rng: np.random.Generator, flip: bool | None = None
) -> tuple[NDArray[np.uint8], bool]:
    """A changed [112, 112, 3] from a [128, 128, 3] crop, and whether it was mirrored (yaw then changes sign)."""
    mirrored = bool(rng.random() < how.flip) if flip is None else flip
    x = _jitter(crop, how, rng, mirrored)
    chance = rng.random(7)
    if chance[0] < how.cover:
        _cover(x, rng)
    if chance[1] < how.colour:
        x = _colour(x, rng)
    if chance[2] < how.grey:
        x = _pixels(cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    if chance[3] < how.low_resolution:
        side = int(rng.integers(24, 80))
        small = cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA)
        x = _pixels(cv2.resize(small, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR))
    if chance[4] < how.blur:
        x = _pixels(cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.5, 2.0))))
    if chance[5] < how.noise:
        noisy = x + rng.standard_normal(x.shape, dtype=np.float32) * float(rng.uniform(2, 12))
        x = np.clip(noisy, 0, 255).astype(np.uint8)
    if chance[6] < how.jpeg:
        _, coded = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
        x = _pixels(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return x, mirrored


def blended(
    crops: NDArray[np.uint8], chance: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """``crops`` [n, s, s, 3] with the one before shining through some, by up to a half; and through which [n].

    Whoever labels such a picture has to look at it (mixup, Zhang et al. 2018, as Beyer et al. 2022 use it).
    """
    through = rng.random(len(crops)) < chance
    share = np.where(through, rng.uniform(0, 0.5, len(crops)), 0).astype(np.float32)[:, None, None, None]
    mixed = crops + share * (np.roll(crops, 1, axis=0).astype(np.float32) - crops)
    return np.where(share > 0, np.rint(mixed), crops).astype(np.uint8), through


def _pixels(x: object) -> NDArray[np.uint8]:
    return np.asarray(x, np.uint8)


def _jitter(crop: NDArray[np.uint8], how: Augmentation, rng: np.random.Generator, mirrored: bool) -> NDArray[np.uint8]:
    side = crop.shape[0]
    if not (how.shift or how.scale or how.turn or how.squeeze):
        edge = (side - CROP_SIZE) // 2
        centre = crop[edge : edge + CROP_SIZE, edge : edge + CROP_SIZE]
        return np.ascontiguousarray(centre[:, ::-1] if mirrored else centre)
    dx, dy, grow, turn, wide = rng.uniform(-1, 1, 5)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), turn * how.turn, 1 + grow * how.scale)
    matrix[0] *= 1 + wide * how.squeeze
    matrix[0, 2] -= side / 2 * wide * how.squeeze
    matrix[:, 2] += np.array([dx, dy]) * how.shift - (side - CROP_SIZE) / 2
    if mirrored:
        matrix[0] *= -1
        matrix[0, 2] += CROP_SIZE - 1
    warped = cv2.warpAffine(
        crop, matrix, (CROP_SIZE, CROP_SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _colour(x: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gain, offset and gamma a channel, mostly shared: light, exposure and white balance."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    gamma = float(np.exp(rng.uniform(-0.4, 0.4)))
    gain = float(np.exp(rng.uniform(-0.35, 0.35))) * np.exp(rng.uniform(-0.08, 0.08, 3)).astype(np.float32)
    table = ramp**gamma * gain + float(rng.uniform(-0.08, 0.08))
    return np.asarray(cv2.LUT(x, (np.clip(table, 0, 1) * 255).astype(np.uint8)[None]), np.uint8)


def _cover(x: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """One rectangle of one colour or of noise, a tenth to a half of the side."""
    high, wide = rng.integers(CROP_SIZE // 10, CROP_SIZE // 2, 2)
    top, left = rng.integers(0, CROP_SIZE - high), rng.integers(0, CROP_SIZE - wide)
    fill = rng.integers(0, 256, (int(high), int(wide), 3) if rng.random() < 0.3 else (1, 1, 3))
    x[top : top + high, left : left + wide] = fill
