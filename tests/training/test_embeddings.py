"""A small ONNX extractor: the same by either runtime, and normalised as the card beside it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from training.embeddings import onnx_extractor, unit


def write_extractor(path: Path, batch: int | str) -> Path:
    """Answers the mean of each channel."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["y"]),
        ],
        "means",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (5, 112, 112, 3), np.uint8) // np.array([1, 2, 4], np.uint8)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("batch", [1, "n"])
def test_unit_rows_of_normalised_channels(runtime: str, batch: int | str, crops: np.ndarray, tmp_path: Path) -> None:
    embed = onnx_extractor(write_extractor(tmp_path / "means.onnx", batch), runtime, batch=2)
    expected = unit((crops.mean(axis=(1, 2)) - 127.5) / 127.5)
    assert embed(crops) == pytest.approx(expected, abs=1e-4)


def test_the_card_beside_the_file_says_the_normalisation(crops: np.ndarray, tmp_path: Path) -> None:
    path = write_extractor(tmp_path / "means.onnx", "n")
    mean, std = [120.0, 110.0, 100.0], [50.0, 60.0, 70.0]
    path.with_suffix(".json").write_text(json.dumps({"mean": mean, "std": std}), encoding="utf-8")
    expected = unit((crops.mean(axis=(1, 2)) - mean) / std)
    assert onnx_extractor(path)(crops) == pytest.approx(expected, abs=1e-4)


def test_another_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no runtime"):
        onnx_extractor(tmp_path / "means.onnx", "fast")


def test_a_row_of_zeros_stays_zero() -> None:
    assert unit(np.array([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))
