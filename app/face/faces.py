"""What the engine answers: value objects, all frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Spectrum = Literal["visible", "infrared"]
"""What a face was seen by, and so which of the two networks embedded it. Both embed into one space."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Head angles in degrees. ``yaw`` > 0: the subject looks to their own left (image right).

    ``pitch`` > 0: looks down. ``roll`` > 0: the head leans to the image's right (clockwise).
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face found in a picture, in pixels of the picture after EXIF orientation.

    ``box`` is x0, y0, x1, y1; ``landmarks`` float32 [5, 2]: left eye, right eye, nose, left and right
    mouth corner as the picture shows them; ``score`` 0-1.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    score: float


@dataclass(frozen=True, slots=True)
class Quality:
    """ISO/IEC 29794-5 style components, 0 (useless) to 100 (ideal), and the distance between the eyes.

    ``overall`` is the weakest component. ``inter_eye`` is in pixels, corrected for yaw.
    """

    overall: float
    sharpness: float
    brightness: float
    contrast: float
    size: float
    inter_eye: float


@dataclass(frozen=True, slots=True)
class Age:
    """Apparent age in years, and an interval meant to hold the true one for 80 % of faces."""

    years: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Regions:
    """The part of each region of the face that is covered, 0-1."""

    forehead: float
    eyes: float
    nose: float
    mouth: float
    chin: float


@dataclass(frozen=True, slots=True, eq=False)
class Occlusion:
    """What covers a face. ``occluded`` is the chance that anything does, ``covered`` the part of the face, both 0-1.

    ``pattern``: first row, last row, first column, last column of the covered rectangle on a grid of 5 x 5 over
    the aligned crop, from 0 at the top left, inclusive; None for none. ``mask``: a face mask is worn. ``cells``
    float32 [14, 14]: the chance that each cell of the aligned crop is covered.
    """

    occluded: float
    covered: float
    regions: Regions
    pattern: tuple[int, int, int, int] | None
    mask: bool
    cells: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What estimators said about a face, under their names; None for what was not asked for."""

    occlusion: Occlusion | None = None

    age: Age | None = None

    action_units: Mapping[str, float] | None = None
    """0-1 under the names of ``app.face.action_units.named``."""

    blendshapes: Mapping[str, float] | None = None
    """0-1 under ARKit's names."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face through the whole pipeline. Both vectors are float32 [width], unit length.

    ``embedding`` is ``E(x)``; ``frontalized`` is ``G(E(x))`` and is what the gallery compares. ``occlusion`` is
    there for every face where the model masks what is covered, for ``embedding`` then is that of the rest.
    """

    detection: Detection
    pose: Pose
    quality: Quality
    embedding: NDArray[np.float32] = field(repr=False)
    frontalized: NDArray[np.float32] = field(repr=False)
    attributes: Attributes = Attributes()
    occlusion: Occlusion | None = None
    spectrum: Spectrum = "visible"


@dataclass(frozen=True, slots=True)
class Picture:
    """All faces of one picture, largest first, with the milliseconds by stage.

    ``detection_size`` is the width and height at which faces were looked for: part of the contract,
    because another size may find other faces.
    """

    faces: tuple[Face, ...]
    size: tuple[int, int]
    detection_size: tuple[int, int]
    timings_ms: dict[str, float]
