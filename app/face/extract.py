"""Extractors E: aligned crops to unit embeddings, whichever network stands behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

from app.errors import WeightsError
from app.face import packaged
from app.face.align import CROP_SIZE, similarity, template
from app.face.nets import dlib_resnet
from app.face.nets.edgenext import EdgeNeXt, WithMap
from app.face.runtime import FromPixels, Network, Runtime, run_onnx, run_with
from app.face.weights import ModelCard, card_of, file_digest, load_part

PACKAGED: Final = "dlib_resnet"
ONNX: Final = "onnx"

CPU_BATCH: Final = 1
"""One core gains nothing from batches, and a face's embedding then cannot depend on its neighbours."""
GPU_BATCH: Final = 64

UNMEASURED: Final = ((1e-1, 0.30), (1e-3, 0.45), (1e-5, 0.60))
"""Thresholds for an ONNX file that comes without its own: above those of every extractor measured so far."""


class Extractor(Protocol):
    """Thread safe. ``template`` [5, 2]: where the five points lie in its crops, ``size`` pixels a side."""

    size: int
    width: int
    template: NDArray[np.float64]

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [n, size, size, 3] RGB to float32 [n, width], unit length."""
        ...

    def look(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """The embeddings as ``embed`` gives them, and from the same pass the last feature maps float32 [n, c, h, w]:
        None where the network does not show them."""
        ...

    def stages(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """As ``look``, with the maps at the tap of ``load_extractor`` as a third; alone where no maps are shown."""
        ...


class NetworkExtractor:
    """An extractor over any network that takes pixels."""

    def __init__(self, network: Network, size: int, width: int, points: NDArray[np.float64], batch: int) -> None:
        self._network, self._batch = network, batch
        self.size, self.width, self.template = size, width, points

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not len(crops):
            return np.empty((0, self.width), np.float32)
        parts = [self._network(crops[at : at + self._batch]) for at in range(0, len(crops), self._batch)]
        return unit(np.concatenate(parts))

    def look(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        embeddings, *maps = self.stages(crops)
        return embeddings, maps[0] if maps else None

    def stages(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        if not len(crops):
            return (np.empty((0, self.width), np.float32),)
        parts = [self._network.outputs(crops[at : at + self._batch]) for at in range(0, len(crops), self._batch)]
        embeddings, *maps = (np.concatenate(one) for one in zip(*parts, strict=True))
        return unit(embeddings), *maps


def load_extractor(
    card: ModelCard, runtime: Runtime = "openvino", streams: int = 1, device: str = "cpu", tap: int = 0
) -> NetworkExtractor:
    """What the card's part ``extractor`` names. Raises ``WeightsError``.

    ``tap``: how many blocks of the third stage lie behind the map that ``stages`` hands out beside the last one.
    """
    part = card.parts.get("extractor")
    if part is None:
        raise WeightsError(f"{card.name} has no extractor")
    batch = CPU_BATCH if device == "cpu" else GPU_BATCH
    count = batch if device == "cpu" else -1
    shape = (count, card.input_size, card.input_size, 3)
    if part.architecture == ONNX:
        if card.folder is None or part.file is None or file_digest(card.folder / part.file) != part.sha256:
            raise WeightsError("the ONNX extractor is not the file that its card names")
        network = run_onnx(card.folder / part.file, shape, card.mean, card.std, streams)
        return NetworkExtractor(network, card.input_size, card.width, template(card.input_size), batch)
    if part.architecture == PACKAGED:
        module: nn.Module = packaged.load_dlib_resnet()
        points = packaged.CHIP
    else:
        module, points = load_part(card, "extractor"), template(card.input_size)
    if isinstance(module, EdgeNeXt):
        module = WithMap(module, tap)
    network = run_with(runtime, FromPixels(module, card.mean, card.std), shape, streams, device)
    return NetworkExtractor(network, card.input_size, card.width, points, batch)


def packaged_card() -> ModelCard:
    """The card of the packaged public-domain extractor, without a frontalizer."""
    return card_of(
        {
            "name": "packaged",
            "kind": "extractor",
            "parts": {"extractor": {"architecture": PACKAGED, "sha256": packaged.SHA256}},
            "input_size": dlib_resnet.SIDE,
            "mean": list(dlib_resnet.MEAN),
            "std": list(dlib_resnet.STD),
            "width": dlib_resnet.WIDTH,
            "thresholds": packaged.THRESHOLDS,
            "training_data": ["about 3 million faces of 7,485 people (face scrub, VGG, the web), by its author"],
            "limits": "Faces from the front. Weak at profiles, on children and on groups its data hold few of.",
            "licence": "CC0-1.0",
        }
    )


def onnx_card(path: Path) -> ModelCard:
    """The card of an operator's ONNX file: ``path`` with the suffix .json beside it where there is one.

    That file may give any field of a card; what it leaves out is 112 pixels RGB, (x - 127.5) / 127.5, the
    width that the network answers, and thresholds that are high because nobody measured them.
    """
    described = path.with_suffix(".json")
    try:
        given: dict[str, Any] = json.loads(described.read_text(encoding="utf-8")) if described.exists() else {}
    except ValueError as flaw:
        raise WeightsError(f"{described.name} is not JSON") from flaw
    extractor = {"architecture": ONNX, "file": path.name, "sha256": file_digest(path)}
    card = {
        "name": path.stem,
        "kind": "extractor",
        "input_size": CROP_SIZE,
        "mean": [127.5],
        "std": [127.5],
        "thresholds": UNMEASURED,
        "licence": "the operator's",
        **given,
        "parts": {**given.get("parts", {}), "extractor": extractor},
    }
    if "width" not in card:
        shape = (1, int(card["input_size"]), int(card["input_size"]), 3)
        network = run_onnx(path, shape, tuple(card["mean"]), tuple(card["std"]), 1)
        card["width"] = int(network(np.zeros(shape, np.uint8)).shape[-1])
    return card_of(card, path.parent)


def recut(crops: NDArray[np.uint8], margin: float, extractor: Extractor) -> NDArray[np.uint8]:
    """Standard crops [n, s, s, 3] that show ``margin`` more on each side, cut again as ``extractor`` wants them.

    For training, where only crops are kept. What an extractor's crop shows beyond the given one is black.
    """
    side = crops.shape[1]
    if side == extractor.size and margin == 0 and np.allclose(extractor.template, template(side)):
        return crops
    matrix = similarity(template(side, margin), extractor.template)
    size = (extractor.size, extractor.size)
    cut = [cv2.warpAffine(crop, matrix, size, flags=cv2.INTER_LINEAR) for crop in crops]
    return np.asarray(cut, np.uint8).reshape(-1, *size, 3)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
