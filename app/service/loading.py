"""The engine that the settings ask for."""

from __future__ import annotations

from app.errors import WeightsError
from app.service.parts import Engine
from app.settings import Settings


def load_engine(settings: Settings) -> Engine:
    """Raises ``WeightsError``."""
    raise WeightsError(f"No engine is there yet for {settings.device}")
