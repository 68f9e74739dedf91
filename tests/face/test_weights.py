from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from app.errors import WeightsError
from app.face.nets.heads import Frontalizer
from app.face.weights import card_digest, card_of, find_card, load_part, read_card, write_card


def raw(**changes: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "kind": "extractor",
        "parts": {
            "extractor": {"architecture": "dlib_resnet", "sha256": "ab" * 32},
            "frontalizer": {
                "architecture": "frontalizer",
                "kwargs": {"width": 8, "hidden": 4},
                "file": "frontalizer.safetensors",
            },
        },
        "input_size": 150,
        "mean": [0],
        "std": [1],
        "width": 8,
        "thresholds": [[0.1, 0.2], [0.01, 0.3]],
        "licence": "CC0-1.0",
        **changes,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "weights" / "small"
    place.mkdir(parents=True)
    save_file(Frontalizer(8, 4).half().state_dict(), place / "frontalizer.safetensors")
    return place


def test_a_card_written_is_read_back(folder: Path) -> None:
    card = write_card(folder, raw())
    assert read_card(folder) == card
    assert card.model_id == f"small-{card.digest[:8]}"
    assert card.extractor == "dlib_resnet-abababab"
    assert [path.name for path in sorted(folder.iterdir())] == ["card.json", "frontalizer.safetensors"]


def test_a_card_is_found_by_its_id_and_by_its_name(folder: Path) -> None:
    card = write_card(folder, raw())
    assert find_card(card.model_id, [folder.parent]) == card
    assert find_card("small", [folder.parent / "missing", folder.parent]) == card
    with pytest.raises(WeightsError, match=card.model_id):
        find_card("other", [folder.parent])


def test_float16_on_disk_is_float32_in_memory(folder: Path) -> None:
    network = load_part(write_card(folder, raw()), "frontalizer")
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert not network.training


def test_altered_weights_are_refused(folder: Path) -> None:
    card = write_card(folder, raw())
    path = folder / "frontalizer.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="altered"):
        load_part(card, "frontalizer")
    path.unlink()
    with pytest.raises(WeightsError, match="missing"):
        load_part(card, "frontalizer")


def test_a_card_change_is_another_model(folder: Path) -> None:
    assert write_card(folder, raw()).model_id != write_card(folder, raw(thresholds=[[0.1, 0.25]])).model_id


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    card = raw()
    assert card_digest(card) == card_digest(dict(reversed(card.items())))


@pytest.mark.parametrize(
    "changes",
    [
        {"thresholds": [[0.1, 0.3], [0.01, 0.2]]},
        {"width": "wide"},
        {"parts": {"extractor": {}}},
        {"parts": {"nose": {"architecture": "x", "sha256": "y"}}},
        {"parts": None},
        {"licence": None, "mean": None},
    ],
)
def test_ill_formed_cards(changes: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="ill-formed"):
        card_of(raw(**changes))


def test_a_card_that_is_no_json(folder: Path) -> None:
    (folder / "card.json").write_text("{")
    with pytest.raises(WeightsError, match="card"):
        read_card(folder)


def test_nothing_is_written_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        write_card(tmp_path, raw())
    assert list(tmp_path.iterdir()) == []


def test_unknown_architectures_and_arguments(folder: Path) -> None:
    for part in ({"architecture": "perceptron"}, {"architecture": "frontalizer", "kwargs": {"depth": 3}}):
        whole = raw()
        whole["parts"]["frontalizer"] = {**part, "file": "frontalizer.safetensors"}
        card = write_card(folder, whole)
        with pytest.raises(WeightsError):
            load_part(card, "frontalizer")


def test_the_card_on_disk_is_plain_json(folder: Path) -> None:
    write_card(folder, raw())
    written = json.loads((folder / "card.json").read_text())
    assert len(written["parts"]["frontalizer"]["sha256"]) == 64
