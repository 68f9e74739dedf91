"""E's last feature maps of crops, computed once and kept: what heads on a frozen extractor are trained on.

``CACHE/<set>_<extractor>.map.npy`` is float16 [n, channels, h, w] of the rows in ``<set>_<extractor>.rows.npy``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import track

from app.errors import WeightsError
from app.face.extract import load_extractor
from app.face.nets.edgenext import EdgeNeXt
from app.face.weights import ModelCard, load_part
from training.embeddings import CENTRE

MapOf = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Crops uint8 [n, 112, 112, 3] RGB to E's last feature maps float32 [n, channels, h, w]."""


def frozen_extractor(card: ModelCard) -> EdgeNeXt:
    """E of a card. Raises ``WeightsError`` for an architecture without feature maps."""
    network = load_part(card, "extractor")
    if not isinstance(network, EdgeNeXt):
        raise WeightsError(f"{card.name} has no feature maps: {card.parts['extractor'].architecture}")
    return network


def map_of(card: ModelCard) -> MapOf:
    """E's maps as the engine gets them, on one thread. Raises ``WeightsError`` for an extractor without maps."""
    extractor = load_extractor(card)

    def maps(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = extractor.look(crops)[1]
        if found is None:
            raise WeightsError(f"{card.name} has no feature maps")
        return found

    return maps


def embeddings_of(extractor: EdgeNeXt, maps: NDArray[np.float16], batch: int = 1024) -> NDArray[np.float32]:
    """E's unit embeddings float32 [n, width] of its maps."""
    with torch.inference_mode():
        parts = [
            F.normalize(extractor.head(torch.from_numpy(maps[at : at + batch].astype(np.float32)))).numpy()
            for at in range(0, len(maps), batch)
        ]
    return np.concatenate(parts)


def cached_maps(
    crops: Path, cache: Path, extractor: str, maps: Callable[[], MapOf], rows: NDArray[np.int64], chunk: int = 512
) -> NDArray[np.float16]:
    """Maps float16 [len(rows), channels, h, w] of these rows of a crop file, memory-mapped from ``cache``.

    ``maps`` makes the extractor, only where something is to be computed. The cache is trusted when it holds the
    same rows and is not older than the crops.
    """
    kept, index = cache / f"{crops.stem}_{extractor}.map.npy", cache / f"{crops.stem}_{extractor}.rows.npy"
    fresh = kept.exists() and index.exists() and kept.stat().st_mtime >= crops.stat().st_mtime
    if fresh and np.array_equal(np.load(index), rows):
        return np.load(kept, mmap_mode="r")
    cache.mkdir(parents=True, exist_ok=True)
    pictures, run = np.load(crops, mmap_mode="r"), maps()
    out: np.memmap[Any, np.dtype[np.float16]] | None = None
    partial = kept.with_suffix(".part.npy")
    for start in track(range(0, len(rows), chunk), f"{crops.stem} maps"):
        part = rows[start : start + chunk]
        found = run(np.ascontiguousarray(pictures[part][:, CENTRE, CENTRE]))
        if out is None:
            out = np.lib.format.open_memmap(partial, "w+", np.float16, (len(rows), *found.shape[1:]))
        out[start : start + len(part)] = found
    if out is None:
        raise ValueError(f"no rows of {crops.stem} were asked for")
    out.flush()
    index.unlink(missing_ok=True)
    partial.replace(kept)
    np.save(index, rows)
    return np.load(kept, mmap_mode="r")
