from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.occlusion import MARGIN, SCALE, covered_share, recognition_loss
from training.occlusion_card import Answers, stricter, worn_threshold


def test_bare_pictures_come_first() -> None:
    shares = [covered_share(step, 90, 0.6) for step in range(90)]
    assert shares[0] == pytest.approx(0.3)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.6)


def test_recognition_of_orthogonal_people_in_closed_form() -> None:
    bare = torch.eye(4)
    expected = -torch.log_softmax(torch.tensor([SCALE * (1 - MARGIN), 0.0, 0.0, 0.0]), dim=0)[0]
    assert recognition_loss(bare, bare, torch.arange(4)).item() == pytest.approx(expected.item(), abs=1e-6)


def test_another_picture_of_the_same_person_is_no_stranger() -> None:
    bare = F.normalize(torch.ones(2, 4))
    assert recognition_loss(bare, bare, torch.tensor([5, 5])).item() == pytest.approx(0, abs=1e-6)
    assert recognition_loss(bare, bare, torch.tensor([5, 6])).item() > 1


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
