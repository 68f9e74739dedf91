"""Five points again, by a network that looks closer than the detector's own: what holds at profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.face.align import warp
from app.face.faces import Detection, Pose
from app.face.nets.refiner import SIDE, box_matrix, landmarks_of, points_matrix, pose_of, score_of
from app.face.runtime import Network, Runtime, run_with
from app.face.weights import SHIPPED, ModelCard, load_part, read_card

LANDMARKS: Final = "landmarks-profile"
"""The refiner for every model whose card brings none."""


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """Points float32 [5, 2] in pixels of the picture, the head's angles, and how much the box shows a face, 0-1.

    ``score`` is the least of all looks. It is low where the box is off, and for most of what a greedy cascade takes
    for a face and is none; sometimes for a face in a mask too.
    """

    landmarks: NDArray[np.float32]
    pose: Pose
    score: float


LOOKS: Final = 3
"""The third changes little where the second was right, and brings back what lay askew in the box."""


class LandmarkRefiner(Protocol):
    """Thread safe."""

    def refine(self, faces: Sequence[tuple[NDArray[np.uint8], Detection]], looks: int = LOOKS) -> list[Refined]:
        """For each (picture [h, w, 3], face found in it)."""
        ...


class RepeatedLook:
    """First on a square around the box, then on the crops that its own points so far align."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def refine(self, faces: Sequence[tuple[NDArray[np.uint8], Detection]], looks: int = LOOKS) -> list[Refined]:
        return [self._one(picture, face, looks) for picture, face in faces]

    def _one(self, picture: NDArray[np.uint8], face: Detection, looks: int) -> Refined:
        matrix = box_matrix(np.asarray(face.box))
        answer = self._look(picture, matrix)
        score = float(score_of(answer)[0])
        for _ in range(looks - 1):
            try:
                matrix = points_matrix(landmarks_of(answer, matrix[None])[0])
            except ValueError:  # the points coincide: there is no crop to look at again
                return Refined(face.landmarks, Pose(0.0, 0.0, 0.0), 0.0)
            answer = self._look(picture, matrix)
            score = min(score, float(score_of(answer)[0]))
        yaw, pitch, roll = (float(angle) for angle in pose_of(answer, matrix[None])[0])
        return Refined(landmarks_of(answer, matrix[None])[0], Pose(yaw, pitch, roll), score)

    def _look(self, picture: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        return self._network(warp(picture, matrix, SIDE)[None])


def shipped_refiner(runtime: Runtime, streams: int, device: str) -> RepeatedLook:
    """That of ``LANDMARKS``. Raises ``WeightsError`` when its file was altered."""
    return refiner_of(read_card(SHIPPED / LANDMARKS), runtime, streams, device)


def refiner_of(card: ModelCard, runtime: Runtime, streams: int, device: str) -> RepeatedLook:
    """The part ``landmarks`` of ``card``, made ready to run."""
    return RepeatedLook(run_with(runtime, load_part(card, "landmarks"), (1, SIDE, SIDE, 3), streams, device))
