"""What a mask decoder is worth on people whom nobody trained on, and the thresholds that follow: its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from app.face.extract import unit
from app.face.nets.occlusion import OcclusionNet
from app.face.occlusion import covered_part, mixed
from app.face.patterns import overlap
from app.face.weights import ModelCard
from training.occlusion_maps import Maps
from training.protocols import cross_pairs

Floats = NDArray[np.float32]

BINS: Final = (0.1, 0.25, 0.4, 0.6)
"""Where the bins of the covered part begin that get thresholds of their own."""
RATES: Final = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Over pictures [n]: unit embeddings [n, width] masked, as served, and served and turned by G; chances [n] that
    something covers the face and that a face mask is worn; the covered part [n]; the pattern's index [n]."""

    masked: Floats
    served: Floats
    turned: Floats
    occluded: Floats
    worn: Floats
    covered: Floats
    pattern: NDArray[np.int64]


def answers(network: OcclusionNet, g: nn.Module | None, embeddings: Floats, maps: NDArray[np.floating]) -> Answers:
    """Of E's unit embeddings [n, width] and maps [n, c, 7, 7], as ``app.face.occlusion.Unmasker`` serves them."""
    parts: list[tuple[Floats, ...]] = []
    with torch.inference_mode():
        for at in range(0, len(maps), 128):
            found = network(torch.from_numpy(maps[at : at + 128].astype(np.float32)))
            parts.append(tuple(one.numpy() for one in found))
        raw, cells, chance, pattern = (np.concatenate(one) for one in zip(*parts, strict=True))
        masked = unit(raw)
        served = mixed(embeddings, masked, chance[:, 0])
        turned = served if g is None else g(torch.from_numpy(served)).numpy()
    return Answers(
        masked, served, turned, chance[:, 0], chance[:, 1], covered_part(cells), pattern.argmax(axis=1).astype(np.int64)
    )


def stricter(views: Sequence[Answers], bare: Floats, people: NDArray[np.int64]) -> list[tuple[float, float]]:
    """Rows (covered part, cosine to add) that keep the false match rate that bare pairs have, never falling.

    ``views`` are covered pictures of the same ``people`` [n] as ``bare`` [n, width], which are turned by G. For each
    bin of the covered part the largest rise of a threshold over ``RATES`` counts; a rate that fewer than ten
    non-mated pairs of a bin would carry is left out.
    """
    covered = np.concatenate([view.covered for view in views])
    probes, owners = np.concatenate([view.turned for view in views]), np.tile(people, len(views))
    base = _thresholds(bare, bare, people, people)
    rows = [(0.0, 0.0)]
    for low, high in zip(BINS, [*BINS[1:], 1.01], strict=True):
        inside = (covered >= low) & (covered < high)
        here = _thresholds(probes[inside], bare, owners[inside], people)
        rise = [here[rate] - base[rate] for rate in here]
        rows.append((round((low + min(high, 0.8)) / 2, 3), round(max([rows[-1][1], *rise]), 4)))
    return rows


def _thresholds(
    probes: Floats, gallery: Floats, people: NDArray[np.int64], others: NDArray[np.int64]
) -> dict[float, float]:
    return dict(cross_pairs(probes, gallery, people, others).threshold_table(RATES))


def worn_threshold(chance: Floats, worn: NDArray[np.bool_]) -> float:
    """The chance from which a face mask counts as worn: where misses and false alarms are as frequent."""
    order = np.argsort(chance)
    missed = np.cumsum(worn[order]) / max(1, int(worn.sum()))
    alarms = 1 - np.cumsum(~worn[order]) / max(1, int((~worn).sum()))
    return round(float(np.clip(chance[order][np.argmax(missed >= alarms)], 0.01, 0.99)), 4)


def measured(view: Answers, own: Floats, bare: Floats, pattern: NDArray[np.int64]) -> dict[str, float]:
    """Figures of one view of held-out faces. ``own`` [n, width] is E's of it, ``bare`` of the bare picture."""
    overlaps = [overlap(int(a), int(b)) for a, b in zip(view.pattern, pattern, strict=True)]
    figures = {
        "cosine to E of the bare picture, E": float((own * bare).sum(axis=1).mean()),
        "the same, served": float((view.served * bare).sum(axis=1).mean()),
        "pattern top-1": float((view.pattern == pattern).mean()),
        "pattern mean IoU": float(np.mean(overlaps)),
        "said to be covered": float((view.occluded >= 0.5).mean()),
    }
    return {name: round(value, 4) for name, value in figures.items()}


def card_of_run(card: ModelCard, maps: Maps, network: OcclusionNet, g: nn.Module | None) -> dict[str, Any]:
    """A card for ``write_card``, calibrated and measured on the people held out. ``card`` is the extractor's."""
    rows = np.flatnonzero(maps.held_out)
    people, bare = maps.person[rows], maps.embeddings[rows, 0]
    views = [answers(network, g, maps.embeddings[rows, v], maps.at(rows, v)) for v in range(maps.worn.shape[1])]
    worn = worn_threshold(np.concatenate([view.worn for view in views]), maps.worn[rows].T.ravel())
    covers = range(1, len(views))
    return {
        "name": "occlusion",
        "kind": "occlusion",
        "fits": card.extractor,
        "calibration": {"worn": worn, "stricter": stricter(views[1:], views[0].turned, people)},
        "input_size": 7,
        "mean": [0.0],
        "std": [1.0],
        "width": card.width,
        "thresholds": [],
        "training_data": [
            "the pictures that its extractor was trained on, bare and under drawn covers and face-mask templates (MIT)"
        ],
        "split_hashes": dict(card.split_hashes),
        "teachers": [{"name": card.extractor, "of": "the embedding of the bare picture", "licence": card.licence}],
        "metrics": [
            {"what": "held-out people, bare", **measured(views[0], bare, bare, maps.pattern[rows, 0])},
            *(
                {
                    "what": "held-out people, covered",
                    **measured(views[v], maps.embeddings[rows, v], bare, maps.pattern[rows, v]),
                }
                for v in covers
            ),
        ],
        "limits": "Covers were painted: real ones have folds, shadows and see-through parts. A face that is half "
        "covered keeps half of what tells it from others; what is hidden is not invented.",
        "licence": card.licence,
        "parts": {
            "estimator": {
                "architecture": "occlusion",
                "kwargs": {"width": card.width, "blocks": network.blocks},
                "file": "estimator.safetensors",
            }
        },
    }
