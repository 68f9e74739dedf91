"""The three networks of MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment", fig. 2).

Each takes RGB [n, 3, h, w] float32 in 0-255 as it comes: the published normalisation (x - 127.5) / 128 is
folded into the first convolution, the two-way softmax into one logit, and the heads into one layer, so that
channel 0 is the face logit, 1-4 the box offsets (x0, y0, x1, y1 in units of the window's side) and, for
O-Net, 5-9 the x and 10-14 the y of the five points (fractions of the window).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CELL: Final = 12
"""Side of the window that one output of P-Net sees, in pixels."""

STRIDE: Final = 2
"""Distance between the windows of neighbouring outputs of P-Net, in pixels."""


def _block(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel), nn.PReLU(outputs)]


class PNet(nn.Module):
    """Proposals: [n, 3, h, w] to [n, 5, ceil((h - 2) / 2) - 4, ceil((w - 2) / 2) - 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(3, 10, 3), nn.MaxPool2d(2, 2, ceil_mode=True), *_block(10, 16, 3), *_block(16, 32, 3)
        )
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.body(pictures))


class RNet(nn.Module):
    """Refinement: [n, 3, 24, 24] to [n, 5]."""

    side: Final = 24

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(3, 28, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_block(28, 48, 3),
            nn.MaxPool2d(3, 2),
            *_block(48, 64, 2),
            nn.Flatten(),
            nn.Linear(576, 128),
            nn.PReLU(128),
        )
        self.head = nn.Linear(128, 5)

    def forward(self, windows: Tensor) -> Tensor:
        return self.head(self.body(windows))


class ONet(nn.Module):
    """Output: [n, 3, 48, 48] to [n, 15]."""

    side: Final = 48

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(3, 32, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_block(32, 64, 3),
            nn.MaxPool2d(3, 2),
            *_block(64, 64, 3),
            nn.MaxPool2d(2, 2, ceil_mode=True),
            *_block(64, 128, 2),
            nn.Flatten(),
            nn.Linear(1152, 256),
            nn.PReLU(256),
        )
        self.head = nn.Linear(256, 15)

    def forward(self, windows: Tensor) -> Tensor:
        return self.head(self.body(windows))


NETWORKS: Final[Mapping[str, type[PNet | RNet | ONet]]] = {"pnet": PNet, "rnet": RNet, "onet": ONet}


def from_keras(name: str, arrays: Sequence[NDArray[np.float32]]) -> dict[str, Tensor]:
    """The state of network ``name`` from the published Keras arrays (kernel, bias, slopes, ... in order of layers).

    Kernels come as [h, w, in, out]; the first dense layer expects its input flattened as width, height,
    channel. Raises ``ValueError`` when the arrays are not those of the network.
    """
    network = NETWORKS[name]()
    heads = 3 if name == "onet" else 2
    body, head = arrays[: -2 * heads], arrays[-2 * heads :]
    layers = [layer for layer in network.body if isinstance(layer, nn.Conv2d | nn.Linear)]
    slopes = [layer for layer in network.body if isinstance(layer, nn.PReLU)]
    if len(body) != 3 * len(layers):
        raise ValueError(f"{name}: {len(arrays)} arrays")
    with torch.no_grad():
        for at, (layer, slope) in enumerate(zip(layers, slopes, strict=True)):
            kernel, bias, gradient = (torch.from_numpy(np.array(a)) for a in body[3 * at : 3 * at + 3])
            layer.weight.copy_(_kernel(kernel, layer))
            layer.bias.copy_(bias)  # type: ignore[union-attr]
            slope.weight.copy_(gradient.flatten())
        first = layers[0]
        first.bias.sub_(first.weight.sum(dim=(1, 2, 3)) * (127.5 / 128))  # type: ignore[union-attr]
        first.weight.div_(128)
        kernels = [torch.from_numpy(np.array(a)).flatten(0, -2).T for a in head[0::2]]
        biases = [torch.from_numpy(np.array(a)) for a in head[1::2]]
        # The published order is box, (points,) softmax of [no face, face].
        logit = kernels[-1][1:] - kernels[-1][:1], biases[-1][1:] - biases[-1][:1]
        network.head.weight.copy_(torch.cat([logit[0], *kernels[:-1]]).view_as(network.head.weight))
        network.head.bias.copy_(torch.cat([logit[1], *biases[:-1]]))  # type: ignore[union-attr]
    return network.state_dict()


def _kernel(kernel: Tensor, layer: nn.Conv2d | nn.Linear) -> Tensor:
    if isinstance(layer, nn.Conv2d):
        return kernel.permute(3, 2, 0, 1)
    channels = 64 if layer.in_features == 576 else 128
    side = round((layer.in_features / channels) ** 0.5)
    return kernel.view(side, side, channels, -1).permute(3, 2, 1, 0).flatten(1)
