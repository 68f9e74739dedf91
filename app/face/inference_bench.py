"""What the extractor costs by each way to run it, and whether the embeddings stay the same: why OpenVINO serves.

Ways that this machine lacks (no compiler for ``torch.compile``, a package that is not installed) are rows with a reason
instead of figures.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from app.errors import WeightsError
from app.face.align import align
from app.face.bench import processor_ms
from app.face.engine import Engine
from app.face.runtime import FromPixels, TorchNetwork, run_with
from app.face.weights import SHIPPED, ModelCard, find_card, load_part

BATCHES: Final = (1, 4, 16)
"""Faces at once: whether collecting several requests' faces would pay."""

EQUAL: Final = 0.9999
"""Least cosine to torch eager of a way that may serve."""

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 [n, size, size, 3] to float32 [n, width], of any length."""


def bench_inference(
    cache: Path, portrait: NDArray[np.uint8], model: str, folders: Sequence[Path] = (), repeats: int = 20
) -> dict[str, Any]:
    """Milliseconds of processor time a face, medians of ``repeats``, one thread, by way and batch.

    ``portrait`` [h, w, 3] shows one face. ``equal`` is the least cosine to torch eager over 16 variants of it. The
    ratio is that of torch eager's time at the same batch. Raises ``WeightsError`` where the model is no torch network.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        card = find_card(model, [SHIPPED, *folders])
        faces = _faces(Engine.load(cache, model, folders), portrait, max(BATCHES))
        expected = TorchNetwork(_network(card), "cpu")(faces)
        rows = [_row(way, make, card, faces, expected, repeats) for way, make in WAYS.items()]
    finally:
        torch.set_num_threads(threads)
    eager = rows[0]["ms"]
    for row in rows:
        row["ratio"] = [slow / fast for slow, fast in zip(eager, row["ms"], strict=True)] if row["ms"] else []
    said = {"model_id": card.model_id, "extractor": card.extractor, "batches": list(BATCHES), "rows": rows}
    return {**said, "processor": torch.backends.cpu.get_cpu_capability()}


def _row(
    way: str,
    make: Callable[[ModelCard, int], Embed],
    card: ModelCard,
    faces: NDArray[np.uint8],
    expected: NDArray[np.float32],
    repeats: int,
) -> dict[str, Any]:
    spent, least = [], 1.0
    try:
        for batch in BATCHES:
            embed = make(card, batch)
            found = np.concatenate([embed(faces[at : at + batch]) for at in range(0, len(faces), batch)])
            least = min(least, float(_cosines(found, expected).min()))
            spent.append(processor_ms(partial(embed, faces[:batch]), repeats) / batch)
    except (ImportError, WeightsError, RuntimeError) as missing:
        return {"way": way, "ms": [], "equal": None, "missing": f"{type(missing).__name__}: {missing}".splitlines()[0]}
    return {"way": way, "ms": [round(one, 3) for one in spent], "equal": least, "missing": None}


class _Halved(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer: torch.Tensor = self.network(pixels)
        return answer.float()


def _network(card: ModelCard) -> nn.Module:
    return FromPixels(load_part(card, "extractor"), card.mean, card.std).eval().requires_grad_(False)


def _eager(card: ModelCard, batch: int) -> Embed:
    return TorchNetwork(_network(card), "cpu")


def _halved(card: ModelCard, batch: int) -> Embed:
    return TorchNetwork(_Halved(_network(card)), "cpu")


def _compiled(card: ModelCard, batch: int) -> Embed:
    compiled: Any = torch.compile(_network(card), dynamic=False)
    return TorchNetwork(compiled, "cpu")


def _openvino(card: ModelCard, batch: int) -> Embed:
    return run_with("openvino", _network(card), (batch, card.input_size, card.input_size, 3))


def _openvino_rough(card: ModelCard, batch: int) -> Embed:
    return run_with("openvino", _network(card), (batch, card.input_size, card.input_size, 3), rough=True)


def _onnx_runtime(card: ModelCard, batch: int) -> Embed:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter that needs no further package
        file = Path(folder) / "extractor.onnx"
        example = torch.zeros((batch, card.input_size, card.input_size, 3), dtype=torch.uint8)
        torch.onnx.export(_network(card), (example,), file, dynamo=False)
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda crops: np.asarray(session.run(None, {name: crops})[0], np.float32)


WAYS: Final[dict[str, Callable[[ModelCard, int], Embed]]] = {
    "torch eager": _eager,
    "torch.compile": _compiled,
    "torch, bfloat16": _halved,
    "OpenVINO": _openvino,
    "OpenVINO, bfloat16 where the processor has it": _openvino_rough,
    "ONNX Runtime": _onnx_runtime,
}
"""The first is what the others are measured against."""


def _faces(engine: Engine, portrait: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """``count`` crops of the portrait's face, each a little lighter or darker than the one before."""
    picture = engine.pictures([portrait])[0]
    if not picture.faces:
        raise WeightsError("no face was found in the picture to measure with")
    crop = align(portrait, picture.faces[0].detection.landmarks).astype(np.float32)
    return np.stack([np.clip(crop * share, 0, 255).astype(np.uint8) for share in np.linspace(0.6, 1.2, count)])


def _cosines(found: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return np.asarray((found * expected).sum(axis=1) / lengths, np.float32)
