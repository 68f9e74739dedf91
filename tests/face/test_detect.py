from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from threading import Thread
from typing import cast

import cv2
import joblib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face import published
from app.face.align import TEMPLATE
from app.face.boxes import overlaps
from app.face.cascade import NOTHING, ROUGHLY, Candidates, Cascade, DetectorSettings
from app.face.decode import decode
from app.face.detect import Detector, agreed_on, looked_at, looked_at_size
from app.face.faces import Detection, Pose
from app.face.nets.mtcnn import NETWORKS, ONet, PNet, RNet
from app.face.plain import detect_plainly
from app.face.published import load_mtcnn
from app.face.refine import Refined
from app.face.runtime import FromPixels, TorchNetwork

PUBLISHED = json.loads((Path(__file__).parent / "published_faces.json").read_text())
"""What the package mtcnn 1.0.0 itself finds, by TensorFlow: the portrait and 48 of the photographs, x0 y0 x1 y1."""


def boxes(faces: list[Detection]) -> NDArray[np.float64]:
    return np.array([face.box for face in faces]).reshape(-1, 4)


@pytest.mark.parametrize(("network", "side", "outputs"), [(RNet, 24, 5), (ONet, 48, 15)])
def test_shapes(network: type[RNet | ONet], side: int, outputs: int) -> None:
    assert network()(torch.zeros(2, 3, side, side)).shape == (2, outputs)


@pytest.mark.parametrize("side", [12, 13, 24, 31])
def test_proposals_have_one_answer_for_each_window(side: int) -> None:
    assert PNet()(torch.zeros(1, 3, side, side)).shape[2:] == ((side + 1) // 2 - 5,) * 2


def test_a_level_answers_the_same_on_the_canvas_as_alone(cache: Path) -> None:
    pnet = load_mtcnn(cache)[0]
    level = torch.rand(1, 3, 40, 52) * 255
    canvas = torch.rand(1, 3, 120, 90) * 255
    canvas[:, :, 30:70, 20:72] = level
    assert torch.allclose(pnet(level), pnet(canvas)[:, :, 15:30, 10:31], atol=1e-4)


def test_one_face_of_the_portrait(detector: Detector, astronaut: NDArray[np.uint8]) -> None:
    ((face,),) = detector.detect([astronaut])
    assert overlaps(boxes([face]), np.array(PUBLISHED["astronaut"])).max() > 0.9
    left, right, nose, mouth_left, mouth_right = face.landmarks
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < mouth_right[0]
    assert left[1] < nose[1] < mouth_left[1]
    assert 0.99 < face.score <= 1


def test_the_plain_port_is_the_published_cascade(cache: Path, astronaut: NDArray[np.uint8]) -> None:
    found = detect_plainly(load_mtcnn(cache), astronaut)
    assert overlaps(found[:, :4], np.array(PUBLISHED["astronaut"])).max() > 0.99


@pytest.mark.photos
@pytest.mark.slow
def test_same_faces_as_the_published_cascade(detector: Detector, photographs: Path) -> None:
    agreement = []
    for name, faces in PUBLISHED.items():
        if name == "astronaut":
            continue
        found = detector.detect([decode((photographs / name).read_bytes())])[0]
        agreement.append(overlaps(np.array(faces), boxes(found)).max(axis=1, initial=0).min())
    assert min(agreement) > 0.5
    assert np.median(agreement) >= 0.95


@pytest.mark.photos
@pytest.mark.slow
def test_tight_profiles_are_found(detector: Detector, photographs: Path) -> None:
    profiles = sorted(photographs.glob("subjects/*/profile-01.jpg"))
    missed = [path for path in profiles if not detector.detect([decode(path.read_bytes())])[0]]
    assert not missed


def test_a_face_that_fills_the_frame_is_found(detector: Detector, astronaut: NDArray[np.uint8]) -> None:
    (x0, y0, x1, y1) = (round(v) for v in PUBLISHED["astronaut"][0])
    assert detector.detect([np.ascontiguousarray(astronaut[y0:y1, x0:x1])])[0]


@pytest.mark.parametrize("name", ["chelsea", "coffee", "coins", "page"])
def test_nobody_in_pictures_of_things(detector: Detector, name: str) -> None:
    picture = np.asarray(getattr(pytest.importorskip("skimage.data"), name)())
    colour = picture if picture.ndim == 3 else np.dstack([picture] * 3)
    assert detector.detect([np.ascontiguousarray(colour)]) == [[]]


def place(score: float, *box: float) -> Candidates:
    return Candidates(np.array([box]), np.array([score]), np.zeros((1, 5, 2)))


def test_looks_agree_on_what_most_of_them_see() -> None:
    here, there = (10, 10, 60, 60), (100, 10, 160, 70)
    agreed = agreed_on([place(0.9, *here), place(0.8, *there), place(0.95, 12, 9, 61, 62), place(0.6, *here)], 40)
    assert agreed.boxes.tolist() == [[12, 9, 61, 62]]
    assert agreed.scores.tolist() == [0.95]


def test_a_face_seen_once_or_small_is_none() -> None:
    assert not len(agreed_on([place(1.0, 10, 10, 60, 60), NOTHING, NOTHING], 40).boxes)
    assert not len(agreed_on([place(1.0, 10, 10, 40, 40)] * 6, 40).boxes)
    assert not len(agreed_on([NOTHING], 40).boxes)


class Saying:
    """A cascade that answers ``faces`` whatever it sees, and a refiner that believes in boxes wider than 100."""

    def __init__(self, *faces: Candidates) -> None:
        self.faces, self.looks, self.judged = list(faces), 0, 0

    def __call__(self, pictures: Sequence[NDArray[np.uint8]], *_: object) -> list[Candidates]:
        self.looks += 1
        return [self.faces[min(self.looks, len(self.faces)) - 1]] * len(pictures)

    def refine(self, faces: Sequence[tuple[NDArray[np.uint8], Detection]], looks: int = 3) -> list[Refined]:
        self.judged += len(faces)
        scores = [0.9 if face.box[2] - face.box[0] > 100 else 0.2 for _, face in faces]
        return [Refined(TEMPLATE.astype(np.float32), Pose(0, 0, 0), score) for score in scores]

    def boxes_in(self, picture: NDArray[np.uint8]) -> list[list[float]]:
        (faces,) = Detector(cast(Cascade, self), self, DetectorSettings()).detect([picture])
        return boxes(faces).round().tolist()


def test_a_doubted_face_gives_way_to_what_further_looks_agree_on() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    small, wide = place(0.8, 10, 10, 40, 40), place(0.9, 90, 90, 210, 210)
    assert [box[2] - box[0] for box in Saying(small, wide).boxes_in(picture)] == [120]
    assert Saying(small, NOTHING).boxes_in(picture) == [[10, 10, 40, 40]]


def test_a_doubted_face_beside_a_better_one_stays_unless_they_touch() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    better, doubted = place(0.99, 60, 60, 140, 140), place(0.8, 10, 10, 50, 50)
    cheek = Candidates(doubted.boxes + 20, doubted.scores, doubted.points)
    for other, count in ((doubted, 2), (cheek, 1)):
        together = Candidates(*(np.concatenate(parts) for parts in zip(astuple(other), astuple(better), strict=True)))
        found = Saying(together).boxes_in(picture)
        assert found[0] == [60, 60, 140, 140]
        assert len(found) == count


def test_a_face_that_the_cascade_or_the_refiner_is_sure_of_is_looked_for_once() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    sure, believed = Saying(place(0.99, 10, 10, 40, 40), NOTHING), Saying(place(0.7, 10, 10, 140, 140), NOTHING)
    assert sure.boxes_in(picture) == [[10, 10, 40, 40]]
    assert believed.boxes_in(picture) == [[10, 10, 140, 140]]
    assert (sure.looks, sure.judged, believed.looks, believed.judged) == (1, 0, 1, 1)


def test_batches_do_not_matter(detector: Detector, astronaut: NDArray[np.uint8]) -> None:
    other = np.ascontiguousarray(astronaut[:300, 100:400, ::-1])
    empty = np.full((64, 64, 3), 90, np.uint8)
    together = detector.detect([astronaut, empty, other])
    for picture, faces in zip([astronaut, empty, other], together, strict=True):
        (alone,) = detector.detect([picture])
        assert len(alone) == len(faces)
        for a, b in zip(alone, faces, strict=True):
            assert np.allclose(a.box, b.box, atol=1e-4)
            assert np.allclose(a.landmarks, b.landmarks, atol=1e-4)
    assert together[1] == []


def test_nothing_in_nothing_out(detector: Detector) -> None:
    assert detector.detect([]) == []


@pytest.mark.parametrize("shape", [(32, 32), (33, 500), (500, 33)])
def test_small_and_long_pictures(detector: Detector, shape: tuple[int, int]) -> None:
    assert detector.detect([np.zeros((*shape, 3), np.uint8)]) == [[]]


def test_large_pictures_are_looked_at_smaller(cache: Path, astronaut: NDArray[np.uint8]) -> None:
    small = Detector.load(cache, DetectorSettings(max_side=256))
    ((face,),) = small.detect([astronaut])
    assert overlaps(boxes([face]), np.array(PUBLISHED["astronaut"])).max() > 0.8


@settings(max_examples=30)
@given(st.integers(100, 300), st.integers(100, 300), st.integers(20, 99))
def test_smaller_is_close_to_the_mean_of_the_area(height: int, width: int, side: int) -> None:
    soft = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(height, width, 3)), (0, 0), 6)
    picture = np.clip(127 + soft * 600, 0, 255).astype(np.uint8)
    small = looked_at(picture, side)
    area = cv2.resize(picture, looked_at_size(picture, side), interpolation=cv2.INTER_AREA)
    assert small.shape == area.shape
    assert np.abs(area.astype(int) - small).mean() < 2


@pytest.mark.parametrize("side", [60, 101, 140, 150, 160, 290])
def test_what_is_too_fine_for_the_new_size_becomes_grey(side: int) -> None:
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    area = cv2.resize(stripes, (side, side), interpolation=cv2.INTER_AREA)
    assert np.abs(looked_at(stripes, side).astype(int) - area).mean() < 16


def test_torch_and_openvino_agree(cache: Path, detector: Detector, astronaut: NDArray[np.uint8]) -> None:
    ((a,),) = detector.detect([astronaut])
    ((b,),) = Detector.load(cache, runtime="torch").detect([astronaut])
    assert np.allclose(a.box, b.box, atol=1e-2)


def test_a_rough_first_network_changes_no_face(cache: Path, astronaut: NDArray[np.uint8]) -> None:
    pnet, rnet, onet = (TorchNetwork(FromPixels(one), "cpu") for one in load_mtcnn(cache))

    class Rough:
        """P-Net as bfloat16 makes it: every answer a little off."""

        def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            exact = pnet(pixels)
            return exact + np.random.default_rng(0).uniform(-0.9 * ROUGHLY, 0.9 * ROUGHLY, exact.shape)

        outputs = pnet.outputs

    pictures = [astronaut, np.ascontiguousarray(astronaut[:256, 96:352])]
    exact = Cascade(pnet, rnet, onet)(pictures, DetectorSettings())
    rough = Cascade(Rough(), rnet, onet, cells=pnet)(pictures, DetectorSettings())
    for one, other in zip(exact, rough, strict=True):
        assert len(one.boxes)
        assert np.allclose(one.scores, other.scores, atol=1e-3)
        # On some processors a cell alone and a cell of the canvas differ by a rounding, with an exact network too, and
        # where that moves a window's corner over a pixel's edge the face moves by some hundredths of one.
        for part in ("boxes", "points"):
            assert np.allclose(getattr(one, part), getattr(other, part), atol=0.05)


def test_threads_side_by_side(detector: Detector, astronaut: NDArray[np.uint8]) -> None:
    expected = detector.detect([astronaut])[0][0].box
    found: list[tuple[float, ...]] = []
    threads = [Thread(target=lambda: found.append(detector.detect([astronaut])[0][0].box)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert np.allclose(found, expected, atol=1e-4)


def test_altered_weights_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(published.SHA256, "pnet", "0" * 64)
    monkeypatch.setattr(joblib, "load", lambda *_: pytest.fail("it was unpickled"))
    with pytest.raises(WeightsError, match="digest"):
        load_mtcnn(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_mtcnn(tmp_path / "new")
    monkeypatch.setattr(joblib, "load", lambda *_: pytest.fail("it was converted again"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        networks = load_mtcnn(tmp_path / "new")
    assert len(networks) == len(NETWORKS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [published.CONVERTED]
