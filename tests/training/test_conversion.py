"""Children converted to grown-ups: what the closed form must give, and who must stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.face.nets.conversion import AdultConversion
from training.benchmarks import Pairs
from training.conversion import ConversionConfig, Growing, converted, fit_conversion
from training.conversion_choice import Choosers, choices, judged
from training.conversion_report import children, gain
from training.embeddings import unit

torch.set_num_threads(1)

WIDTH, CHANNELS = 24, 4
CONFIG = ConversionConfig(pull=0.5, adult=0.2, full=18.0, none=22.0)


def people_who_grew(people: int = 60, each: int = 3, seed: int = 0) -> Growing:
    """``each`` pictures as a child, of an age 5-15 that turns the embedding by one linear map, and as an adult."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), 2 * each)
    young = np.tile(np.repeat([True, False], each), people)
    centres = rng.standard_normal((people, WIDTH))
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((WIDTH, WIDTH)))[0]
    pure = centres[who] + 0.3 * rng.standard_normal((len(who), WIDTH))
    child = 0.8 * pure + 0.6 * pure @ turn + 1.5
    years = np.where(young, rng.uniform(5, 15, len(who)), rng.uniform(25, 60, len(who)))
    maps = rng.standard_normal((len(who), CHANNELS, 3, 3)).astype(np.float16)
    names = np.array([f"lag/{number:02d}" for number in who])
    return Growing(unit(np.where(young[:, None], child, pure)), maps, years.astype(np.float32), names, young)


def mated_gap(vectors: np.ndarray, data: Growing) -> float:
    """How far children's cosines with their own adult pictures lie above those with others', in deviations."""
    scores = vectors[data.young] @ vectors[~data.young].T
    same = data.people[data.young][:, None] == data.people[~data.young][None]
    return float((scores[same].mean() - scores[~same].mean()) / scores[~same].std())


def test_before_it_is_fitted_it_changes_nothing() -> None:
    network = AdultConversion(WIDTH, CHANNELS * 9).requires_grad_(False)
    rows = torch.nn.functional.normalize(torch.randn(5, WIDTH))
    assert torch.allclose(network(rows, torch.randn(5, CHANNELS, 3, 3), torch.full((5,), 4.0)), rows, atol=1e-6)


def test_who_looks_grown_up_keeps_the_embedding_bit_by_bit_and_between_it_changes_by_degrees() -> None:
    data = people_who_grew()
    network = fit_conversion(data, CONFIG)
    out = converted(network, data.embeddings, data.maps, data.years)
    assert np.array_equal(out[~data.young], data.embeddings[~data.young])
    assert not (out[data.young] == data.embeddings[data.young]).all(axis=1).any()
    row = torch.from_numpy(data.embeddings[:1])
    map_ = torch.from_numpy(data.maps[:1].astype(np.float32))
    steps = [network(row, map_, torch.tensor([years])) for years in (10.0, 18.0, 19.0, 20.0, 21.0, 21.9, 22.0, 40.0)]
    near = [float((step @ row.T)[0, 0]) for step in steps]
    assert torch.equal(steps[0], steps[1])
    assert near == sorted(near)
    assert torch.equal(steps[-1], row)
    assert all(float(step.norm()) == pytest.approx(1, abs=1e-5) for step in steps)


def test_it_brings_people_together_that_it_never_learnt_from() -> None:
    taught, others = people_who_grew(), people_who_grew(seed=1)
    network = fit_conversion(taught, CONFIG)
    after = converted(network, others.embeddings, others.maps, others.years)
    assert mated_gap(after, others) > 1.3 * mated_gap(others.embeddings, others)


def test_an_infinite_pull_takes_the_childs_mean_away_and_puts_the_adult_vector_in() -> None:
    data = people_who_grew()
    network = fit_conversion(data, replace(CONFIG, pull=float("inf")))
    out = converted(network, data.embeddings, data.maps, data.years)
    grown = unit(data.embeddings[~data.young].mean(axis=0))
    wanted = unit(data.embeddings - data.embeddings[data.young].mean(axis=0) + CONFIG.adult * grown)
    assert np.allclose(out[data.young], wanted[data.young], atol=1e-5)


def test_the_linear_map_is_that_of_least_conversion_loss() -> None:
    """Moved a little either way, the loss plus the pull is no lower: it is where its slope is zero."""
    data = people_who_grew()
    config = replace(CONFIG, map_weight=0.0, adult=0.0)
    network = fit_conversion(data, config)
    children_ = data.embeddings[data.young]
    targets = np.stack(
        [unit(data.embeddings[(data.people == who) & ~data.young].mean(axis=0)) for who in data.people[data.young]]
    )
    x, wanted = children_ - children_.mean(axis=0), targets - targets.mean(axis=0)
    weights = network.change.weight[:, :WIDTH].numpy().T

    def cost(moved: np.ndarray) -> float:
        return float(((x + x @ moved - wanted) ** 2).sum() + config.pull * (moved**2).sum())

    rng = np.random.default_rng(0)
    for _ in range(20):
        step = 1e-2 * rng.standard_normal(weights.shape)
        assert cost(weights + step) > cost(weights) < cost(weights - step)


def test_too_few_children_teach_nothing() -> None:
    data = people_who_grew(people=2)
    with pytest.raises(ValueError, match="children"):
        fit_conversion(data, CONFIG)


def pairs_of(data: Growing) -> Pairs:
    """Each child with an adult picture of the same person and of the next."""
    people = sorted(set(data.people))
    rows = []
    for number, person in enumerate(people):
        other = people[(number + 1) % len(people)]
        for child in np.flatnonzero((data.people == person) & data.young):
            for who in (person, other):
                adult = np.flatnonzero((data.people == who) & ~data.young)[0]
                rows.append((child, adult, who == person, number % 10))
    left, right, mated, folds = (np.array(column) for column in zip(*rows, strict=True))
    return Pairs("made up", left, right, mated, folds)


def test_the_choice_is_made_on_people_who_did_not_teach() -> None:
    data = people_who_grew(people=40)
    folds = np.array([int(name[-2:]) % 5 for name in data.people])
    choosers = Choosers(data, np.ones(len(data.people), np.bool_), folds, {"all": pairs_of(data)})
    out = choosers.outside(CONFIG)
    mine = (folds == 2) & data.young
    without = fit_conversion(data.at(folds != 2), CONFIG)
    assert np.allclose(out[mine], converted(without, data.embeddings, data.maps, data.years)[mine], atol=1e-6)
    assert np.array_equal(out[~data.young], data.embeddings[~data.young])


@pytest.mark.slow
def test_the_best_choice_stands_first_and_costs_less_than_none() -> None:
    data = people_who_grew(people=40)
    folds = np.array([int(name[-2:]) % 5 for name in data.people])
    choosers = Choosers(data, np.ones(len(data.people), np.bool_), folds, {"all": pairs_of(data)})
    found = choices(choosers, lambda rows: rows)
    before = judged(choosers, data.embeddings, lambda rows: rows, CONFIG)
    assert [one.cost for one in found] == sorted(one.cost for one in found)
    assert found[0].cost <= before.cost


def test_a_gain_lies_in_its_interval_and_no_change_gains_nothing() -> None:
    data = people_who_grew()
    pairs, people = pairs_of(data), np.unique(data.people, return_inverse=True)[1]
    noisy = unit(data.embeddings + 0.15 * np.random.default_rng(5).standard_normal(data.embeddings.shape))
    none = gain("none", pairs, people, noisy, noisy)
    assert none.accuracy.low == none.accuracy.rate == none.accuracy.high == 0
    better = unit(noisy + 0.5 * np.stack([data.embeddings[data.people == who].mean(axis=0) for who in data.people]))
    some = gain("some", pairs, people, noisy, better)
    assert some.accuracy.low <= some.accuracy.rate <= some.accuracy.high
    assert some.eer_cut.rate > 0


def test_children_are_counted_by_hand() -> None:
    vectors = unit(np.array([[1, 0], [1, 0.1], [0, 1], [1, 0.2]], np.float32))
    found = children(vectors, np.array([True, True, True, False]), np.array([0, 0, 1, 0]), 0.5)
    assert found.fmr == 0
    assert found.tpr == 1
    assert found.adult_fmr == 0
    assert found.adult_tpr == 1
    assert found.eer == 0
