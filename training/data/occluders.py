"""Things that cover faces, painted on aligned crops, with the exact pixels that they cover.

Procedural ones are drawn from random numbers; face masks are also cut from template pictures with alpha where a
folder of them is given (``masks.cfg`` and its PNG files, six anchor points each, as the MaskTheFace project lays
them out). Those of ``TRAIN`` and of ``TEST`` are different things, so that a test shows what was never painted in
training.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

FINE: Final = 3
"""Binary digits of a pixel's fraction in which outlines are given to the rasteriser."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A face's own axes in its crop: the eyes' middle is the origin, ``side`` points right, ``down`` to the mouth.

    One unit of ``side`` is the distance of the eyes of a face seen from the front, one of ``down`` that from the
    eyes to the mouth. ``lean`` is how far the nose stands to the right of the middle, in units of ``side``: a
    turned head. ``size`` is the crop's side in pixels.
    """

    origin: NDArray[np.float64]
    side: NDArray[np.float64]
    down: NDArray[np.float64]
    lean: float
    size: int

    def at(self, points: Sequence[tuple[float, float]] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Pixels [n, 2] of points given in units of ``side`` and ``down``."""
        p = np.asarray(points, np.float64)
        return np.asarray(self.origin + p[:, :1] * self.side + p[:, 1:] * self.down)


def frame_of(points: NDArray[np.floating], size: int = 112) -> Frame:
    """From the five points [5, 2] of a crop, ordered as ``Detection`` orders them."""
    p = np.asarray(points, np.float64)
    eyes, mouth = p[:2].mean(axis=0), p[3:].mean(axis=0)
    down = mouth - eyes
    length = float(np.hypot(*down)) or 1.0
    right = np.array([down[1], -down[0]]) / length
    unit = max(float(np.hypot(*(p[1] - p[0]))), 0.8 * length)
    return Frame(eyes, right * unit, down, float((p[2] - (eyes + 0.5 * down)) @ right) / unit, size)


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """``alpha`` float32 [size, size] 0-1, ``colour`` float32 [size, size, 3] 0-255; ``is_mask``: a face mask."""

    alpha: Floats
    colour: Floats
    is_mask: bool = False


def paint(crop: Pixels, cover: Cover) -> tuple[Pixels, NDArray[np.bool_]]:
    """The crop with the cover on it, and the pixels [size, size] that no longer show the face."""
    alpha = cover.alpha[..., None]
    return (crop * (1 - alpha) + cover.colour * alpha).astype(np.uint8), cover.alpha > 0.5


Occluder = Callable[[Frame, Pixels, np.random.Generator], Cover]
"""``Pixels`` is another picture's crop, of which a texture may be made."""


# --- surfaces -------------------------------------------------------------------------------------


def _shaded(colour: Floats, rng: np.random.Generator) -> Floats:
    """Light from one side, and a little noise."""
    size = colour.shape[0]
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    across, along = rng.uniform(-0.2, 0.2, 2).astype(np.float32)
    light = 1 + across * ramp[None, :] + along * ramp[:, None]
    noise = rng.standard_normal((size, size, 1), dtype=np.float32) * float(rng.uniform(0, 5))
    return np.clip(colour * light[..., None] + noise, 0, 255)


def _plain(size: int, rng: np.random.Generator) -> Floats:
    grey = rng.uniform(0, 255)
    colour = np.full(3, grey) + rng.normal(0, 5, 3) if rng.random() < 0.5 else rng.uniform(0, 255, 3)
    return np.broadcast_to(np.clip(colour, 0, 255).astype(np.float32), (size, size, 3)).copy()


def _striped(size: int, rng: np.random.Generator) -> Floats:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), rng.uniform(3, 18)
    wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / period)[..., None]
    return np.where(wave > rng.uniform(-0.6, 0.6), _plain(size, rng), _plain(size, rng))


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


def _surface(other: Pixels, rng: np.random.Generator) -> Floats:
    size, kind = other.shape[0], rng.random()
    if kind < 0.5:
        return _shaded(_plain(size, rng), rng)
    if kind < 0.7:
        return _shaded(_striped(size, rng), rng)
    return _shaded(_noisy(size, rng) if kind < 0.85 else _photographed(other, rng), rng)


def _checked(other: Pixels, rng: np.random.Generator) -> Floats:
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
        return np.asarray(_plain(size, rng) * glow, np.float32)
    return np.asarray(np.where(there, _plain(size, rng), _plain(size, rng)), np.float32)


# --- outlines -------------------------------------------------------------------------------------


def _filled(outlines: Sequence[NDArray[np.floating]], size: int, soft: float = 0.6) -> Floats:
    alpha = np.zeros((size, size), np.uint8)
    for outline in outlines:
        points = np.clip(outline, -4 * size, 4 * size) * 2**FINE
        cv2.fillPoly(alpha, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA, FINE)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), soft) / 255, np.float32)


def _ellipse(x: float, y: float, wide: float, high: float, turn: float = 0.0, power: float = 2.0) -> Floats:
    """An outline [n, 2]; ``power`` above 2 squares it."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    px, py = wide * np.sign(c) * np.abs(c) ** (2 / power), high * np.sign(s) * np.abs(s) ** (2 / power)
    return np.stack([x + px * np.cos(turn) - py * np.sin(turn), y + px * np.sin(turn) + py * np.cos(turn)], 1).astype(
        np.float32
    )


def _smooth(points: Sequence[tuple[float, float]]) -> Floats:
    """A closed outline through ``points``, its corners cut twice (Chaikin 1974)."""
    p = np.asarray(points, np.float32)
    for _ in range(2):
        after = np.roll(p, -1, axis=0)
        p = np.stack([0.75 * p + 0.25 * after, 0.25 * p + 0.75 * after], 1).reshape(-1, 2)
    return p


# --- occluders of training ------------------------------------------------------------------------


def face_mask(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """Drawn: nose bridge to chin, pleats, ear loops; now and then pulled down under the nose."""
    top, half = rng.uniform(0.2, 0.55), rng.uniform(0.95, 1.15)
    if rng.random() < 0.12:
        top = rng.uniform(0.75, 0.9)
    chin, low = rng.uniform(1.65, 1.95), rng.uniform(0.55, 0.8)
    lean = 0.8 * frame.lean
    ear = top + rng.uniform(0.05, 0.3)
    outline = _smooth(
        [
            (-half + 0.3 * lean, ear),
            (-0.45 + lean, top + 0.1),
            (lean, top - 0.05),
            (0.45 + lean, top + 0.1),
            (half + 0.3 * lean, ear),
            (half - 0.1 + 0.3 * lean, 1.1),
            (low + 0.6 * lean, chin - 0.15),
            (0.6 * lean, chin),
            (-low + 0.6 * lean, chin - 0.15),
            (-half + 0.1 + 0.3 * lean, 1.1),
        ]
    )
    kind = rng.random()
    if kind < 0.55:
        tint = np.array([[235, 238, 240], [140, 190, 225], [20, 20, 24], [120, 200, 190], [60, 80, 120]], np.float32)
        colour = np.broadcast_to(tint[rng.integers(len(tint))], (frame.size, frame.size, 3)).copy()
        colour = _shaded(np.asarray(colour * rng.uniform(0.7, 1.0), np.float32), rng)
    else:
        colour = _surface(other, rng)
    if rng.random() < 0.6:
        pleats = [frame.at([(-half, level), (half, level + rng.uniform(-0.05, 0.05))]) for level in (0.75, 1.0, 1.3)]
        for line in pleats:
            ends = [tuple(int(v) for v in end) for end in np.clip(line, -500, 500)]
            cv2.line(colour, ends[0], ends[1], tuple(float(v) * 0.85 for v in colour.mean((0, 1))), 1, cv2.LINE_AA)
    return Cover(_filled([frame.at(outline)], frame.size), colour, True)


def sunglasses(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    wide, high, power = rng.uniform(0.36, 0.5), rng.uniform(0.26, 0.42), rng.uniform(2, 5)
    level, lean = rng.uniform(-0.05, 0.1), 0.3 * frame.lean
    lenses = [frame.at(_ellipse(x + lean, level, wide, high, power=power)) for x in (-0.5, 0.5)]
    bar = frame.at([(-0.2, level - 0.12), (0.2, level - 0.12), (0.2, level), (-0.2, level)])
    temples = [
        frame.at([(x * 0.85, level - 0.15), (x * 1.3, level - 0.15), (x * 1.3, level), (x * 0.85, level)])
        for x in (-1, 1)
    ]
    dark = np.broadcast_to(rng.uniform(0, 60, 3).astype(np.float32), (frame.size, frame.size, 3)).copy()
    alpha = _filled([*lenses, bar, *temples], frame.size) * float(rng.uniform(0.8, 1.0))
    return Cover(alpha, _shaded(dark, rng))


def glasses(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """Clear ones: only the rims cover, with a reflection now and then."""
    wide, high, power, rim = rng.uniform(0.36, 0.46), rng.uniform(0.22, 0.36), rng.uniform(2, 5), rng.uniform(0.03, 0.1)
    outer = [frame.at(_ellipse(x, 0, wide, high, power=power)) for x in (-0.5, 0.5)]
    inner = [frame.at(_ellipse(x, 0, wide - rim, high - rim, power=power)) for x in (-0.5, 0.5)]
    alpha = np.clip(_filled(outer, frame.size) - _filled(inner, frame.size), 0, 1)
    if rng.random() < 0.3:
        alpha = np.maximum(alpha, _filled(inner, frame.size) * float(rng.uniform(0.1, 0.4)))
    return Cover(alpha, _shaded(_plain(frame.size, rng), rng))


def hand(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A palm and fingers in a skin's colour, from below or from a side."""
    tone = rng.random()
    base = (1 - tone) * np.array([80.0, 50, 38]) + tone * np.array([242, 200, 178]) + rng.normal(0, 8, 3)
    x, y, turn = rng.uniform(-0.9, 0.9), rng.uniform(0.3, 1.8), rng.uniform(-1.2, 1.2)
    palm, finger = rng.uniform(0.35, 0.55), rng.uniform(0.5, 0.9)
    up, right = np.array([np.sin(turn), -np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
    parts = [frame.at(_ellipse(x, y, palm, palm * 1.1, turn))]
    for place in np.linspace(-1, 1, 4):
        centre = np.array([x, y]) + right * place * palm * 0.85 + up * (palm + finger * 0.4)
        spread = turn + place * rng.uniform(0, 0.25)
        parts.append(frame.at(_ellipse(centre[0], centre[1], palm * 0.22, finger * rng.uniform(0.5, 0.65), spread)))
    colour = np.broadcast_to(base.astype(np.float32), (frame.size, frame.size, 3)).copy()
    return Cover(_filled(parts, frame.size, 0.9), _shaded(colour, rng))


def scarf(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    top, sag = rng.uniform(0.35, 1.3), rng.uniform(-0.1, 0.3)
    outline = _smooth([(-2, top - sag), (-0.8, top), (0, top + sag / 2), (0.8, top), (2, top - sag), (3, 4), (-3, 4)])
    return Cover(_filled([frame.at(outline)], frame.size), _surface(other, rng))


def phone(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    x, y, turn = rng.uniform(-1.1, 1.1), rng.uniform(-0.4, 1.4), rng.uniform(-0.6, 0.6)
    shape = _ellipse(x, y, rng.uniform(0.3, 0.5), rng.uniform(0.6, 1.1), turn, 8)
    dark = np.broadcast_to(rng.uniform(0, 255, 3).astype(np.float32) * 0.5, (frame.size, frame.size, 3)).copy()
    return Cover(_filled([frame.at(shape)], frame.size), _shaded(dark, rng))


def cup(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    x, top, half, high = rng.uniform(-0.3, 0.3), rng.uniform(0.5, 1.0), rng.uniform(0.3, 0.6), rng.uniform(0.7, 1.4)
    outline = [(x - half, top), (x + half, top), (x + 0.75 * half, top + high), (x - 0.75 * half, top + high)]
    return Cover(_filled([frame.at(outline)], frame.size), _surface(other, rng))


def hat(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    low, sag = rng.uniform(-0.7, -0.05), rng.uniform(-0.2, 0.3)
    outline = _smooth([(-2, low + sag), (-0.7, low), (0, low - sag / 2), (0.7, low), (2, low + sag), (3, -3), (-3, -3)])
    return Cover(_filled([frame.at(outline)], frame.size), _surface(other, rng))


def block(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A rectangle of any surface anywhere: what a pattern looks like at its plainest."""
    size = frame.size
    wide, high = rng.uniform(0.15, 0.75, 2) * size
    left, top = rng.uniform(0, size - wide), rng.uniform(0, size - high)
    corners = np.array([(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)])
    return Cover(_filled([corners], size, 0.4), _surface(other, rng))


def blob(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """Something of no shape in particular."""
    size, angle = frame.size, np.linspace(0, 2 * np.pi, 9, endpoint=False)
    x, y = rng.uniform(0.1, 0.9, 2) * size
    reach = rng.uniform(0.12, 0.4) * size * rng.uniform(0.6, 1.4, 9)
    points = [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(reach, angle, strict=True)]
    return Cover(_filled([_smooth(points)], size), _surface(other, rng))


# --- occluders of the test ------------------------------------------------------------------------


def kerchief(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A triangle of cloth tied over nose and mouth."""
    top, tip = rng.uniform(0.3, 0.7), rng.uniform(1.9, 2.6)
    outline = [(-1.3, top + 0.15), (0.8 * frame.lean, top), (1.3, top + 0.15), (0.9, 1.4), (0, tip), (-0.9, 1.4)]
    return Cover(_filled([frame.at(outline)], frame.size), _checked(other, rng))


def goggles(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    shape = _ellipse(0.3 * frame.lean, rng.uniform(-0.05, 0.1), rng.uniform(0.95, 1.1), rng.uniform(0.35, 0.55), 0, 3.5)
    return Cover(_filled([frame.at(shape)], frame.size), _checked(other, rng))


def microphone(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    x, y, head, turn = rng.uniform(-0.5, 0.5), rng.uniform(0.9, 1.4), rng.uniform(0.28, 0.45), rng.uniform(-0.6, 0.6)
    end = (x - 3 * np.sin(turn), y + 3 * np.cos(turn))
    stick = [(x - 0.6 * head, y), (x + 0.6 * head, y), (end[0] + 0.4 * head, end[1]), (end[0] - 0.4 * head, end[1])]
    alpha = _filled([frame.at(_ellipse(x, y, head, head)), frame.at(stick)], frame.size)
    return Cover(alpha, _checked(other, rng))


def book(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A sheet held before a part of the face, askew."""
    x, y, turn = rng.uniform(-1.0, 1.0), rng.uniform(-0.8, 2.0), rng.uniform(-0.5, 0.5)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * rng.uniform(0.5, 1.1, 2) + rng.uniform(-0.1, 0.1, (4, 2))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return Cover(_filled([frame.at(corners @ rotation + (x, y))], frame.size), _checked(other, rng))


def peaked_cap(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    low, peak = rng.uniform(-0.75, -0.3), rng.uniform(0.2, 0.45)
    crown = [(-1.4, low), (1.4, low), (1.6, -3), (-1.6, -3)]
    brim = _ellipse(frame.lean, low, 1.0, peak)
    return Cover(_filled([frame.at(crown), frame.at(brim)], frame.size), _checked(other, rng))


def fan(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A half disc that hides one side or the lower face."""
    x, y, reach, turn = rng.uniform(-0.8, 0.8), rng.uniform(1.2, 2.2), rng.uniform(0.9, 1.6), rng.uniform(-0.9, 0.9)
    angle = np.linspace(np.pi, 2 * np.pi, 24) + turn
    arc = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], 1)
    return Cover(_filled([frame.at(arc)], frame.size), _checked(other, rng))


# --- face masks from template pictures ------------------------------------------------------------

ANCHORS: Final = "abcdef"
TEMPLATE_SIDE: Final = 200
HELD_BACK: Final = ("KN95", "N95")
"""Templates of the test; training sees the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """``picture`` RGBA uint8 [h, w, 4]; ``anchors`` [6, 2]: left top, nose, right top, left low, chin, right low."""

    picture: Pixels
    anchors: NDArray[np.float64]


def read_templates(folder: Path) -> dict[str, Template]:
    """Every template of ``masks.cfg`` whose picture is there, by its name, made smaller once."""
    config = configparser.ConfigParser()
    config.read(folder / "masks.cfg", encoding="utf-8")
    found = {}
    for name in config.sections():
        path = folder / Path(config[name].get("template", "none")).name
        if not path.is_file():
            continue
        raw = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)
        scale = TEMPLATE_SIDE / max(raw.shape[:2])
        picture = cv2.resize(
            cv2.cvtColor(raw, cv2.COLOR_BGRA2RGBA), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        anchors = [[float(v) * scale for v in config[name][f"mask_{letter}"].split(",")] for letter in ANCHORS]
        found[name] = Template(np.asarray(picture, np.uint8), np.array(anchors))
    return found


def template_mask(templates: Mapping[str, Template], kinds: Sequence[str]) -> Occluder:
    """Face masks of these ``kinds``: the view that fits the head's turn, warped in two halves on its anchors."""

    def occlude(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
        kind = kinds[int(rng.integers(len(kinds)))]
        view = "" if abs(frame.lean) < 0.12 else "_left" if frame.lean < 0 else "_right"
        template = templates.get(kind + view, templates[kind])
        top, half, chin = rng.uniform(0.25, 0.5), rng.uniform(1.0, 1.15), rng.uniform(1.65, 1.9)
        lean = 0.8 * frame.lean
        target = frame.at(
            [
                (-half + 0.3 * lean, top + 0.15),
                (lean, top),
                (half + 0.3 * lean, top + 0.15),
                (-0.85 + 0.5 * lean, 1.25),
                (0.6 * lean, chin),
                (0.85 + 0.5 * lean, 1.25),
            ]
        )
        layer = np.zeros((frame.size, frame.size, 4), np.float32)
        for corners, keep in (((0, 1, 4, 3), -1), ((1, 2, 5, 4), 1)):
            a, b = template.anchors[list(corners)].astype(np.float32), target[list(corners)].astype(np.float32)
            warped = cv2.warpPerspective(
                template.picture, cv2.getPerspectiveTransform(a, b), (frame.size, frame.size), flags=cv2.INTER_AREA
            )
            layer = np.where(_side_of(target[1], target[4], frame.size)[..., None] == keep, warped, layer)
        tint = rng.uniform(0.75, 1.05)
        return Cover(
            np.asarray(layer[..., 3] / 255, np.float32),
            _shaded(np.asarray(layer[..., :3] * tint, np.float32), rng),
            True,
        )

    return occlude


def _side_of(top: NDArray[np.floating], low: NDArray[np.floating], size: int) -> NDArray[np.int8]:
    """-1 left of the line from ``top`` to ``low``, 1 right of it, for each pixel."""
    y, x = np.mgrid[:size, :size]
    left = (low[0] - top[0]) * (y - top[1]) - (low[1] - top[1]) * (x - top[0]) > 0
    return np.where(left, -1, 1).astype(np.int8)


TRAIN: Final[Mapping[str, tuple[Occluder, float]]] = {
    "face mask": (face_mask, 3.0),
    "sunglasses": (sunglasses, 1.5),
    "glasses": (glasses, 0.7),
    "hand": (hand, 1.5),
    "scarf": (scarf, 1.0),
    "phone": (phone, 1.0),
    "cup": (cup, 1.0),
    "hat": (hat, 1.0),
    "block": (block, 2.0),
    "blob": (blob, 1.0),
}
"""Occluders and how often each is taken, beside one another."""

TEST: Final[Mapping[str, tuple[Occluder, float]]] = {
    "kerchief": (kerchief, 1.0),
    "goggles": (goggles, 1.0),
    "microphone": (microphone, 1.0),
    "book": (book, 1.0),
    "peaked cap": (peaked_cap, 1.0),
    "fan": (fan, 1.0),
}


def with_templates(
    occluders: Mapping[str, tuple[Occluder, float]], templates: Mapping[str, Template], test: bool
) -> dict[str, tuple[Occluder, float]]:
    """``occluders`` and the face masks from pictures: those held back for the test, or the others."""
    kinds = sorted({name.removesuffix("_left").removesuffix("_right") for name in templates})
    chosen = [kind for kind in kinds if (kind in HELD_BACK) == test]
    return {**occluders, "face mask, template": (template_mask(templates, chosen), 2.0)} if chosen else dict(occluders)


def draw(
    occluders: Mapping[str, tuple[Occluder, float]], frame: Frame, other: Pixels, rng: np.random.Generator
) -> tuple[str, Cover]:
    """One of ``occluders`` by their weights: its name and the cover."""
    names = list(occluders)
    weights = np.array([occluders[name][1] for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return name, occluders[name][0](frame, other, rng)
