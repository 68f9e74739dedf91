from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.align import TEMPLATE, align, similarity, template, warp
from app.face.architectures import build
from app.face.extract import NetworkExtractor, load_extractor, onnx_card, packaged_card, recut, unit
from app.face.packaged import CHIP, Reader, read_dlib_resnet
from app.face.runtime import FromPixels, Runtime, run_with
from app.face.weights import SHIPPED, load_part, read_card

DLIB = np.array(json.loads((Path(__file__).parent / "dlib_astronaut.json").read_text()))
"""What dlib 20.0.1 itself answers for rows 40-190, columns 150-300 of the portrait."""


@pytest.fixture(scope="module")
def packaged() -> NetworkExtractor:
    pytest.importorskip("face_recognition_models", reason="the extra `packaged` is not installed")
    return load_extractor(packaged_card())


def test_the_packaged_network_is_dlibs(packaged: NetworkExtractor, astronaut: NDArray[np.uint8]) -> None:
    chip = np.ascontiguousarray(astronaut[40:190, 150:300])
    (embedding,) = packaged.embed(chip[None])
    assert embedding @ DLIB / np.linalg.norm(DLIB) >= 0.99999


def test_torch_and_openvino_agree(packaged: NetworkExtractor, astronaut: NDArray[np.uint8]) -> None:
    chips = np.stack([astronaut[40:190, 150:300], astronaut[200:350, 200:350]])
    eager = load_extractor(packaged_card(), "torch").embed(chips)
    assert ((eager * packaged.embed(chips)).sum(axis=1) >= 0.9999).all()


def test_no_crops_no_embeddings(packaged: NetworkExtractor) -> None:
    assert packaged.embed(np.empty((0, 150, 150, 3), np.uint8)).shape == (0, 128)


def test_an_altered_package_is_refused() -> None:
    with pytest.raises(WeightsError, match="digest"):
        read_dlib_resnet(b"\x01\x05con_4")


def test_dlibs_numbers() -> None:
    values = np.array([1.5, -2.0, 0.25], "<f4")
    sizes = b"\x01\x02" + b"\x01\x03" + b"\x01\x01" * 3
    data = b"junk\x01\x05con_4" + b"\x82\x2c\x01" + sizes + values.tobytes() + b"\x01\x05con_4\x01\x07"
    reader = Reader(data)
    assert reader.tensor_of(b"con_4", skipped=1).tolist() == values.tolist()
    with pytest.raises(WeightsError, match="version 7"):
        Reader(data[-9:] + b"\x01\x01" * 4).tensor_of(b"con_4")
    with pytest.raises(WeightsError, match="no further"):
        reader.tensor_of(b"affine_")


@pytest.mark.parametrize(
    ("architecture", "kwargs", "millions"),
    [
        ("edgenext", {}, (1.0, 3.0)),
        ("mobilefacenet", {}, (0.9, 1.3)),
        ("mobilefacenet", {"scale": 0.5, "width": 64}, (0.2, 0.5)),
        ("resnet", {"layers": 18}, (14, 25)),
        ("resnet", {"layers": 50, "channels": 32, "width": 64}, (8, 10)),
    ],
)
def test_our_extractors_behind_one_class(
    architecture: str, kwargs: dict[str, object], millions: tuple[float, float]
) -> None:
    torch.manual_seed(0)
    network = build(architecture, kwargs).eval()
    width = int(str(kwargs.get("width", 128)))
    size = sum(p.numel() for p in network.parameters()) / 1e6
    assert millions[0] < size < millions[1]
    ready = run_with("torch", FromPixels(network, (127.5,), (127.5,)), (1, 112, 112, 3))
    extractor = NetworkExtractor(ready, 112, width, TEMPLATE, 1)
    crops = np.random.default_rng(0).integers(0, 255, (2, 112, 112, 3), np.uint8)
    embeddings = extractor.embed(crops)
    assert embeddings.shape == (2, width)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_an_operators_onnx_file(tmp_path: Path) -> None:
    path = tmp_path / "theirs.onnx"
    onnx_file(path)
    card = onnx_card(path)
    assert (card.width, card.input_size, card.name) == (6, 112, "theirs")
    assert card.thresholds.at_fmr(1e-4)[0] >= 0.45
    crops = np.random.default_rng(0).integers(0, 255, (3, 112, 112, 3), np.uint8)
    (first, *_) = load_extractor(card).embed(crops)
    means = ((crops[0].astype(np.float64) - 127.5) / 127.5).mean(axis=(0, 1))
    expected = np.concatenate([means, 2 * means])
    assert first @ expected / np.linalg.norm(expected) > 0.9999


def test_what_lies_beside_an_onnx_file_describes_it(tmp_path: Path) -> None:
    path = tmp_path / "theirs.onnx"
    onnx_file(path)
    described = {"name": "licensed", "mean": [127.5], "std": [128], "thresholds": [[1e-2, 0.1], [1e-4, 0.2]]}
    path.with_suffix(".json").write_text(json.dumps(described))
    card = onnx_card(path)
    assert card.std == (128.0,)
    assert card.model_id.startswith("licensed-")
    assert card.thresholds.at_fmr(1e-4) == (0.2, False)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="not the file"):
        load_extractor(card)


def test_an_onnx_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    with pytest.raises(WeightsError, match="missing"):
        onnx_card(path)
    path.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match="cannot run"):
        onnx_card(path)


def test_a_standard_crop_is_cut_again_for_another_geometry(astronaut: NDArray[np.uint8]) -> None:
    landmarks = np.array([[196.0, 108], [240, 106], [220, 134], [202, 152], [238, 150]])
    chip = warp(astronaut, similarity(landmarks, CHIP), 150)
    extractor = NetworkExtractor(lambda _: np.empty((0, 1), np.float32), 150, 1, CHIP, 1)
    (again,) = recut(align(astronaut, landmarks, 160, 1 / 4)[None], 1 / 4, extractor)
    assert np.abs(chip.astype(int) - again).mean() < 8
    plain = NetworkExtractor(lambda _: np.empty((0, 1), np.float32), 112, 1, template(112), 1)
    crops = np.zeros((2, 112, 112, 3), np.uint8)
    assert recut(crops, 0.0, plain) is crops


def test_unit_length_even_of_nothing() -> None:
    assert np.isfinite(unit(np.zeros((1, 4), np.float32))).all()


def onnx_file(path: Path) -> None:
    """Mean of each channel, and twice it: [1, 3, 112, 112] to [1, 6]."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
        helper.make_node("Add", ["flat", "flat"], ["twice"]),
        helper.make_node("Concat", ["flat", "twice"], ["y"], axis=1),
    ]
    ends = (
        [helper.make_tensor_value_info("x", kind.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("y", kind.FLOAT, ["n", 6])],
    )
    model = helper.make_model(helper.make_graph(nodes, "means", *ends), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_the_map_of_the_same_pass_beside_the_embedding(runtime: Runtime, astronaut: NDArray[np.uint8]) -> None:
    card = read_card(SHIPPED / "fast")
    extractor = load_extractor(card, runtime)
    crops = np.stack([astronaut[60:172, 160:272], astronaut[200:312, 200:312]])
    embeddings, maps = extractor.look(crops)
    assert (embeddings == extractor.embed(crops)).all()
    assert maps is not None
    assert (maps.shape, maps.dtype) == ((2, 192, 3, 3), np.float32)
    head = load_part(card, "extractor").head
    assert np.allclose(unit(head(torch.from_numpy(maps)).numpy()), embeddings, atol=1e-5)


def test_other_networks_show_no_map(packaged: NetworkExtractor) -> None:
    assert packaged.look(np.zeros((1, 150, 150, 3), np.uint8))[1] is None
    assert packaged.look(np.empty((0, 150, 150, 3), np.uint8))[1] is None
