"""Dense landmarks and blendshapes of aligned crops, by MediaPipe's face landmarker (Apache-2.0).

    python -m training.landmarker face_landmarker.task CROPS/SET.npy OUT/SET.npz [--count 1600]

The package ``mediapipe`` brings an OpenCV of its own that collides with ours: run this file, which imports nothing of
ours, from an environment that has mediapipe and numpy alone. The landmarks fit the morphable face to photographs
(``training.redrawn``); the blendshapes teach, of the people who train, and measure, on those held out.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOM = 32
"""Pixels of border that the landmarker gets around a crop: it was trained on whole pictures."""


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``points`` [n, 478, 3] (pixels of the crop, z away from the viewer), ``shapes`` [n, 52] 0-1, their
    ``names``, and ``rows`` [n] of the crops in which a face was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("crops", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=1600, help="how many, drawn with a fixed seed")
    args = parser.parse_args(argv)
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(args.model)), output_face_blendshapes=True, num_faces=1
    )
    landmarker = vision.FaceLandmarker.create_from_options(options)
    crops = np.load(args.crops, mmap_mode="r")
    side = crops.shape[1] + 2 * ROOM
    points, shapes, rows, names = [], [], [], []
    for row in np.sort(np.random.default_rng(0).permutation(len(crops))[: args.count]):
        picture = np.ascontiguousarray(np.pad(crops[row], ((ROOM, ROOM), (ROOM, ROOM), (0, 0)), mode="edge"))
        found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=picture))
        if not found.face_landmarks:
            continue
        points.append([(p.x * side - ROOM, p.y * side - ROOM, p.z * side) for p in found.face_landmarks[0]])
        shapes.append([shape.score for shape in found.face_blendshapes[0]])
        names = [shape.category_name for shape in found.face_blendshapes[0]]
        rows.append(row)
    np.savez(
        args.out,
        points=np.array(points, np.float32),
        shapes=np.array(shapes, np.float32),
        rows=np.array(rows, np.int64),
        names=names,
    )
    print(f"{args.out.stem}: {len(rows)} faces")
    os._exit(0)  # the package's own tear-down fails in Python 3.11


if __name__ == "__main__":
    main()
