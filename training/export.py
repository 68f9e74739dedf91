"""A finished run becomes a model that ships: float16 safetensors and the card that vouches for them.

    python -m training.export --run RUN --frontalizer G.pt --facts FACTS.json --out app/weights

The FMR -> threshold table is measured here, from frontalized embeddings of people that no training saw.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from app.face.weights import ModelCard, read_card, write_card

TABLE_FMR = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
"""False match rates at which a card gives a threshold."""


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in float16, contiguous, as they are stored."""
    return {name: value.detach().to(torch.float16).contiguous() for name, value in state.items()}


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(half(state), path)


def threshold_table(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], rates: Iterable[float] = TABLE_FMR, block: int = 1000
) -> tuple[list[tuple[float, float]], int]:
    """(FMR, threshold) pairs from all non-mated pairs of unit rows [n, m], and how many pairs there were.

    Rates that fewer than ten scores support are left out. A pair matches when its score >= threshold.
    """
    edges = np.linspace(-1, 1, 40_001)
    counts = np.zeros(len(edges) - 1, np.int64)
    for start in range(0, len(embeddings), block):
        rows = slice(start, start + block)
        scores = embeddings[rows] @ embeddings.T
        later = np.arange(len(embeddings))[None, :] > np.arange(start, start + len(scores))[:, None]
        apart = later & (people[rows, None] != people[None, :])
        counts += np.histogram(scores[apart], edges)[0]
    total = int(counts.sum())
    above = counts[::-1].cumsum()[::-1] / max(total, 1)
    table = [(rate, round(float(edges[np.argmax(above <= rate)]), 4)) for rate in rates if rate * total >= 10]
    return table, total


def export(
    name: str, branch: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any], landmarks: Path, out: Path
) -> ModelCard:
    """Write ``out/<name>/``: extractor, frontalizer (where there is one), landmark refiner, and the card.

    ``branch`` maps a part to its state dict; ``facts`` is the rest of the card, with ``architectures`` that
    name each part's network and arguments. ``landmarks`` is the refiner's folder, whose part is taken over.
    """
    folder = out / name
    refiner = read_card(landmarks)
    part = refiner.parts["landmarks"]
    parts: dict[str, dict[str, Any]] = {}
    for kind, state in branch.items():
        save_weights(state, folder / f"{kind}.safetensors")
        parts[kind] = {**facts["architectures"][kind], "file": f"{kind}.safetensors"}
    shutil.copyfile(landmarks / str(part.file), folder / "landmarks.safetensors")
    parts["landmarks"] = {
        "architecture": part.architecture,
        "kwargs": dict(part.kwargs),
        "file": "landmarks.safetensors",
    }
    card = {key: value for key, value in facts.items() if key != "architectures"}
    return write_card(folder, {"name": name, "kind": "extractor", **card, "parts": parts})
