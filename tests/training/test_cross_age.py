"""Method C: its oracles, which need no training, and a little training on made-up maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from app.face.nets.age import TEMPERATURE, AgeSeparation, Conversion, between
from app.face.nets.edgenext import EdgeNeXt
from training.ages import part_of
from training.checkpoint import Run
from training.cross_age_losses import age_loss, conversion_loss, identity_kept
from training.intervals import reaches
from training.separation import Config, Samples, fit, fit_regressor, outputs_of

torch.set_num_threads(1)

SMALL = Config(steps=80, warm=20, aged=48, triples=16, rate=3e-3)


def small_extractor() -> EdgeNeXt:
    """An extractor of which only the head is asked."""
    torch.manual_seed(0)
    network = EdgeNeXt(16, dims=(8, 8, 8, 32), depths=(1, 1, 1, 1), scales=(1, 1, 1, 1))
    network.norm, network.embed = nn.LayerNorm(32, eps=1e-6), nn.Linear(32, 16)
    return network.eval().requires_grad_(False)


def people_who_age(people: int = 12, each: int = 8, strangers: int = 96, seed: int = 0) -> Samples:
    """Maps [n, 32, 3, 3] that are a person plus an age along one direction; ``strangers`` tell their age, once each."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((people + strangers, 32))
    who = np.concatenate([np.repeat(np.arange(people), each), people + np.arange(strangers)])
    age = rng.uniform(5, 80, len(who)).astype(np.float32)
    older = rng.standard_normal(32) * 2
    maps = centres[who] + np.outer(age / 40 - 1, older) + 0.1 * rng.standard_normal((len(who), 32))
    whole = np.broadcast_to(maps[:, :, None, None], (*maps.shape, 3, 3)).astype(np.float16)
    known = np.where(who < people, np.nan, age).astype(np.float32)
    return Samples(whole, known, np.where(who < people, who, -1), (who < people) & (age < 30))


def separation() -> AgeSeparation:
    torch.manual_seed(1)
    return AgeSeparation(16, channels=32, spare=8, hidden=24).requires_grad_(False)


def test_age_vector_that_is_its_orthogonal_standard_vector_has_the_loss_in_closed_form() -> None:
    network = separation()
    groups = len(network.ages)
    network.bank = nn.Parameter(torch.eye(24)[torch.randperm(24)[:groups]], requires_grad=False)
    logits = network.logits(3.0 * network.bank)
    loss = age_loss(logits, between(network.ages, network.ages))
    wanted = -torch.tensor([1 / TEMPERATURE] + [0.0] * (groups - 1)).log_softmax(0)[0]
    assert torch.isclose(loss, wanted, atol=1e-5)


def test_uniform_similarities_cost_log_n() -> None:
    shares = between(torch.tensor([0.0, 17.0, 93.0]), separation().ages)
    assert float(age_loss(torch.zeros(3, 21), shares)) == pytest.approx(np.log(21), rel=1e-6)


@given(st.floats(0, 100, width=32))
def test_an_age_lies_between_the_two_standard_ages_around_it(years: float) -> None:
    ages = torch.arange(21) * 5.0
    shares = between(torch.tensor([years]), ages)
    assert float(shares.sum()) == pytest.approx(1)
    assert float(shares @ ages) == pytest.approx(years, abs=1e-4)
    assert int((shares > 0).sum()) <= 2


def test_the_vector_is_the_sum_of_its_parts_and_starts_as_the_extractors_embedding() -> None:
    extractor, network = small_extractor(), separation()
    network.start_at(extractor.norm, extractor.embed)
    maps = torch.randn(20, 32, 3, 3)
    parts = network(maps)
    assert torch.allclose(parts.identity + parts.age, parts.vector, atol=1e-6)
    assert torch.allclose(parts.vector[:, :16], extractor.head(maps), atol=1e-5)
    near = (network.compared(parts.identity) * F.normalize(extractor.head(maps))).sum(dim=1)
    assert float(near.min()) > 0.999


def test_conversion_to_ones_own_age_changes_nothing_before_training() -> None:
    network = separation()
    parts = network(torch.randn(6, 32, 3, 3))
    converted = Conversion(24).requires_grad_(False)(parts.identity, parts.age)
    assert torch.allclose(converted, parts.vector, atol=1e-6)
    assert float(conversion_loss(converted, parts.vector)) == pytest.approx(0, abs=1e-6)


def test_the_margin_is_paid_by_who_is_as_near_to_another_and_by_nobody_else() -> None:
    one, other = torch.eye(4)[:1], torch.eye(4)[1:2]
    assert float(identity_kept(one, one, other, 0.3)) == 0
    assert float(identity_kept(one + other, one, other, 0.3)) == pytest.approx(0.3)
    assert float(identity_kept(other, one, other, 0.3)) == pytest.approx(1.3)


def test_the_interval_holds_what_it_was_calibrated_to_hold_at_every_age() -> None:
    rng = np.random.default_rng(3)
    ages = np.arange(0, 101, 5, dtype=np.float32)
    true = rng.uniform(0, 90, 20_000).astype(np.float32)
    spread = rng.uniform(1, 6, len(true)).astype(np.float32)
    # The older the wider and the more too low, which one reach for all ages cannot hold.
    years = np.clip(true - 0.1 * true + rng.standard_normal(len(true)) * (1 + true / 10), 0, 100).astype(np.float32)
    below, above = reaches(years, spread, true, ages, 0.8, even=0.0)
    low, high = (np.interp(years, ages, row) * (spread + 1) for row in (below, above))
    held = (true >= years - low) & (true <= years + high)
    assert held.mean() == pytest.approx(0.8, abs=0.02)
    for start in range(10, 80, 10):
        near = (years >= start) & (years < start + 10)
        assert held[near].mean() == pytest.approx(0.8, abs=0.05)


def test_an_even_interval_holds_the_rare_too() -> None:
    rng = np.random.default_rng(4)
    true = np.concatenate([rng.uniform(60, 70, 2000), rng.uniform(80, 90, 50)]).astype(np.float32)
    years = (66 + rng.standard_normal(len(true))).astype(np.float32)
    spread, ages = np.ones_like(true), np.arange(0, 101, 5, dtype=np.float32)

    def held(even: float) -> float:
        _, above = reaches(years, spread, true, ages, 0.8, even)
        return float((true <= years + 2 * np.interp(years, ages, above))[true >= 80].mean())

    assert held(0.0) == 0
    assert held(1.0) > 0.6


def test_ages_that_nobody_is_predicted_near_take_the_nearest_reach() -> None:
    one = np.array([30.0], np.float32)
    below, above = reaches(one, one * 0, one + 4, np.arange(0, 101, 5, dtype=np.float32), 0.8, 0.0)
    assert np.allclose(below, 0)
    assert np.allclose(above, 4)


def test_an_interval_is_around_the_age_and_not_below_zero() -> None:
    network = separation()
    answers = network.interval(network(torch.randn(30, 32, 3, 3)).age)
    assert bool((answers[:, 1] >= 0).all())
    assert bool((answers[:, 1] <= answers[:, 0]).all())
    assert bool((answers[:, 0] <= answers[:, 2]).all())


def test_parts_of_the_data_are_fixed_and_of_their_size() -> None:
    parts = [part_of(f"{i}.jpg") for i in range(4000)]
    assert parts.count("test") / 4000 == pytest.approx(0.1, abs=0.02)
    assert parts.count("calibrate") / 4000 == pytest.approx(0.1, abs=0.02)
    assert part_of("100_0_0_20170112213500903.jpg.chip.jpg") == part_of("100_0_0_20170112213500903.jpg.chip.jpg")


@pytest.mark.slow
def test_it_learns_age_and_brings_people_together_and_resumes_to_the_same(tmp_path: Path) -> None:
    data, extractor = people_who_age(), small_extractor()
    head = {name: value.clone() for name, value in extractor.state_dict().items()}
    network = fit(data, extractor, SMALL, Run(tmp_path / "whole"))
    assert all(torch.equal(value, head[name]) for name, value in extractor.state_dict().items())

    identities, ages = outputs_of(network, data.maps)
    known = np.isfinite(data.age)
    assert np.abs(ages[known, 0] - data.age[known]).mean() < 8
    before = F.normalize(extractor.head(torch.from_numpy(data.maps.astype(np.float32)))).numpy()
    assert mated_gap(identities, data.people) > mated_gap(before, data.people)

    again, ages_again = outputs_of(fit(data, extractor, SMALL, Run(tmp_path / "whole")), data.maps)
    assert np.array_equal(again, identities)
    assert np.array_equal(ages_again, ages)
    with pytest.raises(ValueError, match="another config"):
        fit(data, extractor, replace(SMALL, cross=0.0), Run(tmp_path / "whole"))


@pytest.mark.slow
def test_a_run_cut_in_two_ends_where_a_whole_one_does(tmp_path: Path) -> None:
    data, extractor = people_who_age(strangers=48), small_extractor()
    short = replace(SMALL, steps=12, warm=4)
    whole = fit(data, extractor, short, Run(tmp_path / "whole")).state_dict()

    class Killed(Run):
        def due(self) -> bool:
            return True

        def save(self, state: dict[str, object]) -> None:
            super().save(state)
            if state["step"] == 7:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(data, extractor, short, Killed(tmp_path / "cut"))
    resumed = fit(data, extractor, short, Run(tmp_path / "cut")).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.slow
def test_the_baseline_reads_ages_and_separates_nothing(tmp_path: Path) -> None:
    data, extractor = people_who_age(), small_extractor()
    regressor = fit_regressor(data, extractor, SMALL, Run(tmp_path))
    known = np.isfinite(data.age)
    _, ages = outputs_of(regressor, data.maps)
    assert np.abs(ages[known, 0] - data.age[known]).mean() < 8
    parts = regressor(torch.from_numpy(data.maps[:4].astype(np.float32)))
    assert not parts.identity.any()


def mated_gap(vectors: np.ndarray, people: np.ndarray) -> float:
    """How far mated cosines lie above non-mated ones, in standard deviations of the latter."""
    known = people >= 0
    scores = vectors[known] @ vectors[known].T
    same = people[known][:, None] == people[known][None]
    apart = scores[~same]
    np.fill_diagonal(same, False)
    return float((scores[same].mean() - apart.mean()) / apart.std())
