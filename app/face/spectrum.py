"""Visible light or near infrared: which it is, and the network that sees faces in the dark (method E)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.align import template
from app.face.extract import CPU_BATCH, GPU_BATCH, NetworkExtractor
from app.face.nets.edgenext import EdgeNeXt, WithMap
from app.face.nets.infrared import InfraredEntry, InfraredExtractor
from app.face.runtime import FromPixels, Runtime, run_with
from app.face.weights import CARD, ModelCard, load_part, read_card

Spectrum = Literal["visible", "infrared"]
"""What a face was seen by, and so which of the two networks embedded it. Both embed into one space."""

Asked = Literal["visible", "infrared", "auto"]

COLOURLESS: Final = 3.0
"""Mean distance of a pixel's channels, 0-255, up to which a picture has no colour. JPEG of a grey picture adds about
one; a colour photograph of a face has 20 and more."""


def is_colourless(crop: NDArray[np.uint8]) -> bool:
    """Whether an aligned crop [112, 112, 3] holds no colour: infrared cameras answer so, and old photographs."""
    inner = crop[16:-16, 16:-16].astype(np.int16)
    return bool((inner.max(axis=2) - inner.min(axis=2)).mean() <= COLOURLESS)


def decide(asked: Asked, crop: NDArray[np.uint8]) -> Spectrum:
    """``auto`` takes a crop without colour for infrared; a grey photograph in visible light, too."""
    if asked != "auto":
        return asked
    return "infrared" if is_colourless(crop) else "visible"


def find_infrared(extractor: str, folders: Iterable[Path]) -> ModelCard | None:
    """The first card of kind ``infrared`` within ``folders`` that fits this extractor."""
    for place in folders:
        for path in sorted(place.glob(f"*/{CARD}")):
            card = read_card(path.parent)
            if card.kind == "infrared" and card.fits == extractor:
                return card
    return None


def load_infrared(
    card: ModelCard, visible: ModelCard, runtime: Runtime = "openvino", streams: int = 1, device: str = "cpu"
) -> NetworkExtractor:
    """The infrared network: the card's entry before the late layers of ``visible``. Raises ``WeightsError``."""
    entry, late = load_part(card, "entry"), load_part(visible, "extractor")
    if not isinstance(entry, InfraredEntry) or not isinstance(late, EdgeNeXt):
        raise WeightsError(f"{card.name} is no infrared network for {visible.name}")
    batch = CPU_BATCH if device == "cpu" else GPU_BATCH
    size = visible.input_size
    shape = (batch if device == "cpu" else -1, size, size, 3)
    module = WithMap(InfraredExtractor(entry, late))
    network = run_with(runtime, FromPixels(module, visible.mean, visible.std), shape, streams, device)
    return NetworkExtractor(network, size, visible.width, template(size), batch)
