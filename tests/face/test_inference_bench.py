from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face import inference_bench
from app.face.inference_bench import EQUAL, WAYS, Embed, bench_inference
from app.face.weights import ModelCard


@pytest.mark.slow
def test_ways_are_compared_with_torch_eager(
    cache: Path, astronaut: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(card: ModelCard, batch: int) -> Embed:
        raise ImportError("nothing\nof the kind")

    chosen = {name: WAYS[name] for name in ("torch eager", "torch, bfloat16", "OpenVINO", "ONNX Runtime")}
    monkeypatch.setattr(inference_bench, "WAYS", {**chosen, "nowhere": nowhere})
    found = bench_inference(cache, astronaut[:256, 96:352], "fast", repeats=1)
    rows = {row["way"]: row for row in found["rows"]}
    assert all(len(rows[name]["ms"]) == len(found["batches"]) for name in chosen)
    assert rows["torch eager"]["ratio"] == [1, 1, 1]
    assert min(rows[name]["equal"] for name in ("OpenVINO", "ONNX Runtime")) >= EQUAL
    assert rows["torch, bfloat16"]["equal"] < 1
    assert (rows["nowhere"]["ms"], rows["nowhere"]["missing"]) == ([], "ImportError: nothing")


def test_a_picture_without_a_face_is_refused(cache: Path) -> None:
    with pytest.raises(WeightsError, match="no face"):
        bench_inference(cache, np.full((64, 64, 3), 90, np.uint8), "fast", repeats=1)
