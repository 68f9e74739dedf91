"""ONNX teachers: what they embed, and what their layers see on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TeacherSpec:
    """A teacher's file and normalisation: pixels 0-255 RGB become (x - mean) / std."""

    path: Path
    mean: float = 127.5
    std: float = 127.5


class Teacher:
    """Embeds crops; with ``scopes`` also answers the last tensor made under each named scope of its graph.

    Scopes are prefixes of node names ("/stages/stages.0/blocks/blocks.1/"), as exporters write them.
    Raises ``ValueError`` for a scope that the graph does not have.
    """

    def __init__(self, spec: TeacherSpec, scopes: Sequence[str] = (), threads: int = 1) -> None:
        self.spec = spec
        model = onnx.load(spec.path)
        taps = [_last_under(model, scope) for scope in scopes]
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(tap) for tap in taps)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._outputs = [self._session.get_outputs()[0].name, *taps]

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """uint8 [n, 112, 112, 3] RGB to unit embeddings [n, width] and the tapped maps [n, c, h, w]."""
        x = (crops.astype(np.float32).transpose(0, 3, 1, 2) - self.spec.mean) / self.spec.std
        embedding, *maps = self._session.run(self._outputs, {self._input: x})
        return embedding / np.linalg.norm(embedding, axis=1, keepdims=True), maps


def _last_under(model: onnx.ModelProto, scope: str) -> str:
    outputs = [node.output[0] for node in model.graph.node if node.name.startswith(scope)]
    if not outputs:
        raise ValueError(f"the teacher's graph has no node under {scope!r}")
    return str(outputs[-1])


def edgeface_scopes(depths: Sequence[int] = (3, 3, 9, 3)) -> list[str]:
    """The scopes of an EdgeFace export that stand beside :attr:`EdgeNeXt.units`, in its order."""
    scopes = []
    for stage, depth in enumerate(depths):
        scopes.append("/stem/" if stage == 0 else f"/stages/stages.{stage}/downsample/")
        scopes += [f"/stages/stages.{stage}/blocks/blocks.{block}/" for block in range(depth)]
    return scopes
