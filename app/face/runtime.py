"""One way to run a network, by torch or by OpenVINO: uint8 [n, h, w, 3] RGB or a feature map in, float32 out.

The number of threads belongs to the caller. An OpenVINO network of ``streams`` streams serves that many
callers at once, each on one thread; torch runs on the calling thread with ``torch.get_num_threads()``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, Final, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.errors import WeightsError

Runtime = Literal["openvino", "torch"]

Shape = tuple[int, int, int, int]
"""[n, h, w, 3] with -1 where any size may come."""

CACHED_SHAPES: Final = 64
"""How many input shapes OpenVINO keeps kernels for; without a bound its memory grows with every new picture size."""


class Network(Protocol):
    """Thread safe. Answers float32 [n, ...] for uint8 [n, h, w, 3], or for float32 where it was made for that."""

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]: ...

    def outputs(self, pixels: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """All that the network answers, where that is more than one array; the first is that of a plain call."""
        ...


class FromPixels(nn.Module):
    """``network`` [n, 3, h, w] behind its normalisation: (x - mean) / std of uint8 [n, h, w, 3] RGB."""

    def __init__(self, network: nn.Module, mean: tuple[float, ...] = (0.0,), std: tuple[float, ...] = (1.0,)) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.plain = set(mean) == {0.0} and set(std) == {1.0}
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Any:
        planes = pixels.permute(0, 3, 1, 2).float()
        return self.network(planes if self.plain else (planes - self.mean) / self.std)


def import_openvino() -> Any:
    """The package, silent. Raises ``ImportError`` where it is not installed.

    By itself it tells an analytics server of every import, conversion and failure as long as nobody has refused, which
    a service that looks at faces must not. Where its telemetry cannot be imported it takes a stub of its own.
    """
    modules: dict[str, Any] = sys.modules
    modules["openvino_telemetry"] = None  # an import of it now fails, as Python's reference says
    import openvino

    return openvino


def halves(runtime: Runtime, device: str = "cpu") -> bool:
    """Whether a ``rough`` network computes in bfloat16 here: this processor does so by itself."""
    if runtime == "torch" or device != "cpu":
        return False
    try:
        openvino = import_openvino()
    except ImportError:
        return False
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def run_with(
    runtime: Runtime,
    module: nn.Module,
    shape: Shape,
    streams: int = 1,
    device: str = "cpu",
    dtype: torch.dtype = torch.uint8,
    rough: bool = False,
) -> Network:
    """``module`` (which takes uint8 pixels, see ``FromPixels``, or ``dtype``) made ready to run.

    ``rough``: in bfloat16, where ``halves`` says so; who asks for it looks again at what matters.
    Raises ``WeightsError`` when OpenVINO is asked for and not installed: the choice is the caller's to change.
    """
    module = module.eval().requires_grad_(False)
    if runtime == "torch":
        return TorchNetwork(module, device)
    try:
        openvino = import_openvino()
    except ImportError as missing:
        raise WeightsError("openvino is not installed; install it or choose the runtime torch") from missing
    example = torch.zeros([64 if side < 0 else side for side in shape], dtype=dtype)
    with warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch calls deprecated: that is OpenVINO's to change.
        warnings.filterwarnings("ignore", r"`torch\.jit", DeprecationWarning)
        model = openvino.convert_model(module, example_input=example, input=[list(shape)])
    return OpenVinoNetwork(openvino, model, streams, "bf16" if rough and halves(runtime, device) else "f32")


def run_onnx(path: Path, shape: Shape, mean: tuple[float, ...], std: tuple[float, ...], streams: int = 1) -> Network:
    """An ONNX file of one input [n, 3, h, w], float, and one output, behind the normalisation (x - mean) / std.

    Run by OpenVINO. Raises ``WeightsError`` when it is not installed or cannot read the file.
    """
    try:
        openvino = import_openvino()
        from openvino.preprocess import ColorFormat, PrePostProcessor
    except ImportError as missing:
        raise WeightsError("an ONNX extractor needs openvino: it is not installed") from missing
    try:
        model = openvino.Core().read_model(path)
        batch, high, wide, channels = shape
        model.reshape([batch, channels, high, wide])
        before = PrePostProcessor(model)
        before.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
        before.input().tensor().set_color_format(ColorFormat.RGB)
        before.input().model().set_layout(openvino.Layout("NCHW"))
        before.input().preprocess().convert_element_type(openvino.Type.f32)
        before.input().preprocess().mean(list(mean) * (3 // len(mean))).scale(list(std) * (3 // len(std)))
        return OpenVinoNetwork(openvino, before.build(), streams)
    except RuntimeError as flaw:
        raise WeightsError(f"openvino cannot run {path.name}") from flaw


class TorchNetwork:
    def __init__(self, module: nn.Module, device: str) -> None:
        self._module, self._device = module.to(device), device

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        return self.outputs(pixels)[0]

    def outputs(self, pixels: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode():
            answer = self._module(torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device))
            return tuple(one.cpu().numpy() for one in (answer if isinstance(answer, tuple) else (answer,)))


class OpenVinoNetwork:
    def __init__(self, openvino: Any, model: Any, streams: int, precision: str = "f32") -> None:
        compiled = openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,  # said always: the default would change embeddings
                "INFERENCE_NUM_THREADS": streams,
                "NUM_STREAMS": streams,
                "ENABLE_CPU_PINNING": False,  # pinned, two processes share one core and leave the others idle
                "CPU_RUNTIME_CACHE_CAPACITY": CACHED_SHAPES,
            },
        )
        self._create: Callable[[], Any] = compiled.create_infer_request
        self._count = len(compiled.outputs)
        self._idle: LifoQueue[Any] = LifoQueue()

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        return self._run(pixels, 1)[0]

    def outputs(self, pixels: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        return self._run(pixels, self._count)

    def _run(self, pixels: NDArray[Any], count: int) -> tuple[NDArray[np.float32], ...]:
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._create()
        try:
            # Not in a list, whose check costs more than a small network, and copied once, not twice.
            answers = request.infer(np.ascontiguousarray(pixels), share_inputs=True, share_outputs=True)
            return tuple(np.array(answers[at], np.float32) for at in range(count))
        finally:
            self._idle.put(request)
