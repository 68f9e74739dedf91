"""An engine that is told who stands in front of the camera."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.face.faces import Detection, Face, Picture, Pose, Quality
from app.face.spectrum import Asked
from tests.doubles import FakeEngine


class Stage(FakeEngine):
    """Whoever ``people`` names is in view: (person, share of the shorter side, yaw)."""

    def __init__(self) -> None:
        super().__init__()
        self.people: Sequence[tuple[int, float, float]] = ()
        self.lock = threading.Lock()

    def enter(self, *people: int, near: float = 0.3, yaw: float = 0.0) -> None:
        with self.lock:
            self.people = [(person, near, yaw) for person in people]

    def pictures(
        self,
        images: Sequence[NDArray[np.uint8]],
        attributes: frozenset[str] = frozenset(),
        spectrum: Asked = "visible",
    ) -> list[Picture]:
        # Enrolment by a test sends coloured squares, the camera something larger.
        return [self._picture(image, attributes) if len(image) < 100 else self._view(image) for image in images]

    def _view(self, image: NDArray[np.uint8]) -> Picture:
        with self.lock:
            people = self.people
        faces = tuple(self._seen(image, *one, place) for place, one in enumerate(people))
        size = (image.shape[1], image.shape[0])
        return Picture(faces, size, size, {"detect": 1.0})

    def _seen(self, image: NDArray[np.uint8], person: int, near: float, yaw: float, place: int) -> Face:
        height, width = image.shape[:2]
        # A frame shows the visitor alone: it is cut around the face.
        near = near if width / height > 1.2 else 0.33
        side = near * min(width, height)
        left, top = width / 2 - side / 2 + place * 1.5 * side, height / 2 - side / 2
        vector = self.frontalize(_vector(self, person)[None])[0]
        points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32) * side
        return Face(
            Detection((left, top, left + side, top + side), points + np.float32([left, top]), 0.99),
            Pose(yaw, 0.0, 0.0),
            Quality(80.0, 90.0, 90.0, 90.0, 90.0, 60.0),
            _vector(self, person),
            vector,
        )


def _vector(engine: FakeEngine, person: int) -> NDArray[np.float32]:
    own = np.random.default_rng(person).normal(size=engine.width)
    return np.asarray(own / np.linalg.norm(own), np.float32)
