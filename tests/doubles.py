"""Stand-ins for the tests of the service: pictures of coloured squares, an engine that reads them.

A face is a run of columns that are not black. Its red channel says who it is (``RED[person]``, tolerant of
lossy coding), green how far the picture is from the person's own vector, blue the quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.face.faces import Attributes, Detection, Face, Occlusion, Picture, Pose, Quality, Regions
from app.face.occlusion import Stricter
from app.face.spectrum import Asked
from app.face.thresholds import ThresholdTable
from app.gallery.contract import Hit
from app.gallery.faiss import FaissGallery

WIDTH = 64
RED = [20 + 8 * person for person in range(29)]


def picture(
    *people: int, spread: int = 0, quality: int = 80, side: int = 96, covered: float = 0.0
) -> NDArray[np.uint8]:
    """One square for each of ``people``, left to right: uint8 [side, n * (side + 16) + 16, 3].

    The lower part ``covered`` of each is white; the engine sees the person in the rest while that is the larger.
    """
    image = np.zeros((side, 16 + len(people) * (side + 16), 3), np.uint8)
    for place, person in enumerate(people):
        left = 16 + place * (side + 16)
        image[:, left : left + side] = (RED[person], spread, quality)
        image[side - round(covered * side) :, left : left + side] = 255
    return image


def encode(image: NDArray[np.uint8], kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def photo(*people: int, **options: Any) -> bytes:
    """A PNG of ``picture``."""
    return encode(picture(*people, **options))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class FakeEngine:
    """Deterministic, thread safe, quick."""

    width = WIDTH
    detector = "squares"
    extractor = "colours"
    runtime = "none"
    attributes = frozenset({"occlusion"})
    stricter = Stricter(((0.0, 0.0), (0.5, 0.2)))

    def __init__(self, model_id: str = "fake-1", turn: int = 1) -> None:
        self.model_id, self.turn = model_id, turn
        self.thresholds = ThresholdTable.of([(1e-1, 0.40), (1e-6, 0.60)])
        self.search_thresholds = ThresholdTable()

    def pictures(
        self,
        images: Sequence[NDArray[np.uint8]],
        attributes: frozenset[str] = frozenset(),
        spectrum: Asked = "visible",
    ) -> list[Picture]:
        """``infrared`` is answered where it is asked for; nothing else changes."""
        seen = [self._picture(image, attributes) for image in images]
        if spectrum != "infrared":
            return seen
        return [replace(one, faces=tuple(replace(face, spectrum="infrared") for face in one.faces)) for one in seen]

    def frontalize(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.roll(embeddings, self.turn, axis=1)

    def _picture(self, image: NDArray[np.uint8], attributes: frozenset[str]) -> Picture:
        lit = image.mean(axis=0)[:, 0] > 12
        edges = np.flatnonzero(np.diff(np.concatenate([[False], lit, [False]]).astype(np.int8)))
        faces = [self._face(image, int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= 12]
        if "occlusion" in attributes:
            faces = [replace(face, attributes=Attributes(occlusion=face.occlusion)) for face in faces]
        faces.sort(key=lambda face: face.detection.box[0] - face.detection.box[2])
        size = (image.shape[1], image.shape[0])
        return Picture(tuple(faces), size, size, {"detect": 1.0, "embed": 2.0})

    def _face(self, image: NDArray[np.uint8], left: int, right: int) -> Face:
        inner = image[2:-2, left + 4 : right - 4].reshape(-1, 3)
        red, green, blue = np.median(inner, axis=0)
        person = int(np.clip(round((red - 20) / 8), 0, len(RED) - 1))
        own = np.random.default_rng(person).normal(size=self.width)
        noise = np.random.default_rng(1000 + int(green)).normal(size=self.width)
        raw = _unit(own + green / 255 * noise)
        points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
        landmarks = points * [right - left, len(image)] + [left, 0]
        return Face(
            Detection((left, 0.0, right, float(len(image))), landmarks.astype(np.float32), 0.99),
            Pose(float(green) / 4, 0.0, 0.0),
            Quality(float(blue), 90.0, 90.0, 90.0, 90.0, 40.0),
            raw,
            self.frontalize(raw[None])[0],
            occlusion=self._occlusion(float((image[:, left + 4 : right - 4].min(axis=(1, 2)) > 230).mean())),
        )

    def _occlusion(self, covered: float) -> Occlusion:
        cells = np.full((14, 14), covered, np.float32)
        pattern = (3, 4, 0, 4) if covered else None
        return Occlusion(float(covered > 0), covered, Regions(0, 0, 0, covered, 1), pattern, covered > 0, cells)


class FailingGallery(FaissGallery):
    """Fails while ``broken``."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__(width)
        self.broken = False

    def _check(self) -> None:
        if self.broken:
            raise RuntimeError("broken on purpose")

    def add(self, *arguments: Any) -> None:
        self._check()
        super().add(*arguments)

    def remove(self, *arguments: Any) -> int:
        self._check()
        return super().remove(*arguments)

    def drop(self, collection: int) -> None:
        self._check()
        super().drop(collection)

    def search(self, *arguments: Any) -> list[list[Hit]]:
        self._check()
        return super().search(*arguments)
