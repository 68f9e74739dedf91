"""An extractor in an ONNX file, and its embeddings of a set's crops, computed once and kept.

``CACHE/<set>_<extractor>.npy`` is float16 [n, width], unit rows, in the order of the set's crop file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import CROP_SIZE
from app.face.extract import onnx_card
from app.face.runtime import import_openvino

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Crops uint8 [n, 112, 112, 3] RGB to unit rows float32 [n, width]."""

CENTRE: Final = slice(8, 120)
"""Of a 128-pixel crop the inner 112 are the standard crop."""


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows scaled to length one, float32; a zero row stays zero."""
    v = np.asarray(vectors, np.float32)
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12), np.float32)


def onnx_extractor(path: Path, runtime: str = "openvino", batch: int = 16) -> Embed:
    """The extractor of an ONNX file with one 112x112 input (NCHW, RGB), on one thread, in batches.

    Its normalisation is that of the card beside it (``FILE.json``), as in the engine, which serves one face at a
    time; over a whole set batches of 16 halve the time. ``runtime`` is ``onnxruntime`` or ``openvino``. A file of
    fixed batch 1 is served one crop at a time. Raises ``ValueError`` for another runtime.
    """
    run = {"onnxruntime": _onnxruntime, "openvino": _openvino}.get(runtime)
    if run is None:
        raise ValueError(f"no runtime {runtime!r}: onnxruntime or openvino")
    card = onnx_card(path)
    infer, fixed = run(path)
    step = 1 if fixed else batch
    mean = np.array(card.mean, np.float32)
    scale = 1 / np.array(card.std, np.float32)

    def embed(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        out = []
        for start in range(0, len(crops), step):
            pixels = (crops[start : start + step].astype(np.float32) - mean) * scale
            out.append(infer(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))))
        return unit(np.concatenate(out))

    return embed


def cached(
    crops: Path, cache: Path, name: str, embed: Embed, whole: bool = False, chunk: int = 256
) -> NDArray[np.float32]:
    """Embeddings float32 [n, width] of the crop file ``crops`` (``<set>.npy``), read from ``cache`` where present.

    ``embed`` gets the standard inner crops, or with ``whole`` the crops as they are kept, margin and all. The
    cache is trusted when it has as many rows as the crop file and is not older than it.
    """
    kept = cache / f"{crops.stem}_{name}.npy"
    pictures = np.load(crops, mmap_mode="r")
    if kept.exists() and kept.stat().st_mtime >= crops.stat().st_mtime:
        found = np.load(kept)
        if len(found) == len(pictures):
            return unit(found)
    starts = track(range(0, len(pictures), chunk), f"{crops.stem} {name}")
    rows = [embed(_part(pictures[at : at + chunk], whole)) for at in starts]
    out = np.concatenate(rows).astype(np.float16)
    cache.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".part.npy")
    np.save(partial, out)
    partial.rename(kept)
    return unit(out)


def _part(crops: NDArray[np.uint8], whole: bool) -> NDArray[np.uint8]:
    return np.ascontiguousarray(crops if whole or crops.shape[1] == CROP_SIZE else crops[:, CENTRE, CENTRE])


Infer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _onnxruntime(path: Path) -> tuple[Infer, bool]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]

    def infer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {given.name: pixels})[0], np.float32)

    return infer, given.shape[0] == 1


def _openvino(path: Path) -> tuple[Infer, bool]:
    core = import_openvino().Core()
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # pinned, two processes share one core and leave the others idle
    }
    model = core.read_model(path)
    fixed = model.inputs[0].partial_shape[0].is_static
    compiled = core.compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()

    def infer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        request.infer([pixels])
        return np.array(request.get_output_tensor(0).data, np.float32)

    return infer, bool(fixed)
