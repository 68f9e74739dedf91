"""Near infrared, simulated from an aligned colour crop: for want of real pairs, and never to be taken for them.

What is imitated, each by one or two numbers of ``Camera``: skin reflects more at 850 nm than in visible light and
shows less of itself (pigment, redness, stubble); hair and dark irises, whose melanin absorbs less there, brighten;
the lamps sit at the camera, so light falls off towards the sides of the face and behind it, and each pupil holds a
glint; the sensor counts few photons; there is no colour. What is not: eyeglasses that reflect, veins, materials
whose colour changes, blooming, the camera's own sharpening, compression.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.align import CROP_SIZE, TEMPLATE

Range = tuple[float, float]

SKIN_CHROMA: Final = (152.0, 106.0)
"""Cr and Cb about which skin of any tone lies; its lightness varies, its chroma little."""
CHROMA_SPREAD: Final = 18.0
BRIGHT: Final = 0.45
"""What skin of any tone reflects at 850 nm, about."""
DARK: Final = 0.02
"""Light in which contrast is no longer seen."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Ranges that every picture draws from. Intensities are 0-1.

    ``red``: share of the red channel in the grey one. ``skin``: how far skin of any tone comes to one lightness,
    ``detail``: share of its fine contrast that is left. ``hair``, ``iris``: what dark ones reflect more.
    ``falloff``: light lost at the side of the face, ``background``: share of it left behind the face, ``aside``:
    pixels of the 112-pixel crop by which the lamps lie beside its middle. ``gain``: exposure. ``blur``: sigma in
    pixels. ``photons``: counted at white in a pixel.
    """

    red: Range
    skin: Range
    detail: Range
    hair: Range
    iris: Range
    falloff: Range
    background: Range
    aside: Range
    gain: Range
    blur: Range
    photons: Range


TRAINING: Final = Camera(
    red=(0.45, 0.75),
    skin=(0.10, 0.50),
    detail=(0.65, 1.00),
    hair=(0.00, 0.12),
    iris=(0.00, 0.07),
    falloff=(0.05, 0.35),
    background=(0.40, 0.90),
    aside=(0.0, 8.0),
    gain=(0.85, 1.25),
    blur=(0.20, 0.70),
    photons=(500.0, 5000.0),
)
TEST: Final = Camera(
    red=(0.76, 0.90),
    skin=(0.51, 0.70),
    detail=(0.50, 0.64),
    hair=(0.13, 0.20),
    iris=(0.08, 0.12),
    falloff=(0.36, 0.50),
    background=(0.25, 0.39),
    aside=(8.1, 12.0),
    gain=(0.70, 0.84),
    blur=(0.71, 0.90),
    photons=(250.0, 499.0),
)
"""No number of it lies in a range of ``TRAINING``: in all eleven it is another camera, and a worse one."""


def disjoint(one: Camera, other: Camera) -> bool:
    """Whether no range of the two overlaps."""
    pairs = ((getattr(one, field.name), getattr(other, field.name)) for field in fields(Camera))
    return all(a[1] < b[0] or b[1] < a[0] for a, b in pairs)


def grey(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The visible picture without its colour, [h, w, 3]."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def near_infrared(crop: NDArray[np.uint8], camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The aligned crop uint8 [112, 112, 3] RGB as such a camera might see it at night.

    The same shape; its three channels are equal.
    """
    drawn = {field.name: rng.uniform(*getattr(camera, field.name)) for field in fields(Camera)}
    drawn["photons"] = float(np.exp(rng.uniform(*np.log(camera.photons))))
    linear = _reflected(crop, drawn["red"])
    skin = _skin(crop)
    # Shading stays, as a factor; pigment, the fine contrast of skin, goes. So brows, lashes and nostrils stay dark.
    smooth = np.asarray(cv2.GaussianBlur(linear, (0, 0), 4.0), np.float32)
    linear = linear * ((linear + DARK) / (smooth + DARK)) ** (skin * (drawn["detail"] - 1))
    tone = float((linear * skin).sum() / max(float(skin.sum()), 1.0))
    linear *= max((BRIGHT / max(tone, DARK)) ** drawn["skin"], 1.0) ** skin
    linear += (1 - skin) * (1 - linear) ** 6 * drawn["hair"]
    linear += _EYES * (1 - linear) ** 6 * drawn["iris"]
    linear *= _light(drawn, rng) * drawn["gain"]
    linear = np.asarray(cv2.GaussianBlur(linear, (0, 0), drawn["blur"]), np.float32)
    glint = _GLINT * rng.uniform(0.2, 0.7)
    linear = np.clip(linear + glint, 0, 1)
    # Shot noise: a count of photons, close to a Gaussian of the same variance at these counts.
    linear += rng.standard_normal(linear.shape, np.float32) * np.sqrt(np.maximum(linear, 0.002) / drawn["photons"])
    seen = (np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    return np.repeat(seen[:, :, None], 3, axis=2)


def _reflected(crop: NDArray[np.uint8], red: float) -> NDArray[np.float32]:
    """A grey picture in linear light that leans on the red channel, the nearest to infrared."""
    rest = (1 - red) / 2
    mixed = crop.astype(np.float32) @ np.array([red, rest, rest], np.float32) / 255
    return np.asarray(mixed**2.2, np.float32)


def _skin(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How surely a pixel is skin, 0-1: by its chroma, and by where it lies (all there is in a grey picture)."""
    colours = cv2.cvtColor(cv2.GaussianBlur(crop, (0, 0), 1.5), cv2.COLOR_RGB2YCrCb).astype(np.float32)
    away = (colours[:, :, 1] - SKIN_CHROMA[0]) ** 2 + (colours[:, :, 2] - SKIN_CHROMA[1]) ** 2
    lit = np.clip((colours[:, :, 0] - 30) / 40, 0, 1)  # brows and pupils have skin's chroma and none of its light
    return np.asarray(_FACE * lit * (0.3 + 0.7 * np.exp(-away / (2 * CHROMA_SPREAD**2))), np.float32)


def _light(drawn: dict[str, float], rng: np.random.Generator) -> NDArray[np.float32]:
    """The lamps' light on each pixel: full in front, less at the sides of the face, little behind it."""
    turn = rng.uniform(0, 2 * np.pi)
    x0, y0 = 56 + drawn["aside"] * np.cos(turn), 62 + 0.5 * drawn["aside"] * np.sin(turn)
    off = ((_X - x0) / 46) ** 2 + ((_Y - y0) / 60) ** 2
    on_face = 1 - drawn["falloff"] * np.minimum(off, 1.5)
    return np.asarray(_FACE * on_face + (1 - _FACE) * on_face * drawn["background"], np.float32)


_Y, _X = np.mgrid[0:CROP_SIZE, 0:CROP_SIZE].astype(np.float32)


def _spots(radius: float) -> NDArray[np.float32]:
    """A soft disc on each eye of the template."""
    eyes = [np.exp(-((_X - x) ** 2 + (_Y - y) ** 2) / (2 * radius**2)) for x, y in TEMPLATE[:2]]
    return np.asarray(np.maximum(*eyes), np.float32)


_FACE: Final = np.asarray(1 / (1 + np.exp(6 * (((_X - 56) / 47) ** 2 + ((_Y - 66) / 62) ** 2 - 1))), np.float32)
"""Where the aligned face lies, 0-1, with a soft edge."""
_EYES: Final = _spots(2.2)
_GLINT: Final = _spots(0.8)
