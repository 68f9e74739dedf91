"""The face that commands measure with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ConfigurationError
from app.face.decode import decode


def portrait(image: Path | None) -> NDArray[np.uint8]:
    """The picture given, else the face of the public-domain portrait that scikit-image carries."""
    if image is not None:
        return decode(image.read_bytes())
    try:
        from skimage import data
    except ImportError as missing:
        raise ConfigurationError("Give a picture of one face with --image, or install scikit-image") from missing
    return np.asarray(data.astronaut()[:256, 96:352], np.uint8)
