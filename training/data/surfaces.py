"""What things that cover faces are made of: colours float32 [size, size, 3] 0-255, from random numbers."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.cover import Floats, Pixels


def shaded(colour: Floats, rng: np.random.Generator) -> Floats:
    """Light from one side, and a little noise."""
    size = colour.shape[0]
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    across, along = rng.uniform(-0.2, 0.2, 2).astype(np.float32)
    light = 1 + across * ramp[None, :] + along * ramp[:, None]
    noise = rng.standard_normal((size, size, 1), dtype=np.float32) * float(rng.uniform(0, 5))
    return np.clip(colour * light[..., None] + noise, 0, 255)


def plain(size: int, rng: np.random.Generator) -> Floats:
    """One colour all over, about as often nearly grey as not."""
    grey = rng.uniform(0, 255)
    colour = np.full(3, grey) + rng.normal(0, 5, 3) if rng.random() < 0.5 else rng.uniform(0, 255, 3)
    return np.broadcast_to(np.clip(colour, 0, 255).astype(np.float32), (size, size, 3)).copy()


def _striped(size: int, rng: np.random.Generator) -> Floats:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), rng.uniform(3, 18)
    wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / period)[..., None]
    return np.where(wave > rng.uniform(-0.6, 0.6), plain(size, rng), plain(size, rng))


def _noisy(size: int, rng: np.random.Generator) -> Floats:
    coarse = rng.uniform(0, 255, (int(rng.integers(3, 24)),) * 2 + (3,)).astype(np.float32)
    return np.asarray(np.clip(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), 0, 255), np.float32)


def _photographed(other: Pixels, rng: np.random.Generator) -> Floats:
    """A part of another picture, turned upside down half of the time so that it is no face."""
    size = other.shape[0]
    part = int(rng.integers(size // 4, size))
    top, left = rng.integers(0, size - part + 1, 2)
    piece = other[top : top + part, left : left + part]
    return np.asarray(cv2.resize(piece[::-1] if rng.random() < 0.5 else piece, (size, size)), np.float32)


def surface(other: Pixels, rng: np.random.Generator) -> Floats:
    """The surface of training objects: plain, striped or blotched, or a part of ``other``, a crop of the same size."""
    size, kind = other.shape[0], rng.random()
    if kind < 0.5:
        return shaded(plain(size, rng), rng)
    if kind < 0.7:
        return shaded(_striped(size, rng), rng)
    return shaded(_noisy(size, rng) if kind < 0.85 else _photographed(other, rng), rng)


def checked(other: Pixels, rng: np.random.Generator) -> Floats:
    """The surface of test objects: checks, dots and plain colours brighter in the middle."""
    size = other.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    period, kind = rng.uniform(5, 16), rng.random()
    if kind < 0.3:
        there = ((x // period + y // period) % 2)[..., None] > 0
    elif kind < 0.5:
        there = (np.hypot(x % period - period / 2, y % period - period / 2) < period / 3)[..., None]
    else:
        glow = 1 - 0.4 * np.hypot(x - size / 2, y - size / 2)[..., None] / size
        return np.asarray(plain(size, rng) * glow, np.float32)
    return np.asarray(np.where(there, plain(size, rng), plain(size, rng)), np.float32)
