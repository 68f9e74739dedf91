from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from app.errors import WeightsError
from app.face.align import align
from app.face.attributes import Place, find_estimators
from app.face.engine import Engine
from app.face.extract import load_extractor, unit
from app.face.nets.occlusion import FINE, OcclusionNet, Overlaps
from app.face.occlusion import FACE_CELLS, REGION_CELLS, SHARE, Stricter, Unmasker, covered_part, load_unmasker, tap_of
from app.face.patterns import nearest_pattern, patterns
from app.face.runtime import Runtime
from app.face.weights import SHIPPED, load_part, read_card, write_card
from training.occlusion_maps import coarse


def net(occluded: float = 0.0) -> OcclusionNet:
    """Nobody trained it; ``occluded`` is the logit of an occlusion that it answers for every face."""
    torch.manual_seed(0)
    network = OcclusionNet().eval()
    with torch.no_grad():
        network.said.weight.zero_()
        network.said.bias.copy_(torch.tensor([occluded, occluded]))
    return network


def write(folder: Path, network: nn.Module, fits: str, **changes: Any) -> Path:
    place = folder / "covers"
    place.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), place / "estimator.safetensors")
    fields: dict[str, Any] = {
        "name": "covers",
        "kind": "occlusion",
        "fits": fits,
        "calibration": {"worn": 0.5, "stricter": [[0.0, 0.0], [0.5, 0.1]]},
        "parts": {"estimator": {"architecture": "occlusion", "kwargs": {}, "file": "estimator.safetensors"}},
        "input_size": 112,
        "mean": [0],
        "std": [1],
        "width": 192,
        "thresholds": [],
        "licence": "CC0-1.0",
        **changes,
    }
    write_card(place, fields)
    return place


def seen(folder: Path, network: nn.Module, runtime: Runtime = "openvino") -> Unmasker:
    return load_unmasker(read_card(write(folder, network, "")), Place(runtime))


@pytest.fixture
def crops(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([astronaut[60:172, 160:272], astronaut[200:312, 200:312]])


def test_a_bare_face_keeps_its_embedding_bit_by_bit(tmp_path: Path, crops: NDArray[np.uint8]) -> None:
    raw, _, before = load_extractor(read_card(SHIPPED / "fast")).stages(crops)
    assert before.shape == (2, 100, 7, 7)
    masked, covers = seen(tmp_path, net(-8.0)).see(raw, before)
    assert (masked == raw).all()
    assert [cover.mask for cover in covers] == [False, False]
    assert max(cover.occluded for cover in covers) < 0.001


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_a_covered_face_gets_the_masked_embedding(tmp_path: Path, runtime: Runtime, crops: NDArray[np.uint8]) -> None:
    raw, _, before = load_extractor(read_card(SHIPPED / "fast")).stages(crops)
    network = net(8.0)
    unmasker = seen(tmp_path, network, runtime)
    masked, covers = unmasker.see(raw, before)
    with torch.inference_mode():
        expected, cells, chance, pattern = network(torch.from_numpy(before))
    together = unit((1 - SHARE) * raw + SHARE * unit(expected.numpy()))
    assert np.allclose(masked, together, atol=1e-5)
    assert np.allclose(np.linalg.norm(masked, axis=1), 1, atol=1e-6)
    assert (masked[:1] == unmasker.see(raw[:1], before[:1])[0]).all(), "whatever the batch"
    for cover, one in zip(covers, cells.numpy(), strict=True):
        assert cover.mask
        assert cover.cells.shape == (FINE, FINE)
        assert cover.covered == pytest.approx(float(covered_part(one)), abs=1e-5)
    assert (chance.shape, pattern.shape) == ((2, 2), (2, patterns()))


@pytest.mark.parametrize("blocks", [0, 3])
def test_it_starts_as_the_extractor_itself(crops: NDArray[np.uint8], blocks: int) -> None:
    card = read_card(SHIPPED / "fast")
    raw, last, before = load_extractor(card, "torch", tap=blocks).stages(crops)
    network = OcclusionNet(blocks=blocks).eval()
    extractor: Any = load_part(card, "extractor")
    network.start_from(extractor)
    with torch.inference_mode():
        assert np.allclose(unit(network.through(torch.from_numpy(before)).numpy()), raw, atol=1e-5)
    assert last.shape == (2, 192, 3, 3)


def test_it_sees_as_another_does_and_embeds_as_it_did(crops: NDArray[np.uint8]) -> None:
    _, _, before = load_extractor(read_card(SHIPPED / "fast")).stages(crops)
    torch.manual_seed(1)
    network, other = OcclusionNet().eval(), OcclusionNet().eval()
    with torch.inference_mode():
        other.gates.bias.fill_(-1.0)
        mine = network(torch.from_numpy(before))
        network.see_as(other)
        after, theirs = network(torch.from_numpy(before)), other(torch.from_numpy(before))
    assert torch.equal(after[0], mine[0])
    for one, another in zip(after[1:], theirs[1:], strict=True):
        assert torch.equal(one, another)


def test_overlaps_are_those_of_the_nearest_pattern() -> None:
    rng = np.random.default_rng(0)
    covered = np.zeros((20, 112, 112), np.bool_)
    for one in covered:
        top, left = rng.integers(0, 70, 2)
        one[top : top + rng.integers(30, 80), left : left + rng.integers(30, 80)] = True
    fine = covered.reshape(20, FINE, 8, FINE, 8).mean(axis=(2, 4)).astype(np.float32)
    found = Overlaps()(torch.from_numpy(fine)).numpy()
    truths = np.array([nearest_pattern(coarse(one)) for one in covered])
    assert found.shape == (20, patterns() - 1)
    assert ((found.argmax(axis=1) + 1) == truths).mean() >= 0.8, "cells of 8 pixels blur the edges a little"
    assert found.max() <= 1


def test_a_card_says_which_map_its_network_takes(tmp_path: Path, cache: Path, astronaut: NDArray[np.uint8]) -> None:
    card, network = read_card(SHIPPED / "fast"), OcclusionNet(blocks=3)
    assert tap_of(None) == 0
    assert tap_of(card) == 0
    part = {"architecture": "occlusion", "kwargs": {"blocks": 3}, "file": "estimator.safetensors"}
    place = write(tmp_path, network, card.extractor, parts={"estimator": part})
    assert tap_of(read_card(place)) == 3
    (face,) = Engine.load(cache, "fast", [tmp_path]).pictures([astronaut])[0].faces
    assert face.occlusion is not None
    crop = align(astronaut, face.detection.landmarks)[None]
    own, _, before = load_extractor(card, tap=3).stages(crop)
    _, (cover,) = load_unmasker(read_card(place), Place()).see(own, before)
    assert cover.occluded == pytest.approx(face.occlusion.occluded, abs=1e-5)


def test_the_parts_of_the_face() -> None:
    assert 0.4 < FACE_CELLS.mean() < 0.7
    cells = np.zeros((FINE, FINE), np.float32)
    assert covered_part(cells) == 0
    cells[9:] = 1
    assert covered_part(cells, REGION_CELLS["mouth"]) == 1
    assert covered_part(cells, REGION_CELLS["eyes"]) == 0
    assert 0.2 < covered_part(cells) < 0.6
    assert covered_part(np.ones((3, FINE, FINE))).tolist() == pytest.approx([1, 1, 1])


def test_stricter_is_linear_between_its_rows() -> None:
    rule = Stricter(((0.0, 0.0), (0.5, 0.1)))
    assert [rule.at(covered) for covered in (0.0, 0.25, 0.5, 0.9)] == pytest.approx([0, 0.05, 0.1, 0.1])
    assert Stricter().at(0.7) == 0


def test_cards_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="calibration"):
        load_unmasker(read_card(write(tmp_path, net(), "", calibration={})), Place())
    with pytest.raises(WeightsError, match="has no estimator"):
        load_unmasker(read_card(SHIPPED / "landmarks-profile"), Place())


def test_the_engine_masks_for_the_extractor_that_the_card_fits(
    tmp_path: Path, cache: Path, astronaut: NDArray[np.uint8]
) -> None:
    card = read_card(SHIPPED / "fast")
    write(tmp_path, net(8.0), card.extractor)
    assert find_estimators(card.extractor, [tmp_path])["occlusion"].name == "covers"
    assert "occlusion" not in find_estimators("edgenext-00000000", [tmp_path])
    engine = Engine.load(cache, "fast", [tmp_path])
    assert "occlusion" in engine.attributes
    assert engine.stricter.at(1.0) == pytest.approx(0.1)
    (face,) = engine.pictures([astronaut])[0].faces
    assert face.attributes.occlusion is None
    assert face.occlusion is not None
    assert face.occlusion.occluded > 0.99
    (asked,) = engine.pictures([astronaut], frozenset({"occlusion"}))[0].faces
    assert asked.attributes.occlusion is not None
    assert (asked.embedding == face.embedding).all()
    write(tmp_path, net(8.0), card.extractor, calibration={"worn": 0.6, "stricter": [[0.0, 0.0]]})
    other = Engine.load(cache, "fast", [tmp_path])
    assert other.model_id != engine.model_id
    assert other.extractor == engine.extractor
