"""What this machine offers: said at start, because a silent fall-back looks like a slow product."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from app.errors import ConfigurationError
from app.settings import Settings


def processor() -> str:
    """The instruction set that torch found and chose, and the architecture: ``AVX512 x86_64``."""
    return f"{torch.backends.cpu.get_cpu_capability()} {platform.machine()}"


def prepare(settings: Settings) -> None:
    """Count threads in one place: requests run side by side, each on one thread.

    Raises ``ConfigurationError`` when a GPU is asked for and there is none.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"FRONTALIS_DEVICE is cuda, but torch {torch.__version__} finds no GPU it can use: install a torch "
            "built for your driver, or set FRONTALIS_DEVICE=cpu. Frontalis does not fall back in silence"
        )
    torch.set_num_threads(1)


def facts(settings: Settings) -> dict[str, str | int]:
    """For the line at start."""
    return {
        "processor": processor(),
        "processors": os.cpu_count() or 1,
        "threads": settings.threads,
        "device": settings.device,
        "torch": torch.__version__,
        "openvino": installed("openvino") or "missing",
    }


def installed(distribution: str) -> str | None:
    """Its version, None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
