from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import WeightsError
from app.face.age import load_age
from app.face.attributes import Look, Place
from app.face.faces import Detection
from app.face.nets.age import AgeSeparation
from app.face.weights import ModelCard, write_card
from training.export import save_weights


def look(features: np.ndarray | None) -> Look:
    crop = np.zeros((112, 112, 3), np.uint8)
    return Look(crop, Detection((0, 0, 9, 9), np.zeros((5, 2), np.float32), 1.0), crop, features)


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    torch.manual_seed(0)
    kwargs = {"width": 192, "channels": 192}
    save_weights(AgeSeparation(**kwargs).state_dict(), tmp_path / "age.safetensors")
    part = {"architecture": "age_separation", "kwargs": kwargs, "file": "age.safetensors"}
    facts = {"input_size": 112, "mean": [0], "std": [1], "width": 192, "thresholds": [], "licence": "CC0-1.0"}
    return write_card(tmp_path, {"name": "age-test", "kind": "age", "parts": {"estimator": part}, **facts})


def test_an_age_lies_in_its_interval_whatever_faces_stand_beside(card: ModelCard) -> None:
    estimator = load_age(card, Place())
    maps = np.random.default_rng(0).standard_normal((5, 192, 3, 3)).astype(np.float32)
    together = estimator.estimate([look(one) for one in maps])
    assert together == [estimator.estimate([look(one)])[0] for one in maps]
    assert all(0 <= one.low <= one.years <= one.high for one in together)
    assert len({one.years for one in together}) == 5


def test_an_extractor_that_shows_no_map_is_refused(card: ModelCard) -> None:
    with pytest.raises(WeightsError, match="last map"):
        load_age(card, Place()).estimate([look(None)])
