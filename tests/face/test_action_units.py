"""The table of units, and the estimator that serves them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.action_units import (
    ANTAGONISTS,
    NAMES,
    UNITS,
    blendshapes,
    load_action_units,
    load_blendshapes,
    named,
    unique,
)
from app.face.attributes import Look, Place
from app.face.decode import decode
from app.face.engine import Engine
from app.face.faces import Detection
from app.face.nets.facial_parameters import FIRST_UNIT, OUTPUTS, SIDE, FacialParameters
from app.face.runtime import Runtime, run_with
from app.face.weights import SHIPPED, ModelCard, load_part, read_card, write_card
from training.export import save_weights
from training.golden import chart

units_of_a_face = st.lists(st.floats(0, 1, width=32), min_size=23, max_size=23).map(np.float32)


def test_there_are_23_units_and_each_blendshape_belongs_to_one() -> None:
    assert len(set(NAMES)) == len(UNITS) == OUTPUTS - FIRST_UNIT == 23
    shapes = [shape for unit in UNITS for shape in unit.blendshapes]
    assert len(shapes) == len(set(shapes))


def test_antagonists_name_each_other() -> None:
    of = {unit.name: unit.antagonist for unit in UNITS}
    assert all(of[other] == name for name, other in of.items() if other)
    assert len(ANTAGONISTS) == sum(other is not None for other in of.values()) / 2


def test_the_mouth_to_both_sides_is_the_mouth_to_one() -> None:
    values = np.zeros(23, np.float32)
    values[NAMES.index("AU30L")], values[NAMES.index("AU30R")] = 0.5, 0.9
    once = unique(values)
    assert once[NAMES.index("AU30L")] == 0
    assert once[NAMES.index("AU30R")] == pytest.approx(0.4)


@given(units_of_a_face)
def test_unique_units_stay_so_and_keep_every_difference(values: NDArray[np.float32]) -> None:
    once = unique(values)
    np.testing.assert_array_equal(unique(once), once)
    assert once.min() >= 0
    for one, other in ANTAGONISTS:
        assert min(once[one], once[other]) == 0
        assert once[one] - once[other] == pytest.approx(values[one] - values[other], abs=1e-6)


@given(units_of_a_face)
def test_a_whole_is_the_mean_of_its_halves_and_no_name_is_a_feeling(values: NDArray[np.float32]) -> None:
    answer = named(values)
    assert answer["AU12"] == pytest.approx((answer["AU12L"] + answer["AU12R"]) / 2)
    assert {"AU5", "AU12", "AU43"} == set(answer) - set(NAMES)
    assert all(name.startswith("AU") for name in answer)
    assert list(answer)[:3] == ["AU1", "AU2", "AU4"]


def test_blendshapes_take_their_unit() -> None:
    values = np.zeros(23, np.float32)
    values[NAMES.index("AU12L")] = 0.7
    shapes = blendshapes(values)
    assert shapes["mouthSmileLeft"] == pytest.approx(0.7)
    assert shapes["mouthSmileRight"] == 0


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    folder = tmp_path_factory.mktemp("units")
    torch.manual_seed(0)
    save_weights(FacialParameters().state_dict(), folder / "units.safetensors")
    part = {"architecture": "facial_parameters", "kwargs": {}, "file": "units.safetensors"}
    facts = {"input_size": SIDE, "mean": [0], "std": [1], "width": 0, "thresholds": [], "licence": "MIT"}
    return write_card(folder, {"name": "units", "kind": "action_units", "parts": {"estimator": part}, **facts})


def looks(count: int) -> list[Look]:
    rng = np.random.default_rng(0)
    points = np.float32([[90, 80], [150, 82], [120, 120], [95, 150], [145, 151]])
    pictures = rng.integers(0, 255, (count, 240, 240, 3), dtype=np.uint8)
    return [
        Look(picture, Detection((60, 40, 180, 190), points, 1.0), picture[:112, :112], None) for picture in pictures
    ]


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_faces_are_read_alone(card: ModelCard, runtime: str) -> None:
    estimator = load_action_units(card, Place(runtime))  # type: ignore[arg-type]
    together = estimator.estimate(looks(3))
    alone = [estimator.estimate([look])[0] for look in looks(3)]
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
        assert all(0 <= value <= 1 for value in one.values())


def test_blendshapes_come_from_the_same_weights(card: ModelCard) -> None:
    (units,) = load_action_units(card, Place("torch")).estimate(looks(1))
    (shapes,) = load_blendshapes(card, Place("torch")).estimate(looks(1))
    assert shapes["jawOpen"] == units["AU26"]
    assert len(shapes) == sum(len(unit.blendshapes) for unit in UNITS)


def test_other_weights_are_refused(card: ModelCard, tmp_path: Path) -> None:
    from app.face.nets.refiner import Refiner

    save_weights(Refiner().state_dict(), tmp_path / "refiner.safetensors")
    part = {"architecture": "refiner", "kwargs": {}, "file": "refiner.safetensors"}
    facts = {"input_size": SIDE, "mean": [0], "std": [1], "width": 0, "thresholds": [], "licence": "MIT"}
    other = write_card(tmp_path, {"name": "x", "kind": "action_units", "parts": {"estimator": part}, **facts})
    with pytest.raises(WeightsError, match="action units"):
        load_action_units(other, Place("torch"))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_the_shipped_weights_answer_as_when_they_were_made(runtime: Runtime) -> None:
    golden = json.loads((Path(__file__).parent / "golden_units.json").read_text(encoding="utf-8"))
    folder = SHIPPED / "action-units"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    network = run_with(runtime, load_part(read_card(folder), "estimator"), (1, SIDE, SIDE, 3))
    np.testing.assert_allclose(network(chart(SIDE)[None])[0], golden, atol=2e-3)


@pytest.mark.photos
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_photograph_is_read_only_where_it_was_asked_for(photos: Path, tmp_path: Path) -> None:
    engine = Engine.load(tmp_path, "fast")
    picture = decode(next((photos / "subjects").glob("*/frontal-01.jpg")).read_bytes())
    (asked,) = engine.pictures([picture], frozenset({"action_units", "blendshapes"}))
    (bare,) = engine.pictures([picture])
    said = asked.faces[0].attributes
    assert said.action_units is not None
    assert said.blendshapes is not None
    assert {"AU12", "AU26", "AU43"} <= set(said.action_units)
    assert said.blendshapes["jawOpen"] == said.action_units["AU26"]
    assert all(0 <= value <= 1 for value in said.action_units.values())
    assert bare.faces[0].attributes.action_units is None
