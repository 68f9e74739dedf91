"""Photographs with another expression: the morphable face fitted to one, coloured from it, and drawn over it again.

Painted renders (``training.render``) have exact parameters and a skin that nobody has. Here the skin, the light, the
hair and the background are a photograph's, and only the movement is drawn, so its units are exact too. The fit needs
dense landmarks (``training.landmarker``). What a photograph itself shows is taught as the mean of two who err in
different ways: the fit, which knows geometry alone, and the landmarker's blendshapes (``taught``).

A landmarker and a face model mean other places by the same name. ``offset_of`` finds by how much: without it brows
stand too high for any fit to lower them, and the fit misses twice as far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.action_units import UNITS, unique
from app.face.align import similarity, template
from app.face.nets.facial_parameters import DEGREES, GRID, MARGIN, SIDE
from training.creases import Creases, draw_habit, shade
from training.face_model import CLASSES, DRAWN, IDENTITY, FaceModel
from training.paint import Array, Paint
from training.render import (
    OVERSAMPLING,
    Parameters,
    draw_parameters,
    five_points,
    rasterised,
    rotation,
    spanned,
)

MESH_POINTS: Final = np.array(
    [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
     71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
     33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
     61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87]
)  # fmt: skip
"""Which of MediaPipe's 478 points stand for the 68."""

CONTOUR: Final = 17
"""The first of the 68 lie on the jaw's outline, which is another line of the skin in every pose: they count little."""

NOISE: Final = 1.0
"""Pixels that the landmarker errs, in a crop of 128."""
REST: Final = 0.3
"""Spread of a unit that moves as much as most, against the unit variance of a mode."""
RESTS: Final = (0.1, 1.0)
"""Least and largest spread of a unit: units that hardly move a face may go farther than those that move it much."""
FITTED_MODES: Final = 40
ROUNDS: Final = 4
OFFSET_ROUNDS: Final = 3
STEPS: Final = 80
SURE: Final = 0.02
"""What part of a unit's variance the 68 points must tell, or the fit says nothing of it."""
DEPTH: Final = np.float32(300)
"""Pixels from the viewer to the picture's plane: any that leaves the whole head in front."""
IGNORED: Final = 255
"""The label where a photograph shows through: nobody said what it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The face on a crop of 128 pixels: pixels = scale * rotation @ vertex + shift, y up. ``error`` in pixels.

    ``told`` [23] is the part of each unit's variance that the points tell, by the fit's own posterior.
    """

    identity: Array
    units: Array
    others: Array
    scale: float
    rotation: Array
    shift: Array
    error: float
    told: Array

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll in degrees."""
        r = self.rotation.astype(np.float64)
        yaw, pitch = np.arcsin(np.clip(-r[2, 0], -1, 1)), np.arctan2(r[2, 1], r[2, 2])
        yaw, pitch, roll = np.degrees([yaw, pitch, -np.arctan2(r[1, 0], r[0, 0])])
        return float(yaw), float(pitch), float(roll)

    def vector(self) -> Array:
        """y of method B."""
        yaw, pitch, _ = self.angles
        return np.concatenate([self.identity, np.array([pitch, yaw], np.float32) / np.float32(DEGREES), self.units])


def of_landmarks(model: FaceModel) -> FaceModel:
    """The model's 68 points alone: all that a fit looks at."""
    at = model.landmarks
    modes = {name: getattr(model, name)[:, at] for name in ("identity", "units", "others")}
    return replace(model, mean=model.mean[at], landmarks=np.arange(len(at), dtype=np.int32), **modes)


def offset_of(model: FaceModel, meshes: Sequence[NDArray[np.floating]]) -> Array:
    """Where the landmarker's points lie beside the model's, [68, 3] in cm: the median that fits to ``meshes`` miss by.

    The jaw's outline, which is no fixed place, has none.
    """
    small = of_landmarks(model)
    offset = np.zeros((68, 3), np.float32)
    for _ in range(OFFSET_ROUNDS):
        missed = []
        for mesh in meshes:
            found = fit(small, mesh, offset)
            seen = (mesh[MESH_POINTS] * (1.0, -1.0, -1.0) - found.shift) @ found.rotation / found.scale
            missed.append(seen - small.shape(found.identity, found.units, found.others))
        offset = np.asarray(np.median(missed, axis=0), np.float32)
        offset[:CONTOUR] = 0
    return offset


def fit(model: FaceModel, mesh: NDArray[np.floating], offset: Array) -> Fit:
    """The face whose landmarks, moved by ``offset`` [68, 3], lie nearest to ``mesh`` [478, 3].

    ``mesh`` is in pixels of the crop, z away from the viewer. Pose (Umeyama's similarity) and coefficients (a ridge,
    units held within 0-1 by projected gradients) in turn.
    """
    target = mesh[MESH_POINTS] * np.array([1.0, -1.0, -1.0])
    at = model.landmarks
    mean = model.mean[at].astype(np.float64) + offset
    free = np.concatenate([model.identity[:FITTED_MODES, at], model.units[:, at], model.others[:, at]])
    weights = np.ones((68, 3)) / NOISE**2
    weights[:CONTOUR] *= 0.05
    weights[:, 2] *= 0.03
    prior = np.r_[np.ones(FITTED_MODES), 1 / spread_of(free[FITTED_MODES:]) ** 2]
    low, high = np.r_[np.full(FITTED_MODES, -2.5), np.zeros(len(free) - FITTED_MODES)], np.ones(len(free))
    high[:FITTED_MODES] = 2.5
    found = np.zeros(len(free))
    for _ in range(ROUNDS):
        shape = mean + np.tensordot(found, free, 1)
        scale, turn, shift = _umeyama(shape, target, weights)
        columns = (scale * free @ turn.T).reshape(len(free), -1)
        wanted = (target - scale * mean @ turn.T - shift).ravel()
        heavy = columns * weights.ravel()
        matrix, right = heavy @ columns.T + np.diag(prior), heavy @ wanted
        step = 1 / np.linalg.norm(matrix, 2)
        moving = found
        for k in range(STEPS):  # Nesterov's accelerated projected gradient
            new = np.clip(moving - step * (matrix @ moving - right), low, high)
            moving = new + k / (k + 3) * (new - found)
            found = new
    shape = mean + np.tensordot(found, free, 1)
    scale, turn, shift = _umeyama(shape, target, weights)
    missed = np.linalg.norm((scale * shape @ turn.T + shift - target)[CONTOUR:, :2], axis=1)
    identity = np.zeros(IDENTITY, np.float32)
    identity[:FITTED_MODES] = found[:FITTED_MODES]
    units = unique(found[FITTED_MODES : FITTED_MODES + len(UNITS)])
    others = found[FITTED_MODES + len(UNITS) :].astype(np.float32)
    told = (1 - prior * np.diag(np.linalg.inv(matrix)))[FITTED_MODES : FITTED_MODES + len(UNITS)]
    place = scale, turn.astype(np.float32), shift.astype(np.float32)
    return Fit(identity, units, others, *place, float(missed.mean()), told.astype(np.float32))


def spread_of(shapes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Prior spread of each of ``shapes`` [k, 68, 3]: by the root of how far it moves the points, half way between one
    number for all and one movement for all."""
    moved = np.sqrt((shapes[:, CONTOUR:].astype(np.float64) ** 2).sum(axis=2).mean(axis=1))
    return np.asarray(np.clip(REST * np.sqrt(np.median(moved) / np.maximum(moved, 1e-6)), *RESTS))


def rest_of(model: FaceModel, meshes: Sequence[NDArray[np.floating]], offset: Array) -> Array:
    """Units [23] of the median face of ``meshes``, which rests, whatever a fit makes of its nose."""
    small = of_landmarks(model)
    return np.asarray(np.median([fit(small, mesh, offset).units for mesh in meshes], axis=0), np.float32)


def taught(fitted: Fit, rest: Array, said: Array) -> Array:
    """Units [23] of a photograph: the mean of what its fit and the landmarker say.

    The fit says how far units are from ``rest`` [23], and nothing of one of which the points do not tell ``SURE``;
    ``said`` [23] is the landmarker's, NaN of what it does not see. Where one is silent the other counts alone; NaN
    where both are.
    """
    own = np.where(fitted.told < SURE, np.nan, np.clip(fitted.units - rest, 0, 1))
    both = np.where(np.isnan(said), own, (own + said) / 2)
    return np.asarray(np.where(np.isnan(own), said, both), np.float32)


def read(
    crop: NDArray[np.uint8], mesh: NDArray[np.floating], fitted: Fit, offset: Array, units: Array
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Array, Array]:
    """The photograph itself, with the fit's identity and angles and ``units`` [23] as ``taught`` has them: image,
    labels (nobody's), y, points as ``RenderSet``."""
    y = fitted.vector()
    y[-len(UNITS) :] = units
    points = mesh[MESH_POINTS, :2] - fitted.scale * (offset @ fitted.rotation.T)[:, :2] * (1, -1)
    labels = np.full((GRID, GRID), IGNORED, np.uint8)
    return crop, labels, y, spanned(points, crop.shape[0])


def _umeyama(
    source: NDArray[np.float64], target: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The weighted similarity in space (Umeyama 1991)."""
    weight = weights[:, :1] / weights[:, :1].sum()
    source_mean, target_mean = (source * weight).sum(axis=0), (target * weight).sum(axis=0)
    a, b = source - source_mean, target - target_mean
    u, s, vt = np.linalg.svd((b * weight).T @ a)
    signs = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = (u * signs) @ vt
    scale = float((s * signs).sum() / (weight * a**2).sum())
    return scale, turn, target_mean - scale * turn @ source_mean


def redraw(
    rng: np.random.Generator, model: FaceModel, crop: NDArray[np.uint8], fitted: Fit, paint: Paint, creases: Creases
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Array, Array]:
    """``crop`` [128, 128, 3] with other units and a slightly turned head: image, labels, y, points as ``RenderSet``.

    ``paint`` gives what the photograph does not show: eyeballs, teeth, the inside of the mouth; ``creases``
    are what the movement adds to those of the photograph.
    """
    drawn = _other_expression(rng, model, fitted)
    before = model.shape(fitted.identity, fitted.units, fitted.others)
    skin = _front(model)
    colours, visible = (
        _sampled(crop, _placed(before, fitted.rotation, fitted)),
        np.isin(model.part, [DRAWN.index("face")]),
    )
    colours[~visible] = paint.albedo[~visible] * np.clip(2.2 * colours[visible].mean(), 0.3, 1.1)
    colours *= shade(creases, draw_habit(rng, at_rest=False), drawn.units)[:, None]
    after = model.shape(fitted.identity, drawn.units, drawn.others)
    turned = rotation(drawn.yaw, drawn.pitch, drawn.roll)
    placed = _placed(after, turned, fitted)
    side = SIDE * OVERSAMPLING
    shake = rng.normal(0, 0.012, (5, 2)) * side
    matrix = similarity(five_points(placed[:, :2], model), template(side, MARGIN) + shake)
    behind = cv2.warpAffine(crop, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    ground = np.asarray(behind, np.float32) / np.float32(255)
    pixels = (placed[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    depth = np.asarray(DEPTH - placed[:, 2], np.float32)
    picture, _ = rasterised(pixels, depth, skin, colours, ground)
    label = np.asarray(np.repeat(paint.classes[:, None] / 255, 3, axis=1), np.float32)
    label[paint.classes == CLASSES.index("hair")] = CLASSES.index("face") / 255
    nothing = np.ones((GRID, GRID, 3), np.float32)
    labels, _ = rasterised(pixels / (side / GRID), depth, skin, label, nothing, flat=True)
    image = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return (
        np.asarray(np.clip(image * 255 + 0.5, 0, 255), np.uint8),
        np.asarray(np.rint(labels[..., 0] * 255), np.uint8),
        drawn.vector(),
        spanned(pixels[model.landmarks], side),
    )


def _other_expression(rng: np.random.Generator, model: FaceModel, fitted: Fit) -> Parameters:
    drawn = draw_parameters(rng, model, fitted.identity)
    kept = fitted.units if rng.random() < 0.4 else np.zeros_like(fitted.units)
    yaw, pitch, roll = fitted.angles
    return Parameters(
        fitted.identity,
        unique(np.clip(drawn.units + kept, 0, 1)),
        drawn.others,
        yaw + float(rng.normal(0, 8)),
        pitch + float(rng.normal(0, 6)),
        roll,
    )


def _placed(vertices: Array, turn: Array, fitted: Fit) -> Array:
    """[v, 3]: x, y in pixels of the crop (y down), z towards the viewer in pixels."""
    at = fitted.scale * vertices @ turn.T + fitted.shift
    return np.asarray(at * np.array([1, -1, 1], np.float32), np.float32)


def _sampled(crop: NDArray[np.uint8], placed: Array) -> Array:
    sampled = cv2.remap(crop, placed[:, None, 0], placed[:, None, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled[:, 0].astype(np.float32) / 255)


def _front(model: FaceModel) -> NDArray[np.int32]:
    """Triangles of the face without its rim, ears and neck, where a fit to 68 points says nothing."""
    named = model.regions[:, :14].max(axis=1) > 0.05
    inner = (named & (model.mean[:, 1] < 7.5)) | (model.part != DRAWN.index("face"))
    inner &= model.part != DRAWN.index("head_neck")
    return np.ascontiguousarray(model.triangles[inner[model.triangles].all(axis=1)])
