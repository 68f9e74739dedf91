"""How near may a visitor stand, for a presentation-attack model to take them for a person: by photographs with room.

No camera saw these prints: photographs are drawn on a sheet before a wall. What a model finds of real ones is another
matter; how many people it refuses, and from which distance on, is told well enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import PictureError
from app.face.decode import decode
from app.face.detect import Detector
from app.face.presentation import PresentationCheck

SHARES: Final = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
"""The face's width over the picture's height: a fifth is as far as a kiosk lets somebody stand."""

HEIGHT: Final = 720
WIDE: Final = 4 / 3
CUT: Final = 3.0
"""Side of the square that a kiosk sends, over the longer side of the face's box (app/web/kiosk/eyes.js)."""

SHEET: Final = 3.0
"""Width of a printed photograph, in widths of its face."""
EDGE: Final = 0.05
PAPER: Final = (245, 245, 242)
WALL: Final = (165, 160, 150)
SUFFIXES: Final = {".jpg", ".jpeg", ".png"}

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Distance:
    """Of ``people`` whose face has this ``share``: so many ``real`` ones were taken for people, and of as many
    ``prints`` so many, ``believed``, too."""

    share: float
    people: int
    real: int
    prints: int
    believed: int


def bench_presentation(photographs: Path, model: Path, cache: Path, most: int = 60) -> list[Distance]:
    """With the first ``most`` photographs below a folder, in an order drawn once, that show enough around their largest
    face to be seen from every distance. Raises ``WeightsError``."""
    detector, check = Detector.load(cache), PresentationCheck.load(model)
    people = list(_people(photographs, detector, most))
    return [_at(check, detector, people, share) for share in SHARES]


def framed(image: NDArray[np.uint8], box: Box, share: float) -> NDArray[np.uint8]:
    """The part of ``image`` that a camera sees from so far, uint8 [720, 960, 3], moved to lie inside."""
    high = (box[2] - box[0]) / share
    wide = high * WIDE
    left = _inside((box[0] + box[2] - wide) / 2, image.shape[1] - wide)
    top = _inside((box[1] + box[3] - high) / 2, image.shape[0] - high)
    part = image[int(top) : int(top + high), int(left) : int(left + wide)]
    return _resized(part, (round(HEIGHT * WIDE), HEIGHT))


def printed(image: NDArray[np.uint8], box: Box, share: float) -> NDArray[np.uint8]:
    """``image`` around the face on a sheet with a white edge before a wall, from so far, uint8 [720, 960, 3]."""
    half = SHEET * (box[2] - box[0]) / 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    part = image[top : int(y + half), left : int(x + half)]
    edge = round(EDGE * max(part.shape[:2]))
    sheet = cv2.copyMakeBorder(part, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=PAPER)
    scale = HEIGHT * share / (box[2] - box[0])
    sheet = _resized(np.asarray(sheet, np.uint8), (round(sheet.shape[1] * scale), round(sheet.shape[0] * scale)))
    wide = round(HEIGHT * WIDE)
    light = np.linspace(1.08, 0.82, HEIGHT)[:, None, None]
    scene = np.clip(np.full((HEIGHT, wide, 3), WALL) * light, 0, 255).astype(np.uint8)
    # The face's middle in the middle of the picture; what of the sheet is beyond its edges is not seen.
    across = round(wide / 2 - (x - left + edge) * scale)
    down = round(HEIGHT / 2 - (y - top + edge) * scale)
    seen = sheet[max(-down, 0) : HEIGHT - down, max(-across, 0) : wide - across]
    to_top, to_left = max(down, 0), max(across, 0)
    scene[to_top : to_top + seen.shape[0], to_left : to_left + seen.shape[1]] = seen
    return scene


def _people(folder: Path, detector: Detector, most: int) -> Iterator[tuple[NDArray[np.uint8], Box]]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    order = np.random.default_rng(0).permutation(len(paths))
    found = 0
    for path in (paths[at] for at in order):
        if found == most:
            return
        try:
            image = decode(path.read_bytes())
        except PictureError:
            continue
        faces = detector.detect([image])[0]
        if faces and _shows_enough(image, faces[0].box):
            found += 1
            yield image, faces[0].box


def _shows_enough(image: NDArray[np.uint8], box: Box) -> bool:
    high = (box[2] - box[0]) / SHARES[0]
    return high <= image.shape[0] and high * WIDE <= image.shape[1] and box[2] - box[0] >= 60


def _at(
    check: PresentationCheck, detector: Detector, people: Sequence[tuple[NDArray[np.uint8], Box]], share: float
) -> Distance:
    real = [_taken(check, detector, framed(image, box, share)) for image, box in people]
    prints = [_taken(check, detector, printed(image, box, share)) for image, box in people]
    seen = [[one for one in told if one is not None] for told in (real, prints)]
    return Distance(share, len(seen[0]), sum(seen[0]), len(seen[1]), sum(seen[1]))


def _taken(check: PresentationCheck, detector: Detector, frame: NDArray[np.uint8]) -> bool | None:
    """Is this taken for a person, sent as a kiosk sends it? None where no face is found."""
    faces = detector.detect([frame])[0]
    if not faces:
        return None
    x0, y0, x1, y1 = faces[0].box
    height, width = frame.shape[:2]
    side = min(CUT * max(x1 - x0, y1 - y0), height, width)
    left = int(_inside((x0 + x1 - side) / 2, width - side))
    top = int(_inside((y0 + y1 - side) / 2, height - side))
    cut = np.ascontiguousarray(frame[top : int(top + side), left : int(left + side)])
    return not check(cut, (x0 - left, y0 - top, x1 - left, y1 - top)).attack


def _inside(start: float, last: float) -> float:
    return min(max(start, 0.0), max(last, 0.0))


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    smaller = size[1] < image.shape[0]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC), np.uint8)
