"""Passive presentation-attack check: is this a face, a print of one, or a screen that shows one.

The model is the operator's: an ONNX file, or a folder of several whose answers are averaged. Its verdict says
nothing about whose face it is and never enters the match score (ISO/IEC 30107-3 is reported apart from 19795-1).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.runtime import Network, run_onnx

Kind = Literal["print", "real", "replay"]

KINDS: Final[tuple[Kind, ...]] = ("print", "real", "replay")
"""The order of a model's three outputs."""

SIZE: Final = 80
CROP: Final = 2.7
"""Side of the looked-at part over that of the face's box: the surroundings give a print's edge or a bezel away."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """Three shares that add up to 1, and the largest of them as ``verdict``. No match score is in it."""

    verdict: Kind
    print: float
    real: float
    replay: float

    @property
    def attack(self) -> bool:
        return self.verdict != "real"


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    network: Network
    size: int
    crop: float
    bgr: bool


class PresentationCheck:
    """Thread safe."""

    def __init__(self, models: Sequence[_Model]) -> None:
        self._models = tuple(models)

    @classmethod
    def load(cls, path: Path, streams: int = 1) -> PresentationCheck:
        """``path``: an ONNX file, or a folder whose ONNX files are averaged.

        A file takes pixels 0-255 [n, 3, size, size] and answers shares [n, 3] in the order of ``KINDS``. A JSON
        file of the same name beside it may give ``size`` (80), ``crop`` (2.7), ``channels`` ("BGR" or "RGB"),
        ``mean`` ([0]) and ``std`` ([1]). Raises ``WeightsError``.
        """
        files = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
        if not files or not all(file.is_file() for file in files):
            raise WeightsError(f"there is no presentation-attack model at {path}")
        return cls([_load(file, streams) for file in files])

    def __call__(self, image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> Presentation:
        """Of the face at ``box`` (x0, y0, x1, y1 in pixels) of ``image`` uint8 [h, w, 3] RGB."""
        shares = np.mean([_shares(model, image, box) for model in self._models], axis=0)
        shares = shares / max(float(shares.sum()), 1e-12)
        flat, real, replay = (float(share) for share in shares)
        return Presentation(KINDS[int(shares.argmax())], flat, real, replay)


def surroundings(
    image: NDArray[np.uint8], box: tuple[float, float, float, float], crop: float, size: int
) -> NDArray[np.uint8]:
    """The part of ``image`` that is ``crop`` times as wide and high as ``box``, as uint8 [size, size, 3].

    Where the picture is too small the part shrinks, where it would reach over an edge it moves inside: these
    models were taught on such parts and never saw padding.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    wide, high = max(x1 - x0, 1.0), max(y1 - y0, 1.0)
    scale = min(crop, width / wide, height / high)
    part_w, part_h = wide * scale, high * scale
    left = min(max((x0 + x1 - part_w) / 2, 0.0), width - part_w)
    top = min(max((y0 + y1 - part_h) / 2, 0.0), height - part_h)
    right, bottom = max(int(left) + 1, round(left + part_w)), max(int(top) + 1, round(top + part_h))
    part = image[int(top) : bottom, int(left) : right]
    return np.asarray(cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _shares(model: _Model, image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    part = surroundings(image, box, model.crop, model.size)
    return model.network((part[..., ::-1] if model.bgr else part)[None])[0]


def _load(path: Path, streams: int) -> _Model:
    described = path.with_suffix(".json")
    try:
        given: dict[str, Any] = json.loads(described.read_text(encoding="utf-8")) if described.exists() else {}
        size, crop = int(given.get("size", SIZE)), float(given.get("crop", CROP))
        mean, std = tuple(map(float, given.get("mean", [0]))), tuple(map(float, given.get("std", [1])))
    except (ValueError, TypeError) as flaw:
        raise WeightsError(f"{described.name} does not describe a model") from flaw
    network = run_onnx(path, (1, size, size, 3), mean, std, streams)
    if network(np.zeros((1, size, size, 3), np.uint8)).shape != (1, len(KINDS)):
        raise WeightsError(f"{path.name} does not answer three shares: {', '.join(KINDS)}")
    return _Model(network, size, crop, given.get("channels", "BGR") == "BGR")
