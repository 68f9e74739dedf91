"""Five points to an aligned crop: the only warp in the repository.

The template is the field's 112x112 five-point one (InsightFace, from the ArcFace release), so that
extractors trained elsewhere may be used as they are.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

CROP_SIZE: Final = 112

TEMPLATE: Final[NDArray[np.float64]] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float64,
)
"""Left eye, right eye, nose, left and right mouth corner *as the picture shows them*: [5, 2], x y in pixels."""


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """The least-squares similarity that carries ``source`` to ``target`` (Umeyama 1991, eqs. 38-43).

    Both are [n, 2] points, n >= 2. Answers [2, 3] float64, no reflection. Raises ``ValueError`` when
    all source points coincide, since no scale is defined then.
    """
    src, dst = np.asarray(source, np.float64), np.asarray(target, np.float64)
    src_mean, dst_mean = src.mean(axis=0), dst.mean(axis=0)
    src_centred, dst_centred = src - src_mean, dst - dst_mean
    variance = (src_centred**2).sum() / len(src)
    if variance < 1e-12:
        raise ValueError("the points coincide: no similarity is defined")
    u, s, vt = np.linalg.svd(dst_centred.T @ src_centred / len(src))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = (u * signs) @ vt
    scale = (s * signs).sum() / variance
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * rotation
    matrix[:, 2] = dst_mean - scale * rotation @ src_mean
    return matrix


def warp(image: NDArray[np.uint8], matrix: NDArray[np.floating], size: int = CROP_SIZE) -> NDArray[np.uint8]:
    """Resample ``image`` [h, w, 3] by the [2, 3] ``matrix`` (image to crop) into [size, size, 3].

    Pixels from outside the picture are black. Faces larger than twice the crop are averaged down
    first, because bilinear sampling would alias them.
    """
    to_crop = np.asarray(matrix, np.float64)
    step = int(1.0 / max(np.sqrt(abs(np.linalg.det(to_crop[:, :2]))), 1e-6))
    if step >= 2:
        image, to_crop = _reduced(image, to_crop, size, step)
    return np.asarray(
        cv2.warpAffine(image, to_crop, (size, size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0)), np.uint8
    )


def align(
    image: NDArray[np.uint8], landmarks: NDArray[np.floating], size: int = CROP_SIZE, margin: float = 0.0
) -> NDArray[np.uint8]:
    """The crop [size, size, 3] of the face whose five ``landmarks`` [5, 2] are given in pixels of ``image``.

    ``margin`` is added on each side as a fraction of the template's width, for training crops that
    are jittered later. Raises ``ValueError`` when the landmarks coincide.
    """
    return warp(image, similarity(landmarks, template(size, margin)), size)


def template(size: int = CROP_SIZE, margin: float = 0.0) -> NDArray[np.float64]:
    """The five points [5, 2] in a crop of ``size`` pixels that shows ``margin`` more on each side."""
    return (TEMPLATE + margin * CROP_SIZE) * (size / (CROP_SIZE * (1 + 2 * margin)))


def _reduced(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int, step: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the picture that the crop shows, averaged over ``step`` x ``step`` cells, and its matrix."""
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], np.float64)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    seen = (inverse @ corners.T)[:2]
    height, width = image.shape[:2]
    x0, y0 = np.clip(np.floor(seen.min(axis=1)).astype(int) - step, 0, [width, height])
    x1, y1 = np.clip(np.ceil(seen.max(axis=1)).astype(int) + step, 0, [width, height])
    wide, high = (x1 - x0) // step, (y1 - y0) // step
    if wide < 1 or high < 1:
        return image, matrix
    part = image[y0 : y0 + high * step, x0 : x0 + wide * step]
    small = cv2.resize(part, (int(wide), int(high)), interpolation=cv2.INTER_AREA)
    to_picture = np.array([[step, 0, x0 + (step - 1) / 2], [0, step, y0 + (step - 1) / 2], [0, 0, 1]], np.float64)
    return np.asarray(small, np.uint8), (np.vstack([matrix, [0, 0, 1]]) @ to_picture)[:2]
