"""Pictures of the morphable face with their exact parameters, cut as ``app.face.align`` cuts photographs.

The rasteriser is OpenCV's ``triangleRasterize`` (OpenCV 5, headless, on the CPU): 3 ms for 40,000 triangles. It
draws vertex colours; the light is ours, a vertex at a time. The five points of the drawn face go through the same
similarity as a photograph's, and the picture is drawn straight into the crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.action_units import ANTAGONISTS, UNITS, unique
from app.face.align import similarity, template
from app.face.nets.facial_parameters import DEGREES, GRID, MARGIN, SIDE
from training.face_model import CLASSES, IDENTITY, LEFT_CORNER, LEFT_EYE, NOSE_TIP, RIGHT_CORNER, RIGHT_EYE, FaceModel
from training.paint import Array, Paint

OVERSAMPLING: Final = 2
CENTRE: Final = np.array([0.0, 2.0, 2.0], np.float32)
"""About which the head turns."""
FAR: Final = 1000.0
DOWN: Final = np.array([1, -1], np.float32)
"""From y up to y down."""
AWAY: Final = np.array([1, 1, -1], np.float32)
"""From z towards the viewer to depth."""


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """``identity`` [244] of about unit variance, ``units`` [23] 0-1, antagonists unique; angles in degrees.

    ``others`` [k] are shapes that are drawn and not estimated.
    """

    identity: Array
    units: Array
    others: Array
    yaw: float
    pitch: float
    roll: float

    def vector(self) -> Array:
        """y of method B, [269]: identity, pitch and yaw in units of ``DEGREES``, units."""
        return np.concatenate(
            [self.identity, np.array([self.pitch, self.yaw], np.float32) / np.float32(DEGREES), self.units]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """``way`` [3] to the lamp, its ``colour`` and the surroundings' [3], how much the skin shines, exposure."""

    way: Array
    colour: Array
    ambient: Array
    shine: float
    gain: float


@dataclass(frozen=True, slots=True, eq=False)
class Render:
    """``image`` uint8 [SIDE, SIDE, 3]; ``labels`` uint8 [GRID, GRID] of ``CLASSES``; ``points`` [5, 2] in it.

    ``landmarks`` [68, 2] are from -1 to 1 across the picture.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    points: Array
    landmarks: Array


def draw_parameters(rng: np.random.Generator, model: FaceModel, identity: Array | None = None) -> Parameters:
    """Uniform over what each unit, angle and mode may be; on most faces most units rest, as on people's."""
    units = rng.uniform(0, 1, len(UNITS)).astype(np.float32)
    if rng.random() < 0.75:
        units *= rng.random(len(UNITS)) < rng.choice([0.08, 0.2, 0.4])
    for left, right in ((3, 4), (8, 9), (21, 22)):
        if rng.random() < 0.7:  # both halves mostly move together
            units[right] = np.clip(units[left] + rng.normal(0, 0.05) * (units[left] > 0), 0, 1)
    for one, other in ANTAGONISTS:
        if rng.random() < 0.5:
            units[rng.choice([one, other])] = 0
    others = rng.uniform(0, 0.8, len(model.other_names)) * (rng.random(len(model.other_names)) < 0.12)
    for at, name in enumerate(model.other_names):
        if name.startswith("eyeLook"):
            others[at] = 0
    _look(rng, model, others)
    yaw = rng.uniform(-90, 90) if rng.random() < 0.4 else rng.normal(0, 22)
    return Parameters(
        draw_identity(rng) if identity is None else identity,
        unique(units),
        others.astype(np.float32),
        float(np.clip(yaw, -90, 90)),
        float(rng.uniform(-35, 35) if rng.random() < 0.4 else rng.normal(4, 9)),
        float(rng.normal(0, 10)),
    )


def draw_identity(rng: np.random.Generator) -> Array:
    """Uniform, of unit variance."""
    return rng.uniform(-np.sqrt(3), np.sqrt(3), IDENTITY).astype(np.float32)


def base_parameters(model: FaceModel) -> Parameters:
    """The base face: mean, neutral, frontal."""
    zeros = (
        np.zeros(IDENTITY, np.float32),
        np.zeros(len(UNITS), np.float32),
        np.zeros(len(model.other_names), np.float32),
    )
    return Parameters(*zeros, 0.0, 0.0, 0.0)


def _look(rng: np.random.Generator, model: FaceModel, others: NDArray[np.float64]) -> None:
    """Both eyes the same way, often nowhere."""
    if rng.random() < 0.4:
        return
    side, lift = rng.uniform(-0.7, 0.7, 2)
    names = model.other_names
    for half, out in (("L", side), ("R", -side)):
        others[names.index(f"eyeLookOut_{half}")] = max(out, 0)
        others[names.index(f"eyeLookIn_{half}")] = max(-out, 0)
        others[names.index(f"eyeLookUp_{half}")] = max(lift, 0)
        others[names.index(f"eyeLookDown_{half}")] = max(-lift, 0)


def draw_light(rng: np.random.Generator) -> Light:
    """Mostly from the front and above, sometimes hard and from aside."""
    way = np.array([rng.normal(0, 0.8), rng.normal(0.5, 0.5), rng.uniform(0.3, 1.2)])
    strength = rng.uniform(0.15, 0.9)
    tint = 1 + rng.normal(0, 0.05, 3)
    return Light(
        (way / np.linalg.norm(way)).astype(np.float32),
        (strength * tint).astype(np.float32),
        ((1 - 0.6 * strength) * (1 + rng.normal(0, 0.04, 3))).astype(np.float32),
        float(rng.uniform(0, 0.25)),
        float(rng.uniform(0.65, 1.25)),
    )


def base_light() -> Light:
    way = np.array([0.2, 0.4, 0.9])
    return Light(
        (way / np.linalg.norm(way)).astype(np.float32),
        np.full(3, 0.5, np.float32),
        np.full(3, 0.6, np.float32),
        0.05,
        1.0,
    )


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """[3, 3] of degrees with the signs of ``app.face.faces.Pose``: roll about the view, then yaw, then pitch."""
    a, b, c = np.radians([yaw, pitch, -roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


def normals(vertices: Array, triangles: NDArray[np.int32]) -> Array:
    """Unit normals [v, 3], weighted by area."""
    corner = vertices[triangles]
    across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    sums = [np.bincount(triangles.ravel(), np.repeat(across[:, k], 3), len(vertices)) for k in range(3)]
    out = np.stack(sums, axis=1)
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9), np.float32)


def shaded(albedo: Array, normal: Array, light: Light) -> Array:
    """Lambert and a Blinn highlight for a viewer straight ahead; [v, 3] 0-1."""
    lit = np.clip(normal @ light.way, 0, 1)
    half = light.way + np.array([0, 0, 1], np.float32)
    gloss = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 20
    above = (0.8 + 0.2 * normal[:, 1])[:, None]
    colour = (
        albedo * (light.ambient * above + lit[:, None] * light.colour) + light.shine * gloss[:, None] * light.colour
    )
    return np.asarray(np.clip(light.gain * colour, 0, 1), np.float32)


def five_points(projected: Array, model: FaceModel) -> Array:
    """The five points [5, 2] as the picture shows them: the subject's right eye first."""
    at = projected[model.landmarks]
    return np.stack(
        [
            at[list(RIGHT_EYE)].mean(axis=0),
            at[list(LEFT_EYE)].mean(axis=0),
            at[NOSE_TIP],
            at[RIGHT_CORNER],
            at[LEFT_CORNER],
        ]
    )


def posed(vertices: Array, parameters: Parameters, distance: float) -> tuple[Array, Array]:
    """Camera coordinates [v, 3] (viewer at ``distance`` cm along +z) and the picture plane [v, 2], y down."""
    turned = (vertices - CENTRE) @ rotation(parameters.yaw, parameters.pitch, parameters.roll).T
    depth = distance - turned[:, 2]
    plane = turned[:, :2] * DOWN * (distance / depth)[:, None]
    return np.column_stack([turned[:, :2], depth]).astype(np.float32), plane.astype(np.float32)


def rasterised(
    plane: Array, depth: Array, triangles: NDArray[np.int32], values: Array, ground: Array, flat: bool = False
) -> tuple[Array, Array]:
    """``values`` [v, 3] drawn over ``ground`` [s, s, 3], and the depths [s, s] (``FAR`` where nothing is).

    ``plane`` [v, 2] are pixels of the picture, ``depth`` [v] positive; triangles that turn their back are left out.
    """
    side = len(ground)
    unit = (plane / side * 2 - 1) * DOWN  # the camera of 90 degrees sees x / depth in -1..1
    vertices = np.column_stack([unit * depth[:, None], -depth]).astype(np.float32)
    picture, depths = ground.copy(), np.full((side, side), FAR, np.float32)
    settings = cv2.TriangleRasterizeSettings()
    settings.setShadingType(cv2.RASTERIZE_SHADING_FLAT if flat else cv2.RASTERIZE_SHADING_SHADED)
    settings.setCullingMode(cv2.RASTERIZE_CULLING_CW)
    view = np.eye(4, dtype=np.float32)
    drawn, far = cv2.triangleRasterize(
        vertices, triangles, values, picture, depths, view, np.pi / 2, 1.0, FAR, settings
    )
    return np.asarray(drawn, np.float32), np.asarray(far, np.float32)


def render(
    model: FaceModel,
    parameters: Parameters,
    paint: Paint,
    light: Light,
    ground: Array,
    distance: float = 80.0,
    shake: Array | None = None,
    neutral: Array | None = None,
) -> Render:
    """One aligned crop. ``ground`` [s, s, 3] 0-1 with s = SIDE * OVERSAMPLING; ``shake`` [5, 2] moves the five points
    by parts of the crop before they are aligned; ``neutral`` [v, 3] is the identity's shape, if at hand."""
    neutral = model.mean + np.tensordot(parameters.identity, model.identity, 1) if neutral is None else neutral
    vertices = (
        neutral + np.tensordot(parameters.units, model.units, 1) + np.tensordot(parameters.others, model.others, 1)
    )
    camera, plane = posed(vertices, parameters, distance)
    side = SIDE * OVERSAMPLING
    points = five_points(plane, model)
    matrix = similarity(points, template(side, MARGIN) + (0 if shake is None else side * shake))
    normal = normals(camera * AWAY, model.triangles)
    grown = camera + paint.volume[:, None] * normal * AWAY
    flat = grown[:, :2] * DOWN * (distance / grown[:, 2:])
    pixels = (flat @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    colour = shaded(paint.albedo, normal, light)
    # Half of all triangles turn their back, and nothing of them is seen
    facing = np.ascontiguousarray(model.triangles[(normal[model.triangles, 2] > -0.35).any(axis=1)])
    picture, _ = rasterised(pixels, grown[:, 2], facing, colour, ground)
    label = np.asarray(np.repeat(paint.classes[:, None] / 255, 3, axis=1), np.float32)
    nothing = np.zeros((GRID, GRID, 3), np.float32)
    labels, _ = rasterised(pixels / (side / GRID), grown[:, 2], facing, label, nothing, flat=True)
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Render(
        np.asarray(np.clip(small * 255 + 0.5, 0, 255), np.uint8),
        np.asarray(np.clip(np.rint(labels[..., 0] * 255), 0, len(CLASSES) - 1), np.uint8),
        ((points @ matrix[:, :2].T + matrix[:, 2]) / OVERSAMPLING).astype(np.float32),
        spanned((plane @ matrix[:, :2].T + matrix[:, 2])[model.landmarks], side),
    )


def spanned(points: NDArray[np.floating], side: int) -> Array:
    """``points`` in pixels of a picture ``side`` pixels wide, from -1 to 1 across it."""
    return np.asarray(points * (2 / side) - 1, np.float32)


def draw_ground(rng: np.random.Generator) -> Array:
    """A blurred, sometimes busy background [s, s, 3] 0-1."""
    side = SIDE * OVERSAMPLING
    ground = np.full((side, side, 3), rng.uniform(0, 1), np.float32)
    for cells in (2, 4, 9, 20):
        low = rng.normal(0, 1, (cells, cells, 3)) * (0.15, 1)[int(rng.random() < 0.3)] + rng.normal(
            0, 1, (cells, cells, 1)
        )
        wide = cv2.resize(low.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        ground += wide * np.float32(rng.uniform(0, 0.4) / np.sqrt(cells))
    return np.asarray(np.clip(ground, 0, 1), np.float32)
