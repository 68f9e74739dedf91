"""Pictures that are meant to show one person, and those among them that do not."""

from __future__ import annotations

from app.face.faces import Face
from app.service.parts import Parts
from app.service.thresholds import limit_for_fmr


def others(parts: Parts, faces: dict[int, Face]) -> list[int]:
    """Pictures whose face is somebody else's than that of the best picture (by overall quality).

    At or above the threshold for review of a comparison, two faces may be one person's. Where two people took
    turns before the camera, the mean of both would be nobody, or either; and who registers with a friend's
    picture among their own would let the friend in under their name.
    """
    if not faces:
        return []
    lead = max(faces.values(), key=lambda face: face.quality.overall)
    least = limit_for_fmr(parts).review
    return [index for index, face in faces.items() if float(face.frontalized @ lead.frontalized) < least]
