"""What the morphable face lacks: skin, brows, lips, eyes, hair, drawn at random onto its vertices. Pure.

Nothing here is meant to be anybody: the networks that learn from it must not lean on colour, so colours run wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.face_model import CLASSES, DRAWN, LEFT_EYE, RIGHT_EYE, FaceModel

Array = NDArray[np.float32]
Colours = NDArray[np.float64]

FAIR, DARK = np.array([0.93, 0.76, 0.66]), np.array([0.28, 0.17, 0.12])
HAIR: Final = np.array(
    [[0.05, 0.04, 0.04], [0.16, 0.10, 0.07], [0.40, 0.27, 0.16], [0.66, 0.52, 0.33], [0.6, 0.6, 0.6]]
)
IRIS: Final = np.array([[0.12, 0.07, 0.04], [0.24, 0.15, 0.09], [0.25, 0.36, 0.42], [0.27, 0.34, 0.22]])


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """``albedo`` [v, 3] 0-1 RGB, ``classes`` [v] of ``CLASSES`` with brows and hair, ``volume`` [v] cm of hair."""

    albedo: Array
    classes: NDArray[np.uint8]
    volume: Array


def smooth_noise(rng: np.random.Generator, places: Array, scale: float, waves: int = 24) -> Array:
    """A random field of about unit variance at ``places`` [v, 3]; ``scale`` is its wavelength in cm."""
    ways = rng.normal(0, 2 * np.pi / scale, (3, waves)).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, waves).astype(np.float32)
    return np.asarray(np.sin(places @ ways + phase).sum(axis=1) * np.sqrt(2 / waves), np.float32)


def draw_paint(rng: np.random.Generator, model: FaceModel) -> Paint:
    """One face's colours by ``rng``."""
    at = model.mean
    dark = rng.beta(1.0, 1.6)
    skin = FAIR * (1 - dark) + DARK * dark + rng.normal(0, 0.03, 3)
    albedo = np.tile(skin, (len(at), 1))
    for scale, depth in ((9.0, 0.05), (3.0, 0.03), (0.8, 0.025)):
        albedo *= 1 + rng.uniform(0.2, 1) * depth * smooth_noise(rng, at, scale)[:, None]
    classes = model.classes.copy()
    hair = HAIR[rng.integers(len(HAIR))] * rng.uniform(0.6, 1.3)
    _blend(albedo, _spot(at, (3.8, 0.0, 9.0), 2.2), skin * (1.15, 0.75, 0.75), rng.uniform(0, 0.5))
    _eye_shade(rng, model, albedo)
    _lips(rng, model, albedo, skin)
    if rng.random() < 0.3:
        _beard(rng, model, albedo, hair)
    _brows(rng, model, albedo, classes, hair)
    volume = _hair(rng, model, albedo, classes, hair)
    _inside(rng, model, albedo)
    _eyes(rng, model, albedo)
    return Paint(np.clip(albedo, 0.01, 1).astype(np.float32), classes, volume)


def base_paint(model: FaceModel) -> Paint:
    """The one skin of the imitator's pictures: fixed, so that a picture depends on the parameters alone."""
    return draw_paint(np.random.default_rng(7), model)


def _spot(at: Array, centre: tuple[float, float, float], radius: float) -> Array:
    """A soft spot on both sides of the face."""
    offset = np.abs(at) * (1, 0, 0) + at * (0, 1, 1) - np.asarray(centre)
    return np.asarray(np.exp(-((offset / radius) ** 2).sum(axis=1)), np.float32)


def _blend(
    albedo: Colours, where: NDArray[np.floating | np.bool_], colour: NDArray[np.floating], strength: float
) -> None:
    weight = (strength * where)[:, None]
    albedo *= 1 - weight
    albedo += weight * colour


def _skin(model: FaceModel) -> NDArray[np.bool_]:
    return model.part == DRAWN.index("face")


def _eye_shade(rng: np.random.Generator, model: FaceModel, albedo: Colours) -> None:
    """Lids darker than the skin, and a line of lashes around each eye."""
    for points in (LEFT_EYE, RIGHT_EYE):
        lids = model.mean[model.landmarks[list(points)]]
        near = np.linalg.norm(model.mean - lids.mean(axis=0), axis=1)
        _blend(albedo, np.exp(-((near / 2.2) ** 2)) * _skin(model), albedo.mean(axis=0) * 0.5, rng.uniform(0, 0.6))
        upper = np.concatenate([lids[:4], (lids[:3] + lids[1:4]) / 2, (lids[:3] * 3 + lids[1:4]) / 4])
        line, close = np.full(len(near), np.inf), near < 4
        line[close] = np.linalg.norm(model.mean[close, None] - upper[None], axis=2).min(axis=1)
        _blend(albedo, (line < rng.uniform(0.1, 0.25)) * _skin(model), np.full(3, 0.04), rng.uniform(0.2, 1))


def _lips(rng: np.random.Generator, model: FaceModel, albedo: Colours, skin: NDArray[np.floating]) -> None:
    lips = np.isin(model.classes, [CLASSES.index("upper_lip"), CLASSES.index("lower_lip")]).astype(np.float32)
    red = np.clip(skin * rng.uniform((0.75, 0.45, 0.45), (1.0, 0.8, 0.85)), 0, 1)
    if rng.random() < 0.2:
        red = np.array([0.6, 0.1, 0.15]) * rng.uniform(0.5, 1.2)
    _blend(albedo, lips, red, rng.uniform(0.4, 1))


def _beard(rng: np.random.Generator, model: FaceModel, albedo: Colours, hair: NDArray[np.floating]) -> None:
    x, y = np.abs(model.mean[:, 0]), model.mean[:, 1]
    lips = np.isin(model.classes, [CLASSES.index("upper_lip"), CLASSES.index("lower_lip"), CLASSES.index("nose")])
    jaw = (y < -4.6 + rng.uniform(-0.5, 0.5)) | ((x > 2.4) & (y < -6 + 0.8 * x))
    moustache = (y < -1.3) & (y > -3) & (x < 3)
    where = (moustache if rng.random() < 0.25 else jaw | moustache) & _skin(model) & ~lips
    grain = 0.75 + 0.25 * smooth_noise(rng, model.mean, 0.6)
    _blend(albedo, np.clip(where * grain, 0, 1), hair, rng.uniform(0.2, 0.9))


def _brows(
    rng: np.random.Generator, model: FaceModel, albedo: Colours, classes: NDArray[np.uint8], hair: NDArray[np.floating]
) -> None:
    """Along the ten brow points: a stroke that thins outwards."""
    strength = rng.uniform(0.3, 1.0)
    for points, side in ((range(17, 22), "R"), (range(22, 27), "L")):
        line = model.mean[model.landmarks[list(points)]]
        inner_first = line[::-1] if side == "R" else line
        steps = np.linspace(0, 4, 25)
        stroke = np.stack([np.interp(steps, range(5), inner_first[:, k]) for k in range(3)], axis=1)
        half = rng.uniform(0.22, 0.5) * np.interp(steps, [0, 1.5, 4], [0.9, 1.0, 0.45])
        near = np.full(len(model.mean), np.inf)
        front = (model.mean[:, 2] > 4) & (np.abs(model.mean[:, 1] - 5) < 3)
        near[front] = (np.linalg.norm(model.mean[front, None] - stroke[None], axis=2) / half).min(axis=1)
        _blend(albedo, np.clip(1.6 - near, 0, 1) * _skin(model), hair * 0.8, strength)
        classes[(near < 1.1) & _skin(model)] = CLASSES.index(f"brow_{side}")


def _hair(
    rng: np.random.Generator, model: FaceModel, albedo: Colours, classes: NDArray[np.uint8], hair: NDArray[np.floating]
) -> Array:
    """Above a line from the forehead to the nape; answers how far it stands off the skull."""
    x, y, z = model.mean.T
    inside = ~np.isin(model.part, [DRAWN.index("face"), DRAWN.index("head_neck")])
    if rng.random() < 0.12:
        return np.zeros(len(x), np.float32)
    line = rng.uniform(7.2, 11.5)
    wave = 0.5 * smooth_noise(rng, model.mean, 4.0)
    above = y - (line - rng.uniform(0.85, 1.2) * (10 - z)) + wave
    above[(y < 6.5) & (z > 6.5)] = -1
    above[(np.abs(x) > 7.6) & (np.abs(z) < 3) & (y < 5) & (rng.random() < 0.6)] = -1
    above[inside] = -1
    strands = 1 + 0.25 * smooth_noise(rng, model.mean * (1, 0.15, 0.4), 0.8)
    where = (above > 0).astype(np.float32)
    _blend(albedo, where, hair * np.clip(strands, 0.4, 1.6)[:, None], 1.0)
    classes[above > 0] = CLASSES.index("hair")
    return np.asarray(np.clip(above * 0.6, 0, rng.uniform(0.3, 3.0)), np.float32)


def _inside(rng: np.random.Generator, model: FaceModel, albedo: Colours) -> None:
    socket = np.isin(model.part, [DRAWN.index(n) for n in ("mouth_socket", "eye_socket_L", "eye_socket_R")])
    deep = np.clip((model.mean[:, 2] - 7) / 3, 0.1, 0.8)
    albedo[socket] = (np.array([0.45, 0.16, 0.15]) * deep[:, None])[socket]
    teeth = model.part == DRAWN.index("teeth")
    albedo[teeth] = np.array([0.85, 0.80, 0.70]) * rng.uniform(0.6, 1.1)
    gum = teeth & ((model.mean[:, 1] > -1.9) | (model.mean[:, 1] < -4.6))
    albedo[gum] = np.array([0.6, 0.3, 0.3])
    albedo[teeth] *= np.clip((model.mean[:, 2] - 6) / 4, 0.2, 1)[teeth, None]


def _eyes(rng: np.random.Generator, model: FaceModel, albedo: Colours) -> None:
    ball = np.isin(model.part, [DRAWN.index("sclera_L"), DRAWN.index("sclera_R")])
    albedo[ball] = np.array([0.8, 0.77, 0.75]) * rng.uniform(0.75, 1.1)
    albedo[model.eye == 2] = IRIS[rng.integers(len(IRIS))] * rng.uniform(0.6, 1.4)
    albedo[model.eye == 3] = 0.02
