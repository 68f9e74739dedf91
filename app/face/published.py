"""MTCNN's weights from the package that publishes them, converted once to safetensors.

The package carries joblib dumps, which are pickles: nothing is unpickled before its SHA-256 is the one below.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import joblib
from safetensors.torch import load_file, save, save_file
from torch import nn

from app.errors import WeightsError
from app.face.nets.mtcnn import NETWORKS, ONet, PNet, RNet, from_keras

SHA256: Final = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
"""Of ``mtcnn/assets/weights/{pnet,rnet,onet}.lz4`` in mtcnn 1.0.0 (MIT)."""

CONVERTED: Final = "mtcnn-1.0.0-v1.safetensors"


def load_mtcnn(cache: Path) -> tuple[PNet, RNet, ONet]:
    """The three networks in evaluation mode. ``cache`` is a folder of ours: the conversion is kept there.

    Raises ``WeightsError`` when the package is missing or its files are not the published ones.
    """
    path = cache / CONVERTED
    if not path.exists():
        _convert(path)
    state = load_file(path)
    networks: dict[str, nn.Module] = {name: network() for name, network in NETWORKS.items()}
    for name, network in networks.items():
        prefix = f"{name}."
        part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        try:
            network.load_state_dict(part)
        except RuntimeError as misfit:
            raise WeightsError(f"{path.name} is not a conversion of MTCNN; delete it") from misfit
        network.eval().requires_grad_(False)
    return networks["pnet"], networks["rnet"], networks["onet"]  # type: ignore[return-value]


def finder_weights(cache: Path) -> bytes:
    """P-Net and R-Net as one safetensors file (float32), for a page that looks for faces itself.

    Names are those of the modules under ``pnet.`` and ``rnet.``. Raises as ``load_mtcnn``.
    """
    networks = dict(zip(("pnet", "rnet"), load_mtcnn(cache)[:2], strict=True))
    states = {name: network.state_dict().items() for name, network in networks.items()}
    return save({f"{name}.{key}": value for name, state in states.items() for key, value in state})


def _convert(path: Path) -> None:
    state = {}
    for name in NETWORKS:
        for key, value in from_keras(name, _published(name)).items():
            state[f"{name}.{key}"] = value.contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and renamed: another process sees all of it or nothing.
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        save_file(state, partial)
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)


def _published(name: str) -> Any:
    # Located without importing it: the package would import TensorFlow.
    package = find_spec("mtcnn")
    folders = (package.submodule_search_locations or []) if package else []
    for folder in folders:
        path = Path(folder) / "assets" / "weights" / f"{name}.lz4"
        if path.is_file():
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            if digest != SHA256[name]:
                raise WeightsError(f"{name}.lz4 of the package mtcnn has the digest {digest}, not the published one")
            return joblib.load(BytesIO(data))
    raise WeightsError("the package mtcnn==1.0.0 is not installed: its weights find the faces")
