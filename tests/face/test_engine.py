from __future__ import annotations

from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from app.errors import WeightsError
from app.face.align import align
from app.face.decode import decode
from app.face.engine import Engine
from app.face.extract import PACKAGED
from app.face.nets.dlib_resnet import MEAN, STD
from app.face.nets.heads import Frontalizer
from app.face.nets.refiner import Refiner
from app.face.packaged import SHA256
from app.face.weights import write_card


def test_a_portrait_through_the_whole_pipeline(engine: Engine, astronaut: NDArray[np.uint8]) -> None:
    (picture,) = engine.pictures([astronaut])
    (face,) = picture.faces
    assert picture.size == (512, 512)
    assert picture.detection_size == (512, 512)
    assert set(picture.timings_ms) >= {"detect", "align", "extract", "frontalize"}
    assert abs(face.pose.yaw) < 30
    assert face.quality.overall > 30
    for vector in (face.embedding, face.frontalized):
        assert vector.shape == (engine.width,)
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_same_bytes_same_faces_whatever_the_batch(engine: Engine, astronaut: NDArray[np.uint8]) -> None:
    two = np.concatenate([astronaut[:256, 100:400], astronaut[:256, 100:400]], axis=1)
    empty = np.full((80, 80, 3), 90, np.uint8)
    together = engine.pictures([two, empty, astronaut])
    assert len(together[0].faces) >= 2
    assert not together[1].faces
    for image, picture in zip([two, empty, astronaut], together, strict=True):
        (alone,) = engine.pictures([image])
        for a, b in zip(alone.faces, picture.faces, strict=True):
            assert np.allclose(a.detection.box, b.detection.box, atol=1e-5)
            assert np.allclose(a.frontalized, b.frontalized, atol=1e-5)


def test_no_pictures(engine: Engine) -> None:
    assert engine.pictures([]) == []


def test_threads_side_by_side(engine: Engine, astronaut: NDArray[np.uint8]) -> None:
    expected = engine.pictures([astronaut])[0].faces[0].embedding
    found: list[NDArray[np.float32]] = []
    threads = [
        Thread(target=lambda: found.append(engine.pictures([astronaut])[0].faces[0].embedding)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.allclose(one, expected, atol=1e-5) for one in found)


def test_crops_kept_for_training_embed_like_the_picture(engine: Engine, astronaut: NDArray[np.uint8]) -> None:
    (face,) = engine.pictures([astronaut])[0].faces
    crop = align(astronaut, face.detection.landmarks, 128, 1 / 14)
    (embedding,) = engine.embed_crops(crop[None], 1 / 14)
    assert embedding @ face.embedding > 0.95


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder with a model: the packaged extractor, a frontalizer and a refiner that nobody trained."""
    torch.manual_seed(0)
    folder = tmp_path / "turned"
    folder.mkdir()
    frontalizer = Frontalizer(128, 8)
    torch.nn.init.normal_(frontalizer.change[-1].weight, std=0.1)
    save_file(frontalizer.state_dict(), folder / "frontalizer.safetensors")
    save_file(Refiner(8).state_dict(), folder / "landmarks.safetensors")
    write_card(
        folder,
        {
            "name": "turned",
            "kind": "extractor",
            "parts": {
                "extractor": {"architecture": PACKAGED, "sha256": SHA256},
                "frontalizer": {
                    "architecture": "frontalizer",
                    "kwargs": {"width": 128, "hidden": 8},
                    "file": "frontalizer.safetensors",
                },
                "landmarks": {"architecture": "refiner", "kwargs": {"width": 8}, "file": "landmarks.safetensors"},
            },
            "input_size": 150,
            "mean": list(MEAN),
            "std": list(STD),
            "width": 128,
            "thresholds": [[0.1, 0.9]],
            "licence": "CC0-1.0",
        },
    )
    return tmp_path


def test_a_card_brings_its_frontalizer_and_its_refiner(
    engine: Engine, cache: Path, shipped: Path, astronaut: NDArray[np.uint8]
) -> None:
    turned = Engine.load(cache, "turned", [shipped])
    (face,) = turned.pictures([astronaut])[0].faces
    assert turned.extractor == engine.extractor
    assert turned.model_id != engine.model_id
    assert face.frontalized @ face.embedding < 0.999
    assert np.allclose(turned.frontalize(face.embedding[None])[0], face.frontalized, atol=1e-6)


def test_unknown_models_and_missing_gpus_are_said(cache: Path) -> None:
    with pytest.raises(WeightsError, match="no model"):
        Engine.load(cache, "nobody")
    if not torch.cuda.is_available():
        with pytest.raises(WeightsError, match="no GPU"):
            Engine.load(cache, device="cuda")


@pytest.mark.photos
@pytest.mark.slow
def test_people_are_recognised_from_the_front(engine: Engine, photographs: Path) -> None:
    people = sorted((photographs / "subjects").iterdir())[:20]

    def embed(name: str) -> NDArray[np.float32]:
        images = [decode((person / name).read_bytes()) for person in people]
        return np.stack([picture.faces[0].frontalized for picture in engine.pictures(images)])

    scores = embed("frontal-03.jpg") @ embed("frontal-01.jpg").T
    assert (scores.argmax(axis=1) == np.arange(len(people))).mean() >= 0.95
