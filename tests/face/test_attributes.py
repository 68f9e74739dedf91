from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import AttributeUnavailable
from app.face.attributes import Estimators, Look, Place, find_estimators
from app.face.engine import Engine
from app.face.faces import Attributes, Detection
from app.face.weights import write_card


class Nothing:
    def estimate(self, looks: Sequence[Look]) -> Sequence[object]:
        return [None for _ in looks]


def look() -> Look:
    crop = np.zeros((112, 112, 3), np.uint8)
    return Look(crop, Detection((0, 0, 9, 9), np.zeros((5, 2), np.float32), 1.0), crop, None)


def card(folder: Path, name: str, kind: str, fits: str) -> None:
    (folder / name).mkdir(parents=True)
    fields: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "fits": fits,
        "parts": {},
        "input_size": 112,
        "mean": [0],
        "std": [1],
        "width": 0,
        "thresholds": [],
        "licence": "CC0-1.0",
    }
    write_card(folder / name, fields)


def test_cards_are_found_by_kind_and_by_the_extractor_they_fit(tmp_path: Path) -> None:
    loaders = {"age": lambda card, place: Nothing(), "gaze": lambda card, place: Nothing()}
    card(tmp_path / "a", "other-age", "age", "edgenext-11111111")
    card(tmp_path / "b", "age", "age", "edgenext-22222222")
    card(tmp_path / "b", "gaze", "gaze", "")
    card(tmp_path / "b", "taste", "taste", "")
    found = find_estimators("edgenext-22222222", [tmp_path / "a", tmp_path / "b"], loaders)
    assert {kind: one.name for kind, one in found.items()} == {"age": "age", "gaze": "gaze"}
    assert set(find_estimators("resnet-33333333", [tmp_path / "a", tmp_path / "b"], loaders)) == {"gaze"}


def test_an_estimator_is_loaded_once_and_only_when_asked_for(tmp_path: Path) -> None:
    loaded = []

    def load(card: Any, place: Place) -> Nothing:
        loaded.append(card.name)
        return Nothing()

    card(tmp_path, "age", "age", "")
    loaders = {"age": load}
    estimators = Estimators(find_estimators("x", [tmp_path], loaders), Place(), loaders)
    assert estimators.add(frozenset(), [Attributes()], [look()]) == [Attributes()]
    assert loaded == []
    threads = [Thread(target=estimators._estimator, args=("age",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["age"]


def test_what_is_not_there_is_said(engine: Engine, astronaut: NDArray[np.uint8]) -> None:
    with pytest.raises(AttributeUnavailable, match=r"gaze: .* it has: age"):
        Estimators({"age": engine.card}, Place()).require({"gaze"})
    with pytest.raises(AttributeUnavailable, match="gaze"):
        engine.pictures([astronaut], frozenset({"gaze"}))
