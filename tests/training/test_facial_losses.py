"""What method B's page says its losses are where no training is needed to know."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from app.face.nets.facial_parameters import FIRST_UNIT, IDENTITY, OUTPUTS, SIDE, FacialParameters
from training import facial_losses
from training.facial_losses import Weights, swapped, unlabelled
from training.imitator import Imitator, imitation
from training.redrawn import IGNORED


@pytest.fixture(scope="module")
def network() -> FacialParameters:
    torch.manual_seed(0)
    return FacialParameters().eval()


@pytest.fixture(scope="module")
def imitator() -> Imitator:
    torch.manual_seed(1)
    return Imitator().eval()


def some(count: int = 3) -> Tensor:
    torch.manual_seed(2)
    y = torch.randn(count, OUTPUTS)
    y[:, FIRST_UNIT:] = torch.rand(count, OUTPUTS - FIRST_UNIT)
    return y


def test_the_base_face_costs_nothing(network: FacialParameters, imitator: Imitator) -> None:
    base = torch.zeros(2, OUTPUTS)
    assert facial_losses.parameters(base) == 0
    _, gbe = swapped(base)
    with torch.no_grad():
        _, maps, logits = network.parsing.parse(imitator(gbe))
        _, base_maps, base_logits = network.parsing.parse(imitator(base[:1]))
        assert facial_losses.mouth(maps, logits, base_maps, base_logits) == pytest.approx(0, abs=1e-6)


def test_i2_is_i3_for_the_base_identity_and_i4_for_the_base_expression(imitator: Imitator) -> None:
    y = some()
    gbi, gbe = swapped(y)
    with torch.no_grad():
        torch.testing.assert_close(imitator(swapped(gbi)[0]), imitator(gbi))
        torch.testing.assert_close(imitator(swapped(gbe)[1]), imitator(gbe))
    assert gbi[:, :IDENTITY].abs().max() == 0
    torch.testing.assert_close(gbi[:, IDENTITY:], y[:, IDENTITY:])
    assert gbe[:, IDENTITY:].abs().max() == 0
    torch.testing.assert_close(gbe[:, :IDENTITY], y[:, :IDENTITY])


def test_the_prior_is_the_squared_distance() -> None:
    y = some()
    assert facial_losses.parameters(y) == pytest.approx(float((y.double() ** 2).sum() / len(y)), rel=1e-5)


def test_content_and_identity_vanish_on_the_same_picture(network: FacialParameters) -> None:
    with torch.no_grad():
        _, maps, _ = network.parsing(torch.randint(0, 255, (2, SIDE, SIDE, 3), dtype=torch.uint8))
    assert facial_losses.content(maps, maps) == 0
    embedding = torch.randn(4, 16)
    assert facial_losses.identity(embedding, 3 * embedding) == pytest.approx(0, abs=1e-6)
    assert facial_losses.identity(embedding, -embedding) == pytest.approx(2)


def test_the_loop_weighs_the_base_identity_by_g() -> None:
    zeros, ones = torch.zeros(2, OUTPUTS), torch.ones(2, OUTPUTS)
    assert facial_losses.loop(ones, zeros, zeros, zeros, 0.3) == 1
    assert facial_losses.loop(zeros, zeros, ones, zeros, 0.3) == pytest.approx(0.3)


def test_every_term_is_there_and_a_weight_of_zero_leaves_it_out(network: FacialParameters, imitator: Imitator) -> None:
    pictures = torch.randn(2, 3, SIDE, SIDE)

    def recognise(faces: Tensor) -> Tensor:
        return faces.mean(dim=(2, 3))

    with torch.no_grad():
        terms = unlabelled(network, imitator, recognise, pictures, torch.ones(2, 3), Weights())
        without = unlabelled(network, imitator, recognise, pictures, torch.ones(2, 3), Weights(mouth=0, identity=0))
    assert set(terms) == {"content", "identity", "parameters", "loop", "mouth"}
    assert all(torch.isfinite(term) and term > 0 for term in terms.values())
    assert without["mouth"] == 0
    assert "identity" not in without


def test_a_perfect_imitation_costs_nothing(network: FacialParameters) -> None:
    picture = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        assert sum(float(term) for term in imitation(picture, picture, network.parsing).values()) < 1e-3


def test_supervised_terms_vanish_on_the_truth_and_skip_what_nobody_knows() -> None:
    y, labels = some(), torch.full((3, 4, 4), 9)
    points = torch.rand(3, 68, 2)
    whole = torch.cat([torch.zeros(3, 5), points.flatten(1)], dim=1)
    truth = {"y": y, "labels": labels, "known": torch.ones(3, 1), "points": points}
    logits = 40 * torch.nn.functional.one_hot(labels, 11).permute(0, 3, 1, 2).float()
    mode = torch.ones(IDENTITY)
    terms = facial_losses.supervised(y, whole, logits, truth, mode)
    assert sum(float(term) for term in terms.values()) == pytest.approx(0, abs=1e-5)
    wrong = y.clone()
    wrong[0, :IDENTITY] += 5
    wrong[0, FIRST_UNIT] = 0.99
    unsure = y.clone()
    unsure[0, FIRST_UNIT] = torch.nan
    truth |= {"known": torch.tensor([[0.0], [1.0], [1.0]]), "y": unsure}
    terms = facial_losses.supervised(wrong, whole, logits, truth, mode)
    assert terms["identity"] == 0
    assert terms["units"] == pytest.approx(0, abs=1e-5)
    assert facial_losses.supervised(y, whole + 0.1, logits, truth, mode)["points"] > 0.1


def test_the_faint_units_of_photographs_count_more() -> None:
    y, points = some(2), torch.zeros(2, 68, 2)
    whole, logits = torch.zeros(2, 136), torch.zeros(2, 11, 4, 4)
    batch = {"y": y, "known": torch.ones(2, 1), "points": points}
    wrong = y.clone()
    wrong[:, FIRST_UNIT:] = 0.5

    def units(label: int) -> float:
        labels = torch.full((2, 4, 4), label)
        return float(
            facial_losses.supervised(wrong, whole, logits, {**batch, "labels": labels}, torch.ones(IDENTITY))["units"]
        )

    assert units(IGNORED) == pytest.approx(facial_losses.FAINT * units(9))
