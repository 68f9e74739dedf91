"""Parts that cost seconds to load, once a session, and the photographs where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.face.detect import Detector
from app.face.engine import Engine


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def detector(cache: Path) -> Detector:
    return Detector.load(cache)


@pytest.fixture(scope="session")
def engine(cache: Path) -> Engine:
    pytest.importorskip("face_recognition_models", reason="the extra `packaged` is not installed")
    return Engine.load(cache, "packaged")


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A public-domain portrait, uint8 [512, 512, 3], one face."""
    data = pytest.importorskip("skimage.data")
    return np.asarray(data.astronaut(), np.uint8)


@pytest.fixture(scope="session")
def photographs() -> Path:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos"
    folder = Path(os.environ.get("FRONTALIS_PHOTOS", beside))
    if not folder.is_dir():
        pytest.skip("no photographs: set FRONTALIS_PHOTOS")
    return folder
