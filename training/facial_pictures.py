"""Pictures for people of what the facial parameters say: the face, its reconstructions, bars of units, a transfer.

Reconstructions are drawn by the renderer that the imitator imitates, larger and sharper than the imitator's, from the
same y: I2 is drawn from all of it, I3 from its expression on the base identity, I4 from its identity without
expression, as in ``training.facial_losses``.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.face.action_units import UNITS, unique
from app.face.align import similarity, template
from app.face.nets.facial_parameters import DEGREES, FIRST_UNIT, IDENTITY, MARGIN
from training.face_model import FaceModel
from training.paint import Paint, draw_paint
from training.render import AWAY, DOWN, Parameters, base_light, five_points, normals, posed, rasterised, shaded

SIDE: Final = 256
"""Pixels of one face on the sheet."""
SHARPER: Final = 2
DISTANCE: Final = 80.0
GREY: Final = 0.55
INK, PALE, BAR = (40, 40, 40), (225, 225, 225), (44, 110, 180)
LINE: Final = 18
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX

Picture = NDArray[np.uint8]
Vector = NDArray[np.floating]


def portrait(model: FaceModel, y: Vector, paint: Paint, frontal: bool = False) -> Picture:
    """The face that y [269] describes, uint8 [SIDE, SIDE, 3], cut as a photograph's crop is. ``frontal`` undoes the
    head's turn."""
    pitch, yaw = (0.0, 0.0) if frontal else (float(v) * DEGREES for v in y[IDENTITY:FIRST_UNIT])
    identity, units = y[:IDENTITY].astype(np.float32), unique(y[FIRST_UNIT:])
    drawn = Parameters(identity, units, np.zeros(len(model.other_names), np.float32), yaw, pitch, 0.0)
    camera, plane = posed(model.shape(identity, units), drawn, DISTANCE)
    side = SIDE * SHARPER
    matrix = similarity(five_points(plane, model), template(side, MARGIN))
    normal = normals(camera * AWAY, model.triangles)
    grown = camera + paint.volume[:, None] * normal * AWAY
    flat = grown[:, :2] * DOWN * (DISTANCE / grown[:, 2:])
    pixels = (flat @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    ground = np.full((side, side, 3), GREY, np.float32)
    colour = shaded(paint.albedo, normal, base_light())
    picture, _ = rasterised(pixels, grown[:, 2], model.triangles, colour, ground)
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small * 255 + 0.5, 0, 255), np.uint8)


def reconstructions(y: Vector) -> dict[str, Vector]:
    """y of I2, I3 and I4 under the words that stand beneath them."""
    base_identity, base_expression = y.copy(), y.copy()
    base_identity[:IDENTITY] = 0
    base_expression[IDENTITY:] = 0
    return {"I2: all of it": y, "I3: expression alone": base_identity, "I4: identity alone": base_expression}


def bars(y: Vector) -> Picture:
    """Units and head angles of y [269] as a sheet [SIDE + LINE, w, 3], two columns."""
    sheet = np.full((SIDE + LINE, 2 * SIDE, 3), 255, np.uint8)
    rows = (len(UNITS) + 1) // 2
    high = SIDE // rows
    for at, (unit, value) in enumerate(zip(UNITS, unique(y[FIRST_UNIT:]), strict=True)):
        left, top = SIDE * (at // rows), high * (at % rows)
        start, end, middle = left + 152, left + SIDE - 8, top + high // 2
        cv2.putText(sheet, f"{unit.name} {unit.title}", (left + 4, middle + 4), FONT, 0.33, INK, 1, cv2.LINE_AA)
        cv2.rectangle(sheet, (start, middle - 4), (end, middle + 4), PALE, -1)
        cv2.rectangle(sheet, (start, middle - 4), (start + round((end - start) * float(value)), middle + 4), BAR, -1)
    pitch, yaw = (float(v) * DEGREES for v in y[IDENTITY:FIRST_UNIT])
    said = f"yaw {yaw:+.0f}, pitch {pitch:+.0f} degrees"
    cv2.putText(sheet, said, (SIDE + 4, SIDE - 4), FONT, 0.36, INK, 1, cv2.LINE_AA)
    return sheet


def named_panel(picture: Picture, words: str) -> Picture:
    """``picture`` at SIDE with ``words`` in a line beneath."""
    out = np.full((SIDE + LINE, SIDE, 3), 255, np.uint8)
    out[:SIDE] = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    cv2.putText(out, words, (4, SIDE + 13), FONT, 0.4, INK, 1, cv2.LINE_AA)
    return out


def shown(model: FaceModel, crop: Picture, y: Vector, paint: Paint) -> Picture:
    """The face, I2, I3, I4 and the bars, side by side."""
    panels = [named_panel(crop, "the photograph")]
    panels += [named_panel(portrait(model, one, paint), words) for words, one in reconstructions(y).items()]
    return np.hstack([*panels, bars(y)])


def transferred(model: FaceModel, crop: Picture, y: Vector, paint: Paint, count: int = 3) -> Picture:
    """The photograph and its reconstruction, then ``count`` other faces: at rest above, with its expression below."""
    rng = np.random.default_rng(11)
    own = portrait(model, y, paint)
    columns = [np.vstack([named_panel(crop, "the photograph"), named_panel(own, "its reconstruction")])]
    for _ in range(count):
        other, skin = np.zeros_like(y), draw_paint(rng, model)
        other[:IDENTITY] = rng.normal(0, 0.7, IDENTITY)
        rest = portrait(model, other, skin)
        other[IDENTITY:] = y[IDENTITY:]
        moved = portrait(model, other, skin)
        columns.append(np.vstack([named_panel(rest, "another face"), named_panel(moved, "with the expression")]))
    return np.hstack(columns)
