from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.engine import Engine
from app.face.extract import unit
from app.face.grown import load_grower
from app.face.nets.age import AgeSeparation
from app.face.nets.conversion import AdultConversion
from app.face.weights import SHIPPED, ModelCard, read_card, write_card
from training.export import save_weights

FACTS = {"input_size": 112, "mean": [0], "std": [1], "width": 192, "thresholds": [], "licence": "CC0-1.0"}


def card_with(
    folder: Path, conversion: torch.nn.Module | None, none: float = 22.0, fits: str = "edgenext-00000000"
) -> ModelCard:
    """An age card whose ages are noise, so that there are young and old faces among noise."""
    torch.manual_seed(0)
    kwargs = {"width": 192, "channels": 192}
    save_weights(AgeSeparation(**kwargs).state_dict(), folder / "age.safetensors")
    parts = {"estimator": {"architecture": "age_separation", "kwargs": kwargs, "file": "age.safetensors"}}
    if conversion is not None:
        save_weights(conversion.state_dict(), folder / "conversion.safetensors")
        shape = {"width": 192, "cells": 1728, "full": none - 4, "none": none}
        parts["conversion"] = {"architecture": "adult_conversion", "kwargs": shape, "file": "conversion.safetensors"}
    return write_card(folder, {"name": "age-test", "kind": "age", "fits": fits, "parts": parts, **FACTS})


def moving() -> AdultConversion:
    conversion = AdultConversion()
    with torch.no_grad():
        conversion.change.bias.fill_(0.05)
    return conversion


def test_only_the_young_are_changed_and_none_by_who_stands_beside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    embeddings = unit(rng.standard_normal((40, 192)).astype(np.float32))
    maps = rng.standard_normal((40, 192, 3, 3)).astype(np.float32)
    grower = load_grower(card_with(tmp_path, moving(), none=50.0))
    assert grower is not None
    together = grower.grow(embeddings, maps)
    alone = np.concatenate([grower.grow(embeddings[i : i + 1], maps[i : i + 1]) for i in range(40)])
    assert np.array_equal(together, alone)
    same = (together == embeddings).all(axis=1)
    assert 0 < same.sum() < 40
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_the_engine_grows_children_whom_nothing_covers_and_its_model_id_says_so(
    tmp_path: Path, cache: Path, astronaut: NDArray[np.uint8]
) -> None:
    """With a gate that lets everybody through, the astronaut counts as a child; with one at no age, nobody does."""
    fits = read_card(SHIPPED / "fast").extractor
    models, faces, asked = [], [], []
    for name, none in (("nobody", -1.0), ("everybody", 500.0)):
        card_with(tmp_path / name / "age", moving(), none=none, fits=fits)
        engine = Engine.load(cache, "fast", [tmp_path / name], runtime="torch")
        assert (engine.extractor, "age" in engine.attributes) == (fits, True)
        models.append(engine.model_id)
        faces.append(engine.pictures([astronaut])[0].faces[0].embedding)
        asked.append(engine.pictures([astronaut], frozenset({"age"}))[0].faces[0].embedding)
    assert models[0] != models[1]
    assert not np.array_equal(*faces)
    assert np.array_equal(faces, asked)


def test_no_face_is_no_trouble(tmp_path: Path) -> None:
    grower = load_grower(card_with(tmp_path, moving()))
    assert grower is not None
    empty = grower.grow(np.empty((0, 192), np.float32), np.empty((0, 192, 3, 3), np.float32))
    assert empty.shape == (0, 192)


def test_a_card_without_conversion_grows_nobody(tmp_path: Path) -> None:
    assert load_grower(card_with(tmp_path, None)) is None


def test_another_network_in_its_place_is_refused(tmp_path: Path) -> None:
    card = card_with(tmp_path, moving())
    with pytest.raises(WeightsError, match="conversion"):
        load_grower(replace(card, parts={**card.parts, "estimator": card.parts["conversion"]}))
