"""Where an evaluation's embeddings come from: crops, or pictures through an engine."""

from __future__ import annotations

import lzma
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.face.faces import Detection, Face, Picture, Pose, Quality
from training.embeddings import cached, unit
from training.sources import Folders, LabelledCrops, ThroughEngine, nearest_the_middle


def write_crops(folder: Path, name: str, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = np.random.default_rng(0).integers(0, 255, (count, 128, 128, 3), np.uint8)
    np.save(folder / f"{name}.npy", pictures)
    (folder / f"{name}.tsv").write_text(
        "".join(f"a/{i}.jpg\t{i}.0\t0.0\t0.0\n" for i in range(count)), encoding="utf-8"
    )
    return folder / f"{name}.npy"


@pytest.mark.parametrize(("whole", "side"), [(False, 112), (True, 128)])
def test_embeddings_are_computed_once_and_again_when_the_crops_change(whole: bool, side: int, tmp_path: Path) -> None:
    file = write_crops(tmp_path / "crops", "t", 5)
    calls: list[int] = []

    def embed(crops: np.ndarray) -> np.ndarray:
        assert crops.shape[1:] == (side, side, 3)
        calls.append(len(crops))
        return unit(crops.reshape(len(crops), -1)[:, :8])

    first = cached(file, tmp_path / "cache", "x", embed, whole, chunk=2)
    again = cached(file, tmp_path / "cache", "x", embed, whole, chunk=2)
    assert calls == [2, 2, 1]
    assert np.array_equal(first, again)
    kept = tmp_path / "cache" / "t_x.npy"
    os.utime(kept, (0, 0))
    cached(file, tmp_path / "cache", "x", embed, whole)
    assert calls == [2, 2, 1, 5]


def face(x: float, vector: Sequence[float]) -> Face:
    found = Detection((x, 40, x + 20, 60), np.zeros((5, 2), np.float32), 0.9)
    quality = Quality(50, 50, 50, 50, 50, 20)
    embedding = np.array(vector, np.float32)
    return Face(found, Pose(0, 0, 0), quality, embedding, embedding)


def test_the_face_nearest_the_middle_is_meant() -> None:
    faces = (face(0, [1, 0]), face(42, [0, 1]))
    assert nearest_the_middle(Picture(faces, (100, 100), (100, 100), {})) is faces[1]
    assert nearest_the_middle(Picture((), (100, 100), (100, 100), {})) is None


class BlackIsNoFace:
    """An engine that finds two faces in any picture that is not black."""

    model_id, detector, width = "double-1", "double", 2

    def __init__(self) -> None:
        self.seen = 0

    def pictures(self, images: Sequence[np.ndarray]) -> list[Picture]:
        self.seen += len(images)
        both = (face(0, [1, 0]), face(42, [0, 1]))
        return [Picture(both if image.any() else (), (100, 100), (100, 100), {}) for image in images]


def test_pictures_go_through_the_engine_once_and_lost_faces_are_rows_of_zeros(tmp_path: Path) -> None:
    (tmp_path / "data" / "t").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "t" / "grey.png"), np.full((100, 100, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "data" / "t" / "black.png"), np.zeros((100, 100, 3), np.uint8))
    (tmp_path / "data" / "t" / "broken.png").write_bytes(b"nothing")
    (tmp_path / "labels").mkdir()
    with lzma.open(tmp_path / "labels" / "t.tsv.xz", "wt", encoding="utf-8") as out:
        numbers = "\t".join(["0"] * 15)
        out.writelines(f"{n}.png\t{numbers}\t{yaw}\t0\t0\n" for n, yaw in (("grey", 5), ("black", 6), ("broken", 7)))
    engine = BlackIsNoFace()
    source = ThroughEngine(
        Folders(tmp_path / "data", tmp_path / "labels", tmp_path / "crops", tmp_path / "cache"), engine
    )
    for _ in range(2):
        found = source.embedded("t")
        assert found.lost.tolist() == [False, True, True]
        assert found.vectors[0].tolist() == [0, 1]
        assert found.yaw.tolist() == [5, 6, 7]
    assert engine.seen == 2


def test_labelled_crops_come_with_paths_and_yaws(tmp_path: Path) -> None:
    write_crops(tmp_path / "crops", "t", 3)
    folders = Folders(tmp_path, tmp_path, tmp_path / "crops", tmp_path / "cache")
    source = LabelledCrops(folders, "x", lambda crops: unit(crops.reshape(len(crops), -1)[:, :4]))
    found = source.embedded("t")
    assert found.paths == ("a/0.jpg", "a/1.jpg", "a/2.jpg")
    assert found.yaw.tolist() == [0, 1, 2]
    assert source.crop("t", 2).shape == (128, 128, 3)
