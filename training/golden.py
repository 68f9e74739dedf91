"""Write the golden vectors of every shipped extractor: what tests hold each release of a runtime to.

python -m training.golden tests/face/golden.json

of the conversions of children that sit on them, beside it in ``golden_grown.json``, and of the estimator of action
units in ``golden_units.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.face.extract import load_extractor
from app.face.nets.conversion import AdultConversion
from app.face.nets.facial_parameters import SIDE
from app.face.runtime import Runtime, run_with
from app.face.weights import SHIPPED, ModelCard, load_part, read_card


def shipped_extractors() -> list[ModelCard]:
    """The cards of all models that come with the product and embed faces."""
    cards = (read_card(path.parent) for path in sorted(SHIPPED.glob("*/card.json")))
    return [card for card in cards if "extractor" in card.parts]


def chart(size: int) -> NDArray[np.uint8]:
    """A picture that needs no file: smooth colours and a face-like arrangement of dark spots, [size, size, 3]."""
    y, x = np.mgrid[0:size, 0:size] / size
    planes = [160 + 60 * np.sin(3 * x + k) * np.cos(2 * y - k) for k in range(3)]
    for cx, cy, r in ((0.34, 0.46, 0.06), (0.66, 0.46, 0.06), (0.5, 0.64, 0.05), (0.5, 0.82, 0.09)):
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r**2))
        planes = [plane - 110 * spot for plane in planes]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def golden(card: ModelCard, runtime: Runtime) -> list[float]:
    """The raw embedding of :func:`chart`, rounded to five places."""
    (vector,) = load_extractor(card, runtime).embed(chart(card.input_size)[None])
    return [round(float(v), 5) for v in vector]


def shipped_conversions() -> list[tuple[ModelCard, ModelCard]]:
    """The cards of all conversions that come with the product, each with that of the extractor that it fits."""
    cards = (read_card(path.parent) for path in sorted(SHIPPED.glob("*/card.json")))
    extractors = {card.extractor: card for card in shipped_extractors()}
    return [(card, extractors[card.fits]) for card in cards if "conversion" in card.parts]


def golden_grown(card: ModelCard, extractor: ModelCard, runtime: Runtime) -> list[float]:
    """:func:`chart` converted as if it were a child's, whatever age it seems to have, rounded to five places."""
    conversion = load_part(card, "conversion")
    assert isinstance(conversion, AdultConversion)
    embeddings, maps = load_extractor(extractor, runtime).look(chart(extractor.input_size)[None])
    assert maps is not None
    with torch.inference_mode():
        (vector,) = conversion.grown(torch.from_numpy(embeddings), torch.from_numpy(maps)).numpy()
    return [round(float(v), 5) for v in vector]


def golden_units(runtime: Runtime) -> list[float]:
    """What the shipped estimator of action units reads from :func:`chart`, rounded to five places."""
    network = run_with(runtime, load_part(read_card(SHIPPED / "action-units"), "estimator"), (1, SIDE, SIDE, 3))
    return [round(float(v), 5) for v in network(chart(SIDE)[None])[0]]


if __name__ == "__main__":
    vectors = {card.model_id: golden(card, "torch") for card in shipped_extractors()}
    grown = {card.model_id: golden_grown(card, on, "torch") for card, on in shipped_conversions()}
    path = Path(sys.argv[1])
    for suffix, found in {"": vectors, "_grown": grown, "_units": golden_units("torch")}.items():
        path.with_stem(path.stem + suffix).write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")
