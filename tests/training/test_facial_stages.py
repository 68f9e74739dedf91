"""Every trainer learns one small batch by heart, and goes on where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from app.face.nets.facial_parameters import FIRST_UNIT, GRID, OUTPUTS, SIDE, FacialParameters
from training import facial_stages
from training.facial_losses import Weights
from training.facial_stages import Photographs, Schedule, estimates
from training.imitator import Imitator
from training.render_sets import RenderSet

pytestmark = pytest.mark.slow


def faces(count: int = 4) -> RenderSet:
    """Blobs whose places and colours say y."""
    rng = np.random.default_rng(0)
    y = rng.normal(0, 0.5, (count, OUTPUTS)).astype(np.float32)
    y[:, FIRST_UNIT:] = rng.random((count, OUTPUTS - FIRST_UNIT))
    images = np.repeat(np.repeat(rng.integers(0, 255, (count, 4, 4, 3), np.uint8), SIDE // 4, 1), SIDE // 4, 2)
    labels = np.repeat(np.repeat(rng.integers(0, 11, (count, 4, 4), np.uint8), GRID // 4, 1), GRID // 4, 2)
    return RenderSet(images, labels, y, rng.uniform(-0.8, 0.8, (count, 68, 2)).astype(np.float32))


def figures(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def units_missed(network: FacialParameters, known: RenderSet) -> float:
    return float(np.abs(estimates(network, known.images)[:, FIRST_UNIT:] - known.y[:, FIRST_UNIT:]).mean())


def test_warm_up_learns_a_batch_and_resumes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    known, network = faces(), FacialParameters()
    modes = torch.ones(FIRST_UNIT - 2)
    before = units_missed(network, known)
    facial_stages.warm_up(network, [known], modes, Schedule(60, 4, bfloat16=False)).run(tmp_path)
    again = FacialParameters()
    facial_stages.warm_up(again, [known], modes, Schedule(120, 4, bfloat16=False)).run(tmp_path)
    steps = [line["step"] for line in figures(tmp_path)]
    assert 60 in steps
    assert steps[-1] == 120
    assert steps == sorted(set(steps))
    assert units_missed(again, known) < 0.6 * before


def test_the_imitator_learns_a_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    known, imitator = faces(), Imitator()
    facial_stages.imitate(imitator, FacialParameters().parsing, known, Schedule(80, 4, bfloat16=False)).run(tmp_path)
    imitator.eval()
    with torch.no_grad():
        drawn = imitator(torch.from_numpy(known.y))
    wanted = (torch.from_numpy(known.images).permute(0, 3, 1, 2).float() - 127.5) / 64
    assert (drawn - wanted).abs().mean() < 0.4 * (wanted - wanted.mean(dim=0)).abs().mean()


def test_adapting_lowers_the_five_losses_and_moves_r_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    known, network, imitator = faces(), FacialParameters(), Imitator()
    photographs = Photographs(known.images, np.ones((4, 3), np.float32))
    parsing = {name: value.clone() for name, value in network.parsing.state_dict().items()}
    stage = facial_stages.adapt(
        network, imitator, lambda x: x.mean(dim=(2, 3)), photographs, Weights(), Schedule(30, 4, 1e-3, bfloat16=False)
    )
    network.eval()
    first = sum(float(term.detach()) for term in stage.losses(0).values())
    stage.run(tmp_path)
    last = sum(float(term.detach()) for term in stage.losses(0).values())
    assert last < first
    for name, value in network.parsing.state_dict().items():
        torch.testing.assert_close(value, parsing[name], rtol=0, atol=0)
