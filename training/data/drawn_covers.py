"""Things that cover faces, drawn from random numbers: first those of training, then those of the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.cover import Cover, Floats, Frame, Pixels
from training.data.surfaces import checked, plain, shaded, surface

FINE: Final = 3
"""Binary digits of a pixel's fraction in which outlines are given to the rasteriser."""


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
        colour = shaded(np.asarray(colour * rng.uniform(0.7, 1.0), np.float32), rng)
    else:
        colour = surface(other, rng)
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
    return Cover(alpha, shaded(dark, rng))


def glasses(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """Clear ones: only the rims cover, with a reflection now and then."""
    wide, high, power, rim = rng.uniform(0.36, 0.46), rng.uniform(0.22, 0.36), rng.uniform(2, 5), rng.uniform(0.03, 0.1)
    outer = [frame.at(_ellipse(x, 0, wide, high, power=power)) for x in (-0.5, 0.5)]
    inner = [frame.at(_ellipse(x, 0, wide - rim, high - rim, power=power)) for x in (-0.5, 0.5)]
    alpha = np.clip(_filled(outer, frame.size) - _filled(inner, frame.size), 0, 1)
    if rng.random() < 0.3:
        alpha = np.maximum(alpha, _filled(inner, frame.size) * float(rng.uniform(0.1, 0.4)))
    return Cover(alpha, shaded(plain(frame.size, rng), rng))


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
    return Cover(_filled(parts, frame.size, 0.9), shaded(colour, rng))


def scarf(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    top, sag = rng.uniform(0.35, 1.3), rng.uniform(-0.1, 0.3)
    outline = _smooth([(-2, top - sag), (-0.8, top), (0, top + sag / 2), (0.8, top), (2, top - sag), (3, 4), (-3, 4)])
    return Cover(_filled([frame.at(outline)], frame.size), surface(other, rng))


def phone(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    x, y, turn = rng.uniform(-1.1, 1.1), rng.uniform(-0.4, 1.4), rng.uniform(-0.6, 0.6)
    shape = _ellipse(x, y, rng.uniform(0.3, 0.5), rng.uniform(0.6, 1.1), turn, 8)
    dark = np.broadcast_to(rng.uniform(0, 255, 3).astype(np.float32) * 0.5, (frame.size, frame.size, 3)).copy()
    return Cover(_filled([frame.at(shape)], frame.size), shaded(dark, rng))


def cup(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    x, top, half, high = rng.uniform(-0.3, 0.3), rng.uniform(0.5, 1.0), rng.uniform(0.3, 0.6), rng.uniform(0.7, 1.4)
    outline = [(x - half, top), (x + half, top), (x + 0.75 * half, top + high), (x - 0.75 * half, top + high)]
    return Cover(_filled([frame.at(outline)], frame.size), surface(other, rng))


def hat(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    low, sag = rng.uniform(-0.7, -0.05), rng.uniform(-0.2, 0.3)
    outline = _smooth([(-2, low + sag), (-0.7, low), (0, low - sag / 2), (0.7, low), (2, low + sag), (3, -3), (-3, -3)])
    return Cover(_filled([frame.at(outline)], frame.size), surface(other, rng))


def block(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A rectangle of any surface anywhere: what a pattern looks like at its plainest."""
    size = frame.size
    wide, high = rng.uniform(0.15, 0.75, 2) * size
    left, top = rng.uniform(0, size - wide), rng.uniform(0, size - high)
    corners = np.array([(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)])
    return Cover(_filled([corners], size, 0.4), surface(other, rng))


def blob(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """Something of no shape in particular."""
    size, angle = frame.size, np.linspace(0, 2 * np.pi, 9, endpoint=False)
    x, y = rng.uniform(0.1, 0.9, 2) * size
    reach = rng.uniform(0.12, 0.4) * size * rng.uniform(0.6, 1.4, 9)
    points = [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(reach, angle, strict=True)]
    return Cover(_filled([_smooth(points)], size), surface(other, rng))


# --- occluders of the test ------------------------------------------------------------------------


def kerchief(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A triangle of cloth tied over nose and mouth."""
    top, tip = rng.uniform(0.3, 0.7), rng.uniform(1.9, 2.6)
    outline = [(-1.3, top + 0.15), (0.8 * frame.lean, top), (1.3, top + 0.15), (0.9, 1.4), (0, tip), (-0.9, 1.4)]
    return Cover(_filled([frame.at(outline)], frame.size), checked(other, rng))


def goggles(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    shape = _ellipse(0.3 * frame.lean, rng.uniform(-0.05, 0.1), rng.uniform(0.95, 1.1), rng.uniform(0.35, 0.55), 0, 3.5)
    return Cover(_filled([frame.at(shape)], frame.size), checked(other, rng))


def microphone(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    x, y, head, turn = rng.uniform(-0.5, 0.5), rng.uniform(0.9, 1.4), rng.uniform(0.28, 0.45), rng.uniform(-0.6, 0.6)
    end = (x - 3 * np.sin(turn), y + 3 * np.cos(turn))
    stick = [(x - 0.6 * head, y), (x + 0.6 * head, y), (end[0] + 0.4 * head, end[1]), (end[0] - 0.4 * head, end[1])]
    alpha = _filled([frame.at(_ellipse(x, y, head, head)), frame.at(stick)], frame.size)
    return Cover(alpha, checked(other, rng))


def book(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A sheet held before a part of the face, askew."""
    x, y, turn = rng.uniform(-1.0, 1.0), rng.uniform(-0.8, 2.0), rng.uniform(-0.5, 0.5)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * rng.uniform(0.5, 1.1, 2) + rng.uniform(-0.1, 0.1, (4, 2))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return Cover(_filled([frame.at(corners @ rotation + (x, y))], frame.size), checked(other, rng))


def peaked_cap(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    low, peak = rng.uniform(-0.75, -0.3), rng.uniform(0.2, 0.45)
    crown = [(-1.4, low), (1.4, low), (1.6, -3), (-1.6, -3)]
    brim = _ellipse(frame.lean, low, 1.0, peak)
    return Cover(_filled([frame.at(crown), frame.at(brim)], frame.size), checked(other, rng))


def fan(frame: Frame, other: Pixels, rng: np.random.Generator) -> Cover:
    """A half disc that hides one side or the lower face."""
    x, y, reach, turn = rng.uniform(-0.8, 0.8), rng.uniform(1.2, 2.2), rng.uniform(0.9, 1.6), rng.uniform(-0.9, 0.9)
    angle = np.linspace(np.pi, 2 * np.pi, 24) + turn
    arc = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], 1)
    return Cover(_filled([frame.at(arc)], frame.size), checked(other, rng))
