"""Five points again, by a network that looks closer than the detector's own: what holds at profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.face.align import warp
from app.face.faces import Detection, Pose
from app.face.nets.refiner import SIDE, box_matrix, landmarks_of, points_matrix, pose_of
from app.face.runtime import Network


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """Points float32 [5, 2] in pixels of the picture, and the head's angles."""

    landmarks: NDArray[np.float32]
    pose: Pose


class LandmarkRefiner(Protocol):
    """Thread safe."""

    def refine(self, faces: Sequence[tuple[NDArray[np.uint8], Detection]]) -> list[Refined]:
        """For each (picture [h, w, 3], face found in it)."""
        ...


class TwoLookRefiner:
    """First on a square around the box, then on the crop that its own first points align."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def refine(self, faces: Sequence[tuple[NDArray[np.uint8], Detection]]) -> list[Refined]:
        return [self._one(picture, face) for picture, face in faces]

    def _one(self, picture: NDArray[np.uint8], face: Detection) -> Refined:
        matrix = box_matrix(np.asarray(face.box))
        points = landmarks_of(self._look(picture, matrix), matrix[None])[0]
        try:
            matrix = points_matrix(points)
        except ValueError:  # the points coincide: there is no crop to look at again
            return Refined(face.landmarks, Pose(0.0, 0.0, 0.0))
        answer = self._look(picture, matrix)
        yaw, pitch, roll = (float(angle) for angle in pose_of(answer, matrix[None])[0])
        return Refined(landmarks_of(answer, matrix[None])[0], Pose(yaw, pitch, roll))

    def _look(self, picture: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        return self._network(warp(picture, matrix, SIDE)[None])
