"""Bytes of a request to faces, one refusal a picture."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import FaceError, ImageTooLarge, LowQuality, MultipleFaces, NoFace, Occluded, PictureError, TooManyFaces
from app.face.attributes import require_available
from app.face.decode import PictureLimits, decode
from app.face.faces import Face, Picture
from app.face.spectrum import Asked
from app.service.parts import Parts

Refusal = PictureError | FaceError
COMPONENTS: Final = ("sharpness", "brightness", "contrast", "size")
"""Of quality; the weakest of them is the overall one."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture through the engine; ``digest`` is the SHA-256 of its file, hexadecimal."""

    picture: Picture
    digest: str
    timings_ms: dict[str, float]


def look(
    parts: Parts, files: Sequence[bytes], attributes: frozenset[str] = frozenset(), spectrum: Asked = "visible"
) -> list[Seen | Refusal]:
    """One answer for each file, in order. Pictures are held decoded up to the pixels that one alone may have.

    Raises ``AttributeUnavailable``, ``SpectrumUnavailable``.
    """
    require_available(attributes, parts.engine.attributes)
    answers: list[Seen | Refusal | None] = [None] * len(files)
    for batch in _batches(parts, files, answers):
        pictures = parts.engine.pictures([image for _, image, _ in batch], attributes, spectrum)
        for (index, _, decode_ms), picture in zip(batch, pictures, strict=True):
            digest = hashlib.sha256(files[index]).hexdigest()
            answers[index] = Seen(picture, digest, {"decode": decode_ms, **picture.timings_ms})
    return [answer for answer in answers if answer is not None]


def look_at_one(
    parts: Parts, file: bytes, attributes: frozenset[str] = frozenset(), spectrum: Asked = "visible"
) -> Seen:
    """Raises ``PictureError``, ``AttributeUnavailable``, ``SpectrumUnavailable``, and ``NoFace`` when there is none."""
    (seen,) = look(parts, [file], attributes, spectrum)
    if isinstance(seen, Exception):
        raise seen
    if not seen.picture.faces:
        raise NoFace
    return seen


def one_face(picture: Picture, faces: Literal["single", "largest"]) -> Face:
    """The face meant. Raises ``NoFace``, ``MultipleFaces``."""
    if not picture.faces:
        raise NoFace
    if len(picture.faces) > 1 and faces == "single":
        raise MultipleFaces(f"{len(picture.faces)} faces were found; faces=largest takes the largest")
    return picture.faces[0]


def these_faces(picture: Picture, faces: Literal["all", "largest"], limit: int) -> tuple[Face, ...]:
    """The faces meant, largest first. Raises ``TooManyFaces``."""
    if faces == "largest":
        return picture.faces[:1]
    if len(picture.faces) > limit:
        raise TooManyFaces(f"{len(picture.faces)} faces were found, at most {limit} are looked at", limit=limit)
    return picture.faces


def require_uncovered(face: Face, most: float) -> None:
    """Raises ``Occluded``; a model that cannot tell lets every face pass."""
    if face.occlusion is not None and face.occlusion.covered > most:
        raise Occluded(f"{face.occlusion.covered:.0%} of the face is covered, at most {most:.0%} may be")


def require_quality(face: Face, least: float) -> None:
    """Raises ``LowQuality``."""
    if face.quality.overall < least:
        weakest = min(COMPONENTS, key=lambda name: float(getattr(face.quality, name)))
        raise LowQuality(
            f"The overall quality is {face.quality.overall:.0f}, at least {least:.0f} is needed", component=weakest
        )


def _batches(
    parts: Parts, files: Sequence[bytes], answers: list[Seen | Refusal | None]
) -> Iterator[list[tuple[int, NDArray[np.uint8], float]]]:
    """Decoded files with their index and the milliseconds it took; refusals go straight into ``answers``."""
    limits = PictureLimits(max_pixels=parts.settings.max_pixels)
    batch: list[tuple[int, NDArray[np.uint8], float]] = []
    for index, file in enumerate(files):
        started = time.perf_counter()
        try:
            if len(file) > parts.settings.max_image_bytes:
                raise ImageTooLarge(
                    f"The file has {len(file)} bytes, at most {parts.settings.max_image_bytes} are read",
                    limit=parts.settings.max_image_bytes,
                )
            image = decode(file, limits)
        except PictureError as refusal:
            answers[index] = refusal
            continue
        held = sum(other.size for _, other, _ in batch) // 3
        if batch and held + image.size // 3 > parts.settings.max_pixels:
            yield batch
            batch = []
        batch.append((index, image, (time.perf_counter() - started) * 1000))
    if batch:
        yield batch
