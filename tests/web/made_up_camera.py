"""A camera that shows one public-domain face, as large and as often as the service's test says: drawn in the page."""

from __future__ import annotations

import base64
from typing import Final

import numpy as np
import pytest

from tests.doubles import encode

SCENE: Final = "/scene"
"""Where the page asks for the faces in view: the width of each, in shorter sides of the picture."""

HEAD: Final = (163, 30, 283, 210)
"""The part of the portrait that shows the head, and what the detector's box in it is, pixels."""
FACE: Final = (181, 64, 264, 171)

_SCRIPT: Final = """
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  const context = canvas.getContext("2d");
  const head = new Image();
  head.src = "data:image/png;base64,HEAD_PNG";
  await head.decode();
  let scene = [];
  const draw = () => {
    context.fillStyle = "rgb(160, 155, 145)";
    context.fillRect(0, 0, 640, 480);
    scene.forEach((near, place) => {
      const scale = (near * 480) / FACE_WIDE;
      const left = 320 + place * 1.5 * near * 480 - FACE_X * scale;
      context.drawImage(head, left, 240 - FACE_Y * scale, head.width * scale, head.height * scale);
    });
  };
  draw();
  setInterval(async () => {
    scene = await fetch("SCENE").then((answer) => answer.json()).catch(() => scene);
    draw();
  }, 60);
  return canvas.captureStream(15);
};
"""


def made_up_camera() -> str:
    """A script for the page. Skips where scikit-image is not installed."""
    portrait = np.asarray(pytest.importorskip("skimage.data").astronaut(), np.uint8)
    left, top, right, bottom = HEAD
    picture = base64.b64encode(encode(portrait[top:bottom, left:right], "PNG")).decode()
    values = {
        "HEAD_PNG": picture,
        "FACE_WIDE": str(FACE[2] - FACE[0]),
        "FACE_X": str((FACE[0] + FACE[2]) / 2 - left),
        "FACE_Y": str((FACE[1] + FACE[3]) / 2 - top),
        "SCENE": SCENE,
    }
    script = _SCRIPT
    for name, value in values.items():
        script = script.replace(name, value)
    return script
