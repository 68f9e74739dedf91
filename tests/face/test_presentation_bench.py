from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.face.detect import Detector
from app.face.presentation_bench import SHARES, bench_presentation, framed, printed
from tests.face.test_presentation import colour_model

pytestmark = pytest.mark.slow

BOX = (181.0, 64.0, 264.0, 171.0)


@pytest.mark.parametrize("share", SHARES)
def test_the_face_is_as_near_as_asked(detector: Detector, astronaut: NDArray[np.uint8], share: float) -> None:
    """The portrait in a wide room."""
    room = np.pad(astronaut, ((100, 100), (300, 300), (0, 0)), mode="edge")
    box = (BOX[0] + 300, BOX[1] + 100, BOX[2] + 300, BOX[3] + 100)
    for frame in (framed(room, box, share), printed(room, box, share)):
        assert frame.shape == (720, 960, 3)
        (face, *_) = detector.detect([frame])[0]
        x0, y0, x1, y1 = face.box
        assert (x1 - x0) / 720 == pytest.approx(share, rel=0.15)
        assert abs((x0 + x1) / 2 - 480) < 40
        assert abs((y0 + y1) / 2 - 360) < 40


def test_people_and_prints_are_counted(tmp_path: Path, cache: Path, astronaut: NDArray[np.uint8]) -> None:
    room = np.pad(astronaut, ((100, 100), (300, 300), (0, 0)), mode="edge")
    pictures = tmp_path / "pictures" / "one"
    pictures.mkdir(parents=True)
    Image.fromarray(room).save(pictures / "room.png")
    Image.fromarray(astronaut[40:190, 150:300]).save(pictures / "tight.png")  # nothing around it
    (pictures / "broken.jpg").write_bytes(b"no picture")
    model = colour_model(tmp_path / "pad.onnx")
    found = bench_presentation(pictures, model, cache)
    assert [one.share for one in found] == list(SHARES)
    assert {(one.people, one.prints) for one in found} == {(1, 1)}
    assert all(0 <= one.real <= 1 and 0 <= one.believed <= 1 for one in found)
