"""Frames of a door to one probe: the largest face of each, weighted by quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import FaceError, LowQuality, OtherFace, PictureError
from app.face.faces import Face
from app.face.presentation import Presentation
from app.service import fusion
from app.service.hints import Hint, hint_for
from app.service.one_person import others
from app.service.parts import Parts
from app.service.pictures import look, one_face, require_quality
from app.service.presentation import presentation_of


@dataclass(frozen=True, slots=True)
class Frame:
    """What became of one frame. ``weight`` is 0 where ``code`` and ``reason`` say why it does not count."""

    index: int
    weight: float
    code: str | None = None
    reason: str | None = None
    hint: Hint | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """``vectors`` float32 [f, width]: the frontalized faces of the frames that count, ``weights`` [f] sum to 1.

    ``embedding`` float32 [width]: the weighted mean of their raw embeddings, unit length. ``presentation``: print,
    real or replay, None where that is not checked; it changes no score. ``faces``: of the frames that count.
    """

    frames: tuple[Frame, ...]
    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]
    embedding: NDArray[np.float32]
    timings_ms: dict[str, float]
    presentation: Presentation | None = None
    faces: tuple[Face, ...] = ()


def probe_of(parts: Parts, images: Sequence[bytes], min_quality: float) -> Probe:
    """Frames that cannot be used are left out and named. Raises the first one's refusal when none can be used,
    ``PresentationAttack``."""
    faces: dict[int, Face] = {}
    refusals: dict[int, PictureError | FaceError] = {}
    timings: dict[str, float] = {}
    for index, seen in enumerate(look(parts, images)):
        try:
            if isinstance(seen, Exception):
                raise seen
            for stage, ms in seen.timings_ms.items():
                timings[stage] = timings.get(stage, 0.0) + ms
            face = one_face(seen.picture, "largest")
            require_quality(face, min_quality)
            faces[index] = face
        except (PictureError, FaceError) as refusal:
            refusals[index] = refusal
    if not faces:
        raise _most_telling(list(refusals.values()))
    for index in others(parts, faces):
        del faces[index]
        refusals[index] = OtherFace()
    weights = fusion.weights([face.quality.overall for face in faces.values()])
    share = dict(zip(faces, weights.tolist(), strict=True))
    frames = tuple(
        Frame(index, share[index])
        if index in share
        else Frame(index, 0.0, refusals[index].code, refusals[index].detail, hint_for(refusals[index]))
        for index in range(len(images))
    )
    vectors = np.stack([face.frontalized for face in faces.values()])
    raw = np.stack([face.embedding for face in faces.values()])
    presentation = presentation_of(parts, images, faces)
    embedding, counted = fusion.mean_vector(raw, weights), tuple(faces.values())
    return Probe(frames, vectors, weights, embedding, timings, presentation, counted)


def _most_telling(refusals: list[PictureError | FaceError]) -> PictureError | FaceError:
    # A face that was seen and is not good enough tells a visitor more than a frame without one.
    return next((one for one in refusals if isinstance(one, LowQuality)), refusals[0])
