"""The engine and the gallery that the settings ask for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from app.errors import ConfigurationError
from app.face.cascade import DetectorSettings
from app.face.engine import Engine
from app.face.presentation import PresentationCheck
from app.face.published import finder_weights
from app.gallery.contract import Gallery
from app.gallery.faiss import FaissGallery
from app.gallery.milvus import MilvusGallery
from app.gallery.pgvector import PgvectorGallery
from app.service.machine import installed
from app.settings import Settings

PLACE: Final = "frontalis_gallery_"
"""What the names of our tables and collections in a service begin with."""


def load_engine(settings: Settings) -> Engine:
    """Cards are looked for in ``weights`` of the data folder, then among those shipped. Raises ``WeightsError``."""
    model = settings.extractor
    return Engine.load(
        _converted(settings),
        Path(model) if model.endswith(".onnx") else model,
        [settings.data_dir / "weights"],
        settings.runtime,
        settings.threads,
        settings.device,
        DetectorSettings(min_face=settings.min_face, max_side=settings.detection_side),
    )


def load_finder(settings: Settings) -> bytes:
    """What a kiosk looks for faces with: the detector's first two networks, as safetensors. Raises ``WeightsError``."""
    return finder_weights(_converted(settings))


def _converted(settings: Settings) -> Path:
    return settings.data_dir / "converted"


def load_gallery(settings: Settings, width: int, model_id: str, own: bool) -> Gallery:
    """What searches vectors [width] of one model.

    In a service of its own each model has its own place; an ``own``er empties those of others. Raises
    ``ConfigurationError``, ``GalleryError``.
    """
    seals = settings.keyring()
    if settings.gallery == "faiss":
        return FaissGallery(width, seals=seals, device=settings.device)
    if seals is not None:
        raise ConfigurationError(
            f"FRONTALIS_SEAL_KEY seals nothing in {settings.gallery}, which searches vectors as they are: unset it, or "
            "FRONTALIS_GALLERY"
        )
    made = _milvus(settings, width, model_id) if settings.gallery == "milvus" else _pgvector(settings, width, model_id)
    if own:
        made.forget_others(PLACE)
    return made


def _pgvector(settings: Settings, width: int, model_id: str) -> PgvectorGallery:
    url = settings.gallery_url or settings.database
    if not url.startswith("postgresql"):
        raise ConfigurationError("FRONTALIS_GALLERY is pgvector: that needs Postgres, in FRONTALIS_GALLERY_URL")
    if installed("psycopg") is None:
        raise ConfigurationError("FRONTALIS_GALLERY is pgvector: pip install 'frontalis[pgvector]'")
    return PgvectorGallery(url, width, hnsw=settings.gallery == "pgvector-hnsw", table=_place(settings, model_id))


def _milvus(settings: Settings, width: int, model_id: str) -> MilvusGallery:
    if not settings.gallery_url:
        raise ConfigurationError("FRONTALIS_GALLERY is milvus: say where in FRONTALIS_GALLERY_URL")
    if installed("pymilvus") is None:
        raise ConfigurationError("FRONTALIS_GALLERY is milvus: pip install 'frontalis[milvus]'")
    token = settings.gallery_token.get_secret_value() if settings.gallery_token else ""
    return MilvusGallery(settings.gallery_url, width, token=token, prefix=_place(settings, model_id))


def _place(settings: Settings, model_id: str) -> str:
    """HNSW has a table of its own: an index beside it would answer exact searches, too."""
    kind = "_hnsw" if settings.gallery.endswith("hnsw") else ""
    return f"{PLACE}{hashlib.sha256(model_id.encode()).hexdigest()[:12]}{kind}"


def load_presentation(settings: Settings) -> PresentationCheck | None:
    """The presentation-attack check of the settings, None where it is off. Raises ``WeightsError``."""
    if settings.presentation == "off" or settings.presentation_model is None:
        return None
    return PresentationCheck.load(settings.presentation_model, settings.threads)
