"""The engine that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from app.face.cascade import DetectorSettings
from app.face.engine import Engine
from app.face.presentation import PresentationCheck
from app.settings import Settings


def load_engine(settings: Settings) -> Engine:
    """Cards are looked for in ``weights`` of the data folder, then among those shipped. Raises ``WeightsError``."""
    model = settings.extractor
    return Engine.load(
        settings.data_dir / "converted",
        Path(model) if model.endswith(".onnx") else model,
        [settings.data_dir / "weights"],
        settings.runtime,
        settings.threads,
        settings.device,
        DetectorSettings(min_face=settings.min_face, max_side=settings.detection_side),
    )


def load_presentation(settings: Settings) -> PresentationCheck | None:
    """The presentation-attack check of the settings, None where it is off. Raises ``WeightsError``."""
    if settings.presentation == "off" or settings.presentation_model is None:
        return None
    return PresentationCheck.load(settings.presentation_model, settings.threads)
