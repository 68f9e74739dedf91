from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from app.face.nets.edgenext import EdgeNeXt
from app.face.patterns import patterns
from training.checkpoint import Run
from training.occlusion import (
    MARGIN,
    SCALE,
    Config,
    covered_share,
    fit,
    pattern_loss,
    rate_at,
    recognition_loss,
)
from training.occlusion_card import Answers, stricter, worn_threshold
from training.occlusion_maps import TAP, Maps


def test_bare_pictures_come_first() -> None:
    shares = [covered_share(step, 90, 0.6) for step in range(90)]
    assert shares[0] == pytest.approx(0.3)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.6)


def test_the_rate_rises_and_then_falls_to_nothing() -> None:
    rates = [rate_at(step, 400) for step in range(400)]
    top = int(np.argmax(rates))
    assert top == pytest.approx(20, abs=1)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] < 0.06
    assert rates[-1] < 0.001


NOBODY = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


def test_recognition_of_orthogonal_people_in_closed_form() -> None:
    bare = torch.eye(4)
    expected = -torch.log_softmax(torch.tensor([SCALE * (1 - MARGIN), 0.0, 0.0, 0.0]), dim=0)[0]
    assert recognition_loss(bare, bare, torch.arange(4), *NOBODY).item() == pytest.approx(expected.item(), abs=1e-6)
    two, many = bare[:2], bare[2:]
    apart = recognition_loss(two, two, torch.arange(2), many, torch.tensor([8, 9]))
    assert apart.item() == pytest.approx(expected.item(), abs=1e-6), "whether in the batch or beside it"


def test_another_picture_of_the_same_person_is_no_stranger() -> None:
    bare = F.normalize(torch.ones(2, 4))
    assert recognition_loss(bare, bare, torch.tensor([5, 5]), *NOBODY).item() == pytest.approx(0, abs=1e-6)
    assert recognition_loss(bare, bare, torch.tensor([5, 6]), *NOBODY).item() > 1
    many = (bare, torch.tensor([5, 5]))
    assert recognition_loss(bare, bare, torch.tensor([5, 5]), *many).item() == pytest.approx(0, abs=1e-6)


def test_a_pattern_that_fits_nearly_as_well_is_nearly_as_right() -> None:
    overlaps = torch.zeros(1, patterns() - 1)
    overlaps[0, 9], overlaps[0, 10] = 0.80, 0.79

    def loss(at: int, pattern: int = 10) -> float:
        logits = torch.zeros(1, patterns())
        logits[0, at] = 8.0
        return pattern_loss(logits, torch.tensor([pattern]), overlaps).item()

    assert loss(10) < loss(11) < loss(50)
    assert loss(0, 0) < loss(10, 0)


def test_a_training_goes_on_from_its_checkpoint_to_the_same_end(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n, v = 12, 3
    bare = rng.standard_normal((n, v, 192), np.float32)
    held_out = np.arange(n) >= 9
    maps = Maps(
        (rng.standard_normal((n, v, 100, 7, 7), np.float32).astype(np.float16),),
        bare / np.linalg.norm(bare, axis=2, keepdims=True),
        rng.uniform(0, 1, (n, v, 14, 14)).astype(np.float16),
        rng.integers(0, patterns(), (n, v)),
        rng.random((n, v)) < 0.5,
        np.arange(n) // 2,
        held_out,
    )
    torch.manual_seed(0)
    extractor = EdgeNeXt(192).eval()
    config = Config(steps=3, batch=4, many=8)
    straight = fit(maps, extractor, None, config, Run(tmp_path / "straight", every=0))
    assert straight.blocks == TAP
    again = fit(maps, extractor, None, config, Run(tmp_path / "straight", every=0))
    for name, value in straight.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not torch.equal(straight.embed.weight, extractor.embed.weight), "the head learns, too"


def test_the_worn_threshold_parts_what_can_be_parted() -> None:
    chance = np.array([0.1, 0.2, 0.7, 0.9], np.float32)
    threshold = worn_threshold(chance, np.array([False, False, True, True]))
    assert 0.2 <= threshold <= 0.7


def test_thresholds_never_fall_with_what_is_covered() -> None:
    rng = np.random.default_rng(0)
    bare = rng.normal(size=(300, 8)).astype(np.float32)
    bare /= np.linalg.norm(bare, axis=1, keepdims=True)
    alike = np.asarray(bare * 0.2 + np.array([1] + [0] * 7), np.float32)
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    covered = rng.uniform(0, 1, 300).astype(np.float32)
    zeros = np.zeros(300, np.float32)
    view = Answers(bare, bare, alike, zeros, zeros, covered, np.zeros(300, np.int64))
    rows = stricter([view], bare, np.arange(300))
    assert rows[0] == (0.0, 0.0)
    assert [more for _, more in rows] == sorted(more for _, more in rows)
    assert rows == sorted(rows)
