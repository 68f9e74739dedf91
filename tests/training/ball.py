"""A ball with a nose that stands for the morphable face, which is not ours to keep here."""

from __future__ import annotations

import numpy as np

from app.face.action_units import UNITS
from training.face_model import CLASSES, DRAWN, FACE_LOOKS, IDENTITY, REGIONS, FaceModel

ROWS, COLUMNS = 24, 48
RADIUS = 8.0


def ball() -> FaceModel:
    """One skin with the 68 points where a face has them; modes are smooth waves, nothing more."""
    up, around = np.meshgrid(np.linspace(-1.5, 1.5, ROWS), np.linspace(-np.pi, np.pi, COLUMNS), indexing="ij")
    at = RADIUS * np.stack([np.cos(up) * np.sin(around), np.sin(up), np.cos(up) * np.cos(around)], axis=-1).reshape(
        -1, 3
    )
    cell = np.arange((ROWS - 1) * COLUMNS).reshape(ROWS - 1, COLUMNS)[:, :-1].ravel()
    corners = np.stack([cell, cell + 1, cell + COLUMNS, cell + COLUMNS + 1], axis=1)
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [1, 3, 2]]])
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.5, (IDENTITY + len(UNITS) + len(FACE_LOOKS), 3))
    amount = rng.normal(0, 0.15, (len(wave), 1, 3))
    modes = amount * np.sin(wave @ at.T)[:, :, None]
    return FaceModel(
        mean=at.astype(np.float32),
        identity=modes[:IDENTITY].astype(np.float32),
        units=modes[IDENTITY : IDENTITY + len(UNITS)].astype(np.float32),
        others=modes[IDENTITY + len(UNITS) :].astype(np.float32),
        other_names=FACE_LOOKS,
        triangles=triangles.astype(np.int32),
        classes=np.full(len(at), CLASSES.index("face"), np.uint8),
        landmarks=np.array([_nearest(at, x, y) for x, y in _points()], np.int32),
        regions=np.ones((len(at), REGIONS), np.float32),
        part=np.full(len(at), DRAWN.index("face"), np.uint8),
        eye=np.zeros(len(at), np.uint8),
    )


def _points() -> list[tuple[float, float]]:
    """x (to the subject's left) and y (up) of the 68."""

    def along(xs: tuple[float, float], ys: tuple[float, float], count: int) -> list[tuple[float, float]]:
        return list(zip(np.linspace(*xs, count), np.linspace(*ys, count), strict=True))

    jaw = [(7 * np.sin(a), -6 * np.cos(a)) for a in np.linspace(-1.4, 1.4, 17)]
    eyes = [(side * 3.2 + 1.2 * np.cos(a), 2.5 + 0.6 * np.sin(a)) for side in (-1, 1) for a in np.arange(6) * np.pi / 3]
    mouth = [(-2.2 * np.cos(a), -4 + np.sin(a)) for a in np.arange(12) * np.pi / 6]
    inner = [(-1.6 * np.cos(a), -4 + 0.5 * np.sin(a)) for a in np.arange(8) * np.pi / 4]
    brows = along((-5, -1.5), (4.5, 4.5), 5) + along((1.5, 5), (4.5, 4.5), 5)
    return jaw + brows + along((0, 0), (3, 0), 4) + along((-1, 1), (-0.8, -0.8), 5) + eyes + mouth + inner


def _nearest(at: np.ndarray, x: float, y: float) -> int:
    return int(np.argmin((at[:, 0] - x) ** 2 + (at[:, 1] - y) ** 2 + 100 * (at[:, 2] < 0)))
