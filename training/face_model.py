"""The morphable face, linear in everything: ICT-FaceKit light (Li et al. 2020; MIT), in the vocabulary of method B.

    vertices = mean + identity . a_id + units . a_exp + others . nuisance

Identity is 244 numbers, as in the source: the model's 100 modes, and for each of 16 regions of the face a small
translation (3), rotation (3) and scale (3), made linear around the mean face. The 23 units are those of
``app.face.action_units``; the model's further shapes (gaze, dimples, ...) are drawn at random and not estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.face.action_units import UNITS

MODES: Final = 100
REGIONS: Final = 16
IDENTITY: Final = MODES + 9 * REGIONS
"""244."""

SHIFT, TURN, GROWTH = 0.12, 0.04, 0.05
"""One unit of a region's translation (about cm), rotation (radians) and scale: small, as the face must not tear."""

CLASSES: Final = (
    "background", "brow_L", "brow_R", "eye_L", "eye_R", "nose", "upper_lip", "teeth", "lower_lip", "face", "hair",
)  # fmt: skip
"""Of the parsing network. ``teeth`` is all that an open mouth shows; left and right are the subject's."""

DRAWN: Final = ("face", "head_neck", "mouth_socket", "eye_socket_L", "eye_socket_R", "teeth", "sclera_L", "sclera_R")
"""Parts that are drawn. Lashes, corneas and tear films are glass and hair cards: without alpha they look wrong."""

FACE_LOOKS: Final = tuple(f"eyeLook{way}_{side}" for way in ("Down", "In", "Out", "Up") for side in "LR")
"""The shapes that turn the eyes."""

SMOOTHINGS: Final = 25
"""How often a region's weight is averaged over neighbours, so that it fades over about a centimetre."""

TEETH_BACK: Final = 0.35
"""How far (cm) teeth are pushed in, so that they do not show through closed lips when identity moves only these."""

LEFT_EYE, RIGHT_EYE, NOSE_TIP, RIGHT_CORNER, LEFT_CORNER = range(42, 48), range(36, 42), 30, 48, 54
"""In the order of the 68 points; left and right are the subject's."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FaceModel:
    """``mean`` [v, 3]; ``identity`` [244, v, 3]; ``units`` [23, v, 3]; ``others`` [k, v, 3] named ``other_names``.

    +x the subject's left, +y up, +z out of the face, about cm. ``triangles`` [t, 3]; ``classes`` [v] of ``CLASSES``;
    ``landmarks`` [68] vertices; ``regions`` [v, 16] the weights of the regions; ``part`` [v] of ``DRAWN``.
    """

    mean: Array
    identity: Array
    units: Array
    others: Array
    other_names: tuple[str, ...]
    triangles: NDArray[np.int32]
    classes: NDArray[np.uint8]
    landmarks: NDArray[np.int32]
    regions: Array
    part: NDArray[np.uint8]
    eye: NDArray[np.uint8]

    def shape(self, identity: Array, units: Array, others: Array | None = None) -> Array:
        """Vertices [v, 3] of ``identity`` [244], ``units`` [23] and ``others`` [k]."""
        moved = self.mean + np.tensordot(identity, self.identity, 1) + np.tensordot(units, self.units, 1)
        return moved if others is None else moved + np.tensordot(others, self.others, 1)


def load_face_model(path: Path) -> FaceModel:
    """Read the model's ``.npz`` (no pickle). Raises ``OSError``, or ``KeyError`` where it is another file."""
    raw = np.load(path, allow_pickle=False)
    geometry = [str(name) for name in raw["geometry_names"]]
    wanted = np.array([geometry.index(name) for name in DRAWN])
    kept = np.isin(raw["geometry_label"], wanted)
    number = np.cumsum(kept) - 1
    triangles = raw["triangles"].astype(np.int64)
    triangles = number[triangles[kept[triangles].all(axis=1)]].astype(np.int32)
    mean = raw["mean"][kept].astype(np.float32)
    part = np.argmax(raw["geometry_label"][kept][:, None] == wanted, axis=1).astype(np.uint8)
    mean[part == DRAWN.index("teeth"), 2] -= TEETH_BACK
    names = [str(name) for name in raw["expression_names"]]
    shapes = raw["expression"][:, kept].astype(np.float32)
    used = {shape for unit in UNITS for shape in unit.shapes}
    rest = [name for name in names if name not in used and not name.startswith("Pupil")]
    region = raw["region_label"][kept]
    regions = _smooth(_regions(region, [str(n) for n in raw["region_names"]], mean, part), triangles, part)
    return FaceModel(
        mean=mean,
        identity=np.concatenate([raw["identity"][:, kept].astype(np.float32), _local(mean, regions)]),
        units=np.stack([sum(shapes[names.index(s)] for s in unit.shapes) for unit in UNITS]).astype(np.float32),
        others=np.stack([shapes[names.index(name)] for name in rest]),
        other_names=tuple(rest),
        triangles=triangles,
        classes=_classes(region, [str(n) for n in raw["region_names"]], part),
        landmarks=number[raw["landmarks68"]].astype(np.int32),
        regions=regions,
        part=part,
        eye=raw["eye_label"][kept],
    )


def _regions(region: NDArray[np.uint8], names: list[str], mean: Array, part: NDArray[np.uint8]) -> Array:
    """Indicator [v, 16] of the regions that carry local identity, eyeballs with their lids."""

    def of(name: str) -> NDArray[np.bool_]:
        return region == names.index(name)

    nose, jaw = of("nose"), of("jaw_ear_neck")
    tip = mean[:, 1] < 0.8
    balls = [np.isin(part, [DRAWN.index(f"{what}_{side}") for what in ("sclera", "eye_socket")]) for side in "RL"]
    parts = [
        of("forehead"), of("skin_other"), of("brow_R"), of("brow_L"), of("eye_R") | balls[0], of("eye_L") | balls[1],
        nose & ~tip, nose & tip, of("upper_lip"), of("lower_lip"), of("mouth_area"), of("cheek_R"), of("cheek_L"),
        of("chin"), jaw & (mean[:, 0] < 0), jaw & (mean[:, 0] >= 0),
    ]  # fmt: skip
    return np.stack(parts, axis=1).astype(np.float32)


def _smooth(weights: Array, triangles: NDArray[np.int32], part: NDArray[np.uint8]) -> Array:
    """``weights`` [v, r] averaged over neighbours within the skin; eyeballs are rigid and keep theirs."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    count = np.maximum(np.bincount(edges[:, 0], minlength=len(weights)), 1)[:, None]
    skin = (part == DRAWN.index("face"))[:, None]
    out = weights
    for _ in range(SMOOTHINGS):
        sums = [np.bincount(edges[:, 0], column[edges[:, 1]], len(weights)) for column in out.T]
        out = np.where(skin, 0.5 * out + 0.5 * np.stack(sums, axis=1) / count, weights).astype(np.float32)
    return out


def _local(mean: Array, regions: Array) -> Array:
    """The nine linear modes of each region around its own centre: [9 r, v, 3]."""
    axes = np.eye(3, dtype=np.float32)
    modes: list[Array] = []
    for weight in regions.T[:, :, None]:
        offset = mean - (mean * weight).sum(axis=0) / weight.sum()
        modes += [SHIFT * weight * axis for axis in axes]
        modes += [TURN * weight * np.cross(axis, offset) for axis in axes]
        modes += [GROWTH * weight * offset * axis for axis in axes]
    return np.stack(modes).astype(np.float32)


def _classes(region: NDArray[np.uint8], names: list[str], part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The parsing class of each vertex; brows and hair are painted, so ``training.paint`` says where they are."""
    out = np.full(len(region), CLASSES.index("face"), np.uint8)
    for name in ("nose", "upper_lip", "lower_lip"):
        out[region == names.index(name)] = CLASSES.index(name)
    inside = np.isin(part, [DRAWN.index("mouth_socket"), DRAWN.index("teeth")])
    out[inside] = CLASSES.index("teeth")
    for side in "LR":
        out[part == DRAWN.index(f"sclera_{side}")] = CLASSES.index(f"eye_{side}")
    return out
