"""Method A's frontalizer: the oracles that need no training, and one that trains a little."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.face.nets.heads import FRONTAL_BIN, POSE_BINS, Frontalizer, MarginSoftmax, PoseClassifier, yaw_bins
from training.frontalization import (
    ABLATIONS,
    Config,
    Features,
    ablation,
    apply,
    critic_loss,
    fit_classifiers,
    frontal_centres,
    gradient_penalty,
    train,
)
from training.frontalizer import fit, mildest, profiles_missed, scaled, split_people, whitened, whitening


def people_seen_from_sides(people: int = 24, each: int = 16, width: int = 32, seed: int = 0) -> Features:
    """A made-up extractor that moves every profile the same way: what a frontalizer can undo."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((people, width))
    who = np.repeat(np.arange(people), each)
    yaw = np.where(
        np.arange(people * each) % 2, rng.uniform(50, 90, people * each), rng.uniform(-10, 10, people * each)
    )
    sideways = rng.standard_normal(width) * 2.5
    vectors = centres[who] + (np.abs(yaw)[:, None] / 90) * sideways + 0.3 * rng.standard_normal((len(who), width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Features(vectors.astype(np.float32), who.astype(np.int64), yaw.astype(np.float32))


@pytest.mark.parametrize("gated", [False, True])
def test_a_new_frontalizer_is_the_identity(gated: bool) -> None:
    x = F.normalize(torch.randn(64, 48, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(Frontalizer(48, gated=gated)(x), x, atol=1e-6)


def test_the_critic_loss_mirrors_the_adversarial_loss_of_the_generator() -> None:
    real, fake = torch.randn(32), torch.randn(32)
    l_adv_g = -fake.mean()
    assert torch.isclose(critic_loss(real, fake), -l_adv_g - real.mean())


def test_gradient_penalty_of_a_linear_critic_has_a_closed_form() -> None:
    class Linear(nn.Module):
        def __init__(self, w: Tensor) -> None:
            super().__init__()
            self.w = nn.Parameter(w)

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.w

    w = torch.tensor([3.0, 0.0, -4.0])
    penalty = gradient_penalty(Linear(w), torch.randn(8, 3), torch.randn(8, 3), torch.rand(8, 1))
    assert float(penalty.detach()) == pytest.approx((5.0 - 1) ** 2, rel=1e-5)


@pytest.mark.parametrize("classes", [2, 11, 250])
def test_uniform_logits_cost_log_n(classes: int) -> None:
    assert float(F.cross_entropy(torch.zeros(7, classes), torch.zeros(7, dtype=torch.long))) == pytest.approx(
        np.log(classes), rel=1e-6
    )


def test_yaw_bins_are_symmetric_and_frontal_is_in_the_middle() -> None:
    yaw = torch.linspace(-90, 90, 181) + 0.01
    assert int(yaw_bins(torch.tensor([0.0]))[0]) == FRONTAL_BIN == POSE_BINS // 2
    assert torch.equal(yaw_bins(yaw), POSE_BINS - 1 - yaw_bins(-yaw))


@pytest.mark.parametrize("kind", ["cosface", "arcface", "softmax"])
def test_margins_lower_only_the_true_class(kind: str) -> None:
    classifier = MarginSoftmax(8, 5, kind)
    x, labels = torch.randn(6, 8), torch.tensor([0, 1, 2, 3, 4, 0])
    plain, moved = classifier(x), classifier(x, labels)
    true = F.one_hot(labels, 5).bool()
    assert torch.allclose(plain[~true], moved[~true], atol=1e-5)
    if kind == "softmax":
        assert torch.allclose(plain, moved)
    elif kind == "cosface":
        assert torch.allclose(plain[true] - moved[true], torch.full((6,), 0.3 * 32), atol=1e-4)
    else:
        angle = (plain[true] / 32).clamp(-1, 1).acos() + 0.3
        assert torch.allclose(moved[true], 32 * angle.cos(), atol=1e-3)


def test_the_classifiers_stay_bit_identical() -> None:
    data = people_seen_from_sides()
    classifiers = fit_classifiers(data, steps=30)
    before = {k: v.clone() for k, v in classifiers.state_dict().items()}
    train(data, classifiers, Config(steps=20, batch=64, hidden=32))
    assert all(torch.equal(before[k], v) for k, v in classifiers.state_dict().items())


@pytest.mark.parametrize("lipschitz", ["penalty", "clip"])
def test_it_brings_profiles_to_the_frontal_features_of_people_it_never_saw(lipschitz: str) -> None:
    seen, unseen = people_seen_from_sides(seed=0), people_seen_from_sides(seed=0)
    split = 16 * 16
    seen = Features(seen.embeddings[:split], seen.people[:split], seen.yaw[:split])
    g = train(seen, fit_classifiers(seen, steps=100), Config(steps=150, batch=128, hidden=64, lipschitz=lipschitz))
    test = Features(unseen.embeddings[split:], unseen.people[split:] - 16, unseen.yaw[split:])
    centres, _ = frontal_centres(test)
    profiles = ~test.frontal
    before = (test.embeddings[profiles] * centres[test.people[profiles]]).sum(axis=1).mean()
    after = (apply(g, test.embeddings[profiles]) * centres[test.people[profiles]]).sum(axis=1).mean()
    assert after > before + 0.05


def test_the_same_seed_gives_the_same_frontalizer() -> None:
    data = people_seen_from_sides(people=6)
    config = Config(steps=10, batch=32, hidden=16)
    first, second = (train(data, fit_classifiers(data, steps=10), config) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_every_row_of_the_ablation_table_is_a_config() -> None:
    assert {name for name in ABLATIONS if ablation(name, Config()) != Config()} == set(ABLATIONS) - {"AFF"}


def test_pose_classifier_answers_one_logit_a_bin() -> None:
    assert PoseClassifier(16)(torch.randn(3, 16)).shape == (3, POSE_BINS)


def test_a_step_of_zero_is_the_identity_and_of_one_changes_nothing() -> None:
    data = people_seen_from_sides(people=8)
    g = train(data, fit_classifiers(data, steps=10), Config(steps=10, batch=32, hidden=16))
    assert np.allclose(apply(scaled(g, 0.0), data.embeddings), data.embeddings, atol=1e-6)
    assert np.array_equal(apply(scaled(g, 1.0), data.embeddings), apply(g, data.embeddings))


def test_how_far_it_goes_is_chosen_on_people_that_g_did_not_see() -> None:
    data = people_seen_from_sides(people=32)
    seen, unseen = split_people(data)
    assert not set(seen.people) & set(unseen.people)
    g, chosen = fit(seen, unseen, Config(steps=120, batch=128, hidden=64))
    assert chosen["fnmr"] < chosen["fnmr_raw"]
    assert profiles_missed(unseen, apply(g, unseen.embeddings)) == pytest.approx(chosen["fnmr"], abs=1e-3)


def test_the_mildest_factor_wins_unless_chance_does_not_explain_what_it_loses() -> None:
    best = np.array([2.0, 2.1, 1.9, 2.2])
    assert mildest({1.0: best + np.array([0.1, 0.4, -0.2, 0.3]), 0.5: best, 0.1: best + 1}) == 1.0
    assert mildest({1.0: best + np.array([1, 1.1, 0.9, 1.0]), 0.5: best, 0.1: best + 1}) == 0.5
    assert mildest({1.0: best}) == 1.0


def test_whitening_flattens_what_turning_the_head_does() -> None:
    data = people_seen_from_sides(people=40)
    assert np.allclose(whitening(data, 1.0), np.eye(32), atol=1e-5)
    base = whitening(data, 0.1)
    assert np.allclose(base, base.T, atol=1e-4)
    after = whitened(data, base)
    assert np.allclose(np.linalg.norm(after.embeddings, axis=1), 1, atol=1e-5)
    assert profiles_missed(after, after.embeddings) < profiles_missed(data, data.embeddings)
