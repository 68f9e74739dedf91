"""From checkpoint to card: what ships gives the training's embeddings, and thresholds mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from app.face.extract import load_extractor
from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.heads import Frontalizer
from app.face.nets.refiner import Refiner
from app.face.weights import load_part, read_card, write_card
from training.branch import pixels
from training.export import export, save_weights
from training.thresholds import threshold_table

SMALL = {"width": 16, "dims": [8, 16, 16, 24], "depths": [1, 1, 2, 1]}


@pytest.fixture
def landmarks(tmp_path: Path) -> Path:
    folder = tmp_path / "landmarks"
    save_weights(Refiner().state_dict(), folder / "refiner.safetensors")
    part = {"architecture": "refiner", "kwargs": {}, "file": "refiner.safetensors"}
    write_card(
        folder,
        {
            "name": "landmarks",
            "kind": "landmarks",
            "parts": {"landmarks": part},
            "input_size": 64,
            "mean": [0.0],
            "std": [1.0],
            "width": 0,
            "thresholds": [],
            "licence": "none",
        },
    )
    return folder


def test_what_ships_embeds_as_training_did(tmp_path: Path, landmarks: Path) -> None:
    torch.manual_seed(0)
    net, g = EdgeNeXt(**SMALL).eval(), Frontalizer(16, 8)  # type: ignore[arg-type]
    facts = {
        "architectures": {
            "extractor": {"architecture": "edgenext", "kwargs": SMALL},
            "frontalizer": {"architecture": "frontalizer", "kwargs": {"width": 16, "hidden": 8}},
        },
        "input_size": 112,
        "mean": [127.5],
        "std": [127.5],
        "width": 16,
        "thresholds": [[1e-3, 0.4]],
        "licence": "none",
    }
    states = {"extractor": net.state_dict(), "frontalizer": g.state_dict()}
    card = export("small", states, facts, landmarks, tmp_path)
    assert read_card(tmp_path / "small") == card
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    with torch.no_grad():
        wanted = F.normalize(net(pixels(crops, torch.device("cpu")))).numpy()
    got = load_extractor(card, "torch").embed(crops)
    assert (got * wanted).sum(axis=1).min() >= 0.9999
    assert isinstance(load_part(card, "landmarks"), Refiner)


def test_thresholds_are_the_quantiles_of_all_non_mated_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((900, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = np.repeat(np.arange(300), 3)
    table, pairs = threshold_table(vectors, people, rates=(1e-1, 1e-2, 1e-3, 1e-9), block=128)
    upper = np.triu(np.ones((900, 900), bool), 1) & (people[:, None] != people[None, :])
    scores = (vectors @ vectors.T)[upper]
    assert pairs == len(scores) == 300 * 299 // 2 * 9
    assert [rate for rate, _ in table] == [1e-1, 1e-2, 1e-3]
    for rate, threshold in table:
        assert (scores >= threshold).mean() <= rate
        assert threshold == pytest.approx(np.quantile(scores, 1 - rate), abs=2e-4)
