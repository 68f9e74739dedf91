"""Which things cover faces in training and which in the test, and how often each: painted on aligned crops, with the
exact pixels that they cover.

Those of ``TRAIN`` and of ``TEST`` are different things, so that a test shows what was never painted in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from training.data.cover import Cover, Frame, Occluder, Pixels
from training.data.drawn_covers import (
    blob,
    block,
    book,
    cup,
    face_mask,
    fan,
    glasses,
    goggles,
    hand,
    hat,
    kerchief,
    microphone,
    peaked_cap,
    phone,
    scarf,
    sunglasses,
)
from training.data.mask_templates import HELD_BACK, Template, template_mask

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
