"""Visible light or near infrared: which it is, and the network that sees faces in the dark (method E)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import SpectrumUnavailable, WeightsError
from app.face.align import template
from app.face.extract import CPU_BATCH, GPU_BATCH, Extractor, NetworkExtractor
from app.face.faces import Spectrum
from app.face.nets.edgenext import EdgeNeXt, WithMap
from app.face.nets.infrared import InfraredEntry, infrared_extractor
from app.face.runtime import FromPixels, Runtime, run_with
from app.face.weights import CARD, ModelCard, load_part, read_card

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


class Networks:
    """The visible network, and the infrared one where there is one: loaded when a face first needs it. Thread safe."""

    def __init__(self, visible: Extractor, infrared: Callable[[], Extractor] | None = None) -> None:
        self._visible, self._load = visible, infrared
        self._infrared: Extractor | None = None
        self._lock = Lock()

    def spectra(self, asked: Asked, crops: Sequence[NDArray[np.uint8]]) -> list[Spectrum]:
        """What each aligned crop is taken for. Without an infrared network ``auto`` is always visible.

        Raises ``SpectrumUnavailable`` for infrared without the network.
        """
        if self._load is None:
            if asked == "infrared":
                raise SpectrumUnavailable
            return ["visible"] * len(crops)
        return [decide(asked, crop) for crop in crops]

    def network(self, spectrum: Spectrum) -> Extractor:
        """The one that embeds faces seen so. Raises ``SpectrumUnavailable``, ``WeightsError``."""
        if spectrum == "visible":
            return self._visible
        with self._lock:
            if self._infrared is None:
                if self._load is None:
                    raise SpectrumUnavailable
                self._infrared = self._load()
            return self._infrared


def rows_by_spectrum(spectra: Sequence[Spectrum]) -> dict[Spectrum, NDArray[np.int64]]:
    """Row numbers of each spectrum that there is, rising; all rows of an empty sequence are visible."""
    kinds = dict.fromkeys(spectra) or {"visible": None}
    return {kind: np.array([i for i, one in enumerate(spectra) if one == kind], np.int64) for kind in kinds}


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
    return extractor_of(infrared_extractor(entry, late), visible, runtime, streams, device)


def extractor_of(
    network: EdgeNeXt, card: ModelCard, runtime: Runtime = "openvino", streams: int = 1, device: str = "cpu"
) -> NetworkExtractor:
    """``network`` as an extractor that takes crops as the one of ``card`` does."""
    batch = CPU_BATCH if device == "cpu" else GPU_BATCH
    shape = (batch if device == "cpu" else -1, card.input_size, card.input_size, 3)
    run = run_with(runtime, FromPixels(WithMap(network), card.mean, card.std), shape, streams, device)
    return NetworkExtractor(run, card.input_size, card.width, template(card.input_size), batch)
