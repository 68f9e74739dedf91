"""Do the frames of a door show a person, or a print or a screen? Told beside the decision, never mixed into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from app.errors import PresentationAttack
from app.face.decode import PictureLimits, decode
from app.face.faces import Face
from app.face.presentation import KINDS, Presentation
from app.service.parts import Parts


def presentation_of(parts: Parts, images: Sequence[bytes], faces: Mapping[int, Face]) -> Presentation | None:
    """The mean over the ``faces`` that count, by the index of their image; None where the check is off.

    Raises ``PresentationAttack`` where the settings say ``refuse``.
    """
    if parts.presentation is None or not faces:
        return None
    limits = PictureLimits(max_pixels=parts.settings.max_pixels)
    told = [parts.presentation(decode(images[at], limits), face.detection.box) for at, face in faces.items()]
    shares = np.mean([[getattr(one, kind) for kind in KINDS] for one in told], axis=0)
    verdict = Presentation(KINDS[int(shares.argmax())], *(float(share) for share in shares))
    if verdict.attack and parts.settings.presentation == "refuse":
        raise PresentationAttack
    return verdict
