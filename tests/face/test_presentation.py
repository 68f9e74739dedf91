from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.presentation import Presentation, PresentationCheck, surroundings

BOX = (20.0, 20.0, 60.0, 60.0)


def colour_model(path: Path, size: int = 80, gain: float = 0.1) -> Path:
    """Blue pictures are prints, green ones real, red ones a screen: softmax of the channels' means, BGR."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
        helper.make_node("Mul", ["flat", "gain"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["y"], axis=1),
    ]
    ends = (
        [helper.make_tensor_value_info("x", kind.FLOAT, ["n", 3, size, size])],
        [helper.make_tensor_value_info("y", kind.FLOAT, ["n", 3])],
    )
    graph = helper.make_graph(nodes, "colours", *ends, [helper.make_tensor("gain", kind.FLOAT, [1], [gain])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def plain(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((80, 80, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("colour", "verdict"), [((0, 0, 200), "print"), ((0, 200, 0), "real"), ((200, 0, 0), "replay")]
)
def test_the_largest_share_is_the_verdict(tmp_path: Path, colour: tuple[int, int, int], verdict: str) -> None:
    told = PresentationCheck.load(colour_model(tmp_path / "pad.onnx"))(plain(colour), BOX)
    assert told.verdict == verdict
    assert told.attack == (verdict != "real")
    assert told.print + told.real + told.replay == pytest.approx(1)
    assert "score" not in Presentation.__slots__


def test_what_lies_beside_a_model_describes_it(tmp_path: Path) -> None:
    path = colour_model(tmp_path / "pad.onnx", size=32)
    path.with_suffix(".json").write_text(json.dumps({"size": 32, "channels": "RGB"}))
    assert PresentationCheck.load(path)(plain((200, 0, 0)), BOX).verdict == "print"


def test_the_models_of_a_folder_are_averaged(tmp_path: Path) -> None:
    colour_model(tmp_path / "a.onnx", gain=0.1)
    path = colour_model(tmp_path / "b.onnx", gain=0.01)
    both = PresentationCheck.load(tmp_path)(plain((0, 100, 0)), BOX)
    (one,) = (PresentationCheck.load(file)(plain((0, 100, 0)), BOX) for file in [path])
    assert one.real < both.real < 1


def test_models_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no presentation-attack model"):
        PresentationCheck.load(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match="cannot run"):
        PresentationCheck.load(tmp_path / "broken.onnx")
    path = colour_model(tmp_path / "pad.onnx")
    path.with_suffix(".json").write_text("{")
    with pytest.raises(WeightsError, match="does not describe"):
        PresentationCheck.load(path)


@given(
    width=st.integers(12, 90),
    height=st.integers(12, 90),
    corner=st.tuples(st.floats(-20, 80), st.floats(-20, 80)),
    side=st.floats(1, 120),
    crop=st.floats(1, 4),
)
def test_the_part_looked_at_is_always_inside_the_picture(
    width: int, height: int, corner: tuple[float, float], side: float, crop: float
) -> None:
    image = np.full((height, width, 3), 255, np.uint8)
    x, y = corner
    assert (surroundings(image, (x, y, x + side, y + side), crop, 16) == 255).all()


def test_the_part_looked_at_is_centred_on_the_face() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[30:70, 30:70] = 255
    part = surroundings(image, (40, 40, 60, 60), 4.0, 80)[..., 0] > 127
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    assert (rows[0], rows[-1]) == pytest.approx((20, 59), abs=1)
    assert (columns[0], columns[-1]) == pytest.approx((20, 59), abs=1)


@pytest.mark.parametrize(
    ("box", "crop", "expected"),
    [
        ((60, 60, 80, 90), 3.0, (40, 30, 100, 120)),
        ((0, 60, 20, 90), 3.0, (0, 30, 60, 120)),  # moved inside, as large as ever
        ((180, 100, 200, 130), 3.0, (140, 60, 200, 150)),
        ((60, 40, 120, 115), 4.0, (30, 0, 150, 150)),  # too near: as large as there is, of the box's shape
    ],
)
def test_where_a_part_would_reach_over_the_edge(
    box: tuple[float, float, float, float], crop: float, expected: tuple[int, int, int, int]
) -> None:
    """As the source of the models does it: no larger than what fits, moved inside, never padded."""
    image = np.zeros((150, 200, 3), np.uint8)
    image[..., 0] = np.arange(200)
    image[..., 1] = np.arange(150)[:, None]
    part = surroundings(image, box, crop, 80).astype(float)
    found = (part[..., 0].min(), part[..., 1].min(), part[..., 0].max() + 1, part[..., 1].max() + 1)
    assert found == pytest.approx(expected, abs=1.5)
