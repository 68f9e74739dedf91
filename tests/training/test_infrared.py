"""Method E: what must hold before training, and a little training on made-up pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.heads import MarginSoftmax
from app.face.nets.infrared import infrared_extractor
from app.face.spectrum import decide, is_colourless
from training.branch import pixels
from training.checkpoint import Run
from training.data.near_infrared import TRAINING, grey, near_infrared
from training.spectra import CPU, Config, Pictures, entry_like, fit, loss_of

torch.set_num_threads(1)

SMALL = Config(steps=24, batch=12, rate=3e-3)


def visible() -> EdgeNeXt:
    torch.manual_seed(2)
    return EdgeNeXt(16, dims=(8, 12, 16, 24), depths=(1, 1, 1, 1), scales=(1, 1, 1, 1)).eval().requires_grad_(False)


def coloured(number: int = 24) -> np.ndarray:
    """Smooth coloured pictures, uint8 [n, 128, 128, 3]."""
    rng = np.random.default_rng(3)
    small = rng.integers(40, 220, (number, 8, 8, 3)).astype(np.uint8)
    return np.repeat(np.repeat(small, 16, axis=1), 16, axis=2)


def pictures(network: EdgeNeXt) -> Pictures:
    crops = coloured()
    with torch.inference_mode():
        embedding = F.normalize(network(pixels(crops[:, 8:120, 8:120], CPU))).numpy()
    rows = np.arange(len(crops))
    return Pictures((crops,), np.zeros(len(crops), np.int64), rows, embedding, np.where(rows < 16, rows // 4, -1))


def test_before_training_the_infrared_network_is_the_visible_one() -> None:
    network = visible()
    entry = entry_like(network)
    entry.start_at(network)
    x = torch.randn(3, 3, 112, 112)
    with torch.inference_mode():
        assert torch.equal(infrared_extractor(entry, network)(x), network(x))


def test_late_layers_are_the_visible_networks_own_and_only_the_entry_is_trained(tmp_path: Path) -> None:
    network = visible()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    entry = fit(pictures(network), network, replace(SMALL, steps=3), Run(tmp_path))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    whole = infrared_extractor(entry, network)
    assert whole.units[len(entry.units)] is network.units[len(entry.units)]
    assert not torch.equal(entry.units[0][0].weight, network.units[0][0].weight)  # type: ignore[index,union-attr]


def test_infrared_that_embeds_where_visible_does_costs_nothing_but_the_classifier() -> None:
    here = F.normalize(torch.randn(6, 16))
    people = torch.tensor([0, 0, 1, 1, -1, -1])
    classifier = MarginSoftmax(16, 4, "softmax").requires_grad_(False)
    classifier.weight.zero_()
    loss, figures = loss_of(classifier, here, here, people, torch.eye(4, 16), Config(distil=1.0, identity=1.0))
    assert float(loss) == pytest.approx(2 * np.log(4), rel=1e-5)  # log n of each spectrum
    assert figures["cosine"] == pytest.approx(1, abs=1e-6)
    alone, _ = loss_of(classifier, here, here, people, torch.eye(4, 16), Config(distil=0, identity=1, shared=False))
    assert float(alone) == pytest.approx(np.log(4), rel=1e-5)


@pytest.mark.slow
def test_infrared_pictures_come_closer_to_where_visible_ones_are_and_a_run_resumes(tmp_path: Path) -> None:
    network = visible()
    data = pictures(network)

    def apart(entry: torch.nn.Module) -> float:
        crops = [
            near_infrared(data.crop(i)[8:120, 8:120].copy(), TRAINING, np.random.default_rng(i)) for i in range(24)
        ]
        with torch.inference_mode():
            there = F.normalize(infrared_extractor(entry, network)(pixels(np.stack(crops), CPU)))  # type: ignore[arg-type]
        return float(1 - (there.numpy() * data.embedding).sum(axis=1).mean())

    first = entry_like(network)
    first.start_at(network)
    trained = fit(data, network, SMALL, Run(tmp_path))
    assert apart(trained) < apart(first)
    again = fit(data, network, SMALL, Run(tmp_path)).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in trained.state_dict().items())
    with pytest.raises(ValueError, match="another config"):
        fit(data, network, replace(SMALL, pull=1.0), Run(tmp_path))


def test_a_picture_without_colour_is_taken_for_infrared_only_where_asked_to_decide() -> None:
    colour = np.full((112, 112, 3), (200, 150, 120), np.uint8)
    dark = near_infrared(colour, TRAINING, np.random.default_rng(0))
    assert is_colourless(dark)
    assert is_colourless(grey(colour))
    assert not is_colourless(colour)
    assert [decide(asked, dark) for asked in ("auto", "visible", "infrared")] == ["infrared", "visible", "infrared"]
    assert decide("auto", colour) == "visible"
