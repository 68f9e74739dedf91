"""What a made-up camera shows: photographs before a wall, as the motion JPEG that Chromium plays in a loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.decode import decode
from tests.doubles import encode

WIDTH, HEIGHT = 640, 480
RATE = 30
"""Frames a second: Chromium plays every motion JPEG so."""
WALL = (165, 160, 150)
PAPER = (245, 245, 242)


def photograph(path: Path, mirrored: bool = False) -> NDArray[np.uint8]:
    """uint8 [h, w, 3] RGB."""
    image = decode(path.read_bytes())
    return np.ascontiguousarray(image[:, ::-1]) if mirrored else image


def visitor(image: NDArray[np.uint8], side: int = 330) -> NDArray[np.uint8]:
    """Somebody before a wall, ``side`` pixels high or wide, uint8 [480, 640, 3]."""
    light = np.linspace(1.08, 0.82, HEIGHT)[:, None, None]
    scene = np.clip(np.full((HEIGHT, WIDTH, 3), WALL) * light, 0, 255).astype(np.uint8)
    image = _scaled(image, side / max(image.shape[:2]))
    height, width = image.shape[:2]
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    scene[top : top + height, left : left + width] = image
    return scene


def close_up(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An upright photograph as high as all that the camera sees, uint8 [480, 640, 3]: no edge of it shows, its own
    background goes on out of focus."""
    wide = _scaled(image, max(WIDTH / image.shape[1], HEIGHT / image.shape[0]))
    top, left = (wide.shape[0] - HEIGHT) // 2, (wide.shape[1] - WIDTH) // 2
    scene = cv2.GaussianBlur(wide[top : top + HEIGHT, left : left + WIDTH], (0, 0), 25)
    image = _scaled(image, HEIGHT / image.shape[0])[:, :WIDTH]
    width = image.shape[1]
    left, soft = (WIDTH - width) // 2, width // 8
    share = np.zeros((HEIGHT, width, 1), np.float32)
    share[:, soft:-soft] = 1
    share = cv2.GaussianBlur(share, (0, 0), soft / 2)[..., None]
    scene[:, left : left + width] = share * image + (1 - share) * scene[:, left : left + width]
    return np.asarray(scene, np.uint8)


def printed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photograph on a sheet with a white edge, held before a wall, uint8 [480, 640, 3]."""
    edge = round(0.05 * max(image.shape[:2]))
    return visitor(np.asarray(cv2.copyMakeBorder(image, *(edge,) * 4, cv2.BORDER_CONSTANT, value=PAPER), np.uint8), 290)


class Film:
    """The file that the camera plays. A camera that is opened after ``show`` sees the new scenes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def show(self, *scenes: NDArray[np.uint8], seconds: float = 0.1) -> None:
        """Each of ``scenes`` for so long, over and over."""
        shots = [encode(scene, "JPEG", quality=92) * max(1, round(RATE * seconds)) for scene in scenes]
        fresh = self.path.with_suffix(".next")
        fresh.write_bytes(b"".join(shots))
        # A camera that still plays the old file keeps it.
        fresh.replace(self.path)


def turns(front: NDArray[np.uint8], left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Sequence[NDArray[np.uint8]]:
    """The scenes of somebody who follows a guided registration."""
    return [visitor(image) for image in (front, left, right)]


def _scaled(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
