"""The networks that a card may name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import nn

from app.errors import WeightsError
from app.face.nets.age import AgeSeparation
from app.face.nets.conversion import AdultConversion
from app.face.nets.edgenext import EdgeNeXt
from app.face.nets.facial_parameters import FacialParameters
from app.face.nets.heads import Frontalizer
from app.face.nets.infrared import InfraredEntry
from app.face.nets.mobilefacenet import MobileFaceNet
from app.face.nets.occlusion import OcclusionNet
from app.face.nets.refiner import Refiner
from app.face.nets.resnet import ResNet

ARCHITECTURES: Final[Mapping[str, Callable[..., nn.Module]]] = {
    "adult_conversion": AdultConversion,
    "age_separation": AgeSeparation,
    "edgenext": EdgeNeXt,
    "facial_parameters": FacialParameters,
    "frontalizer": Frontalizer,
    "infrared_entry": InfraredEntry,
    "mobilefacenet": MobileFaceNet,
    "occlusion": OcclusionNet,
    "refiner": Refiner,
    "resnet": ResNet,
}


def build(architecture: str, kwargs: Mapping[str, Any]) -> nn.Module:
    """Raises ``WeightsError`` for a name or an argument that is not known here."""
    builder = ARCHITECTURES.get(architecture)
    if builder is None:
        raise WeightsError(f"no architecture {architecture!r}; there are: {', '.join(ARCHITECTURES)}")
    try:
        return builder(**kwargs)
    except TypeError as flaw:
        raise WeightsError(f"{architecture}: {flaw}") from flaw
