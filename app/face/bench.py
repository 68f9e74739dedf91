"""What a picture costs, by stage, and how much of it the plain port would cost in the same run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from app.face.cascade import DetectorSettings
from app.face.detect import looked_at
from app.face.engine import PACKAGED, Engine
from app.face.plain import Networks, detect_plainly
from app.face.published import load_mtcnn

SIZES: Final = {"vga": (640, 480), "full-hd": (1920, 1080)}

GROUND: Final = 96
"""The grey between the faces."""


def composed(portrait: NDArray[np.uint8], size: tuple[int, int], faces: int) -> NDArray[np.uint8]:
    """A picture of ``size`` (width, height) with ``portrait`` [h, w, 3] in it ``faces`` times, side by side.

    One alone is as high as the picture; several share its width.
    """
    width, height = size
    scale = min(height / portrait.shape[0], width / faces / portrait.shape[1])
    wide, high = int(portrait.shape[1] * scale), int(portrait.shape[0] * scale)
    small = cv2.resize(portrait, (wide, high), interpolation=cv2.INTER_AREA)
    picture = np.full((height, width, 3), GROUND, np.uint8)
    for at in range(faces):
        left = (2 * at + 1) * width // (2 * faces) - wide // 2
        top = (height - high) // 2
        picture[top : top + high, left : left + wide] = small
    return picture


def bench_pipeline(
    cache: Path,
    portrait: NDArray[np.uint8],
    model: str | Path = PACKAGED,
    weights: Sequence[Path] = (),
    repeats: int = 20,
) -> dict[str, Any]:
    """Milliseconds by stage on one thread, medians of ``repeats``, for VGA and full-HD with one and five faces.

    ``portrait`` [h, w, 3] shows one face. The baseline is the plain port and the same extractor on torch eager,
    looking at the picture at the same size. Ratios are of processor time, which other work on the machine does
    not change.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engine = Engine.load(cache, model, weights)
        eager = Engine.load(cache, model, weights, runtime="torch")
        networks = load_mtcnn(cache)
        settings = engine.settings
        rows = []
        for name, size in SIZES.items():
            for faces in (1, 5):
                picture = composed(portrait, size, faces)
                found = engine.pictures([picture])[0]
                crops = np.zeros((len(found.faces), *engine.crop_shape), np.uint8)
                plainly = partial(_plainly, networks, picture, settings)
                detect, plain = processor_ms(partial(engine.detect, [picture]), repeats), processor_ms(plainly, repeats)
                fast = processor_ms(partial(engine.embed, crops), repeats)
                slow = processor_ms(partial(eager.embed, crops), repeats)
                rows.append(
                    {
                        "picture": name,
                        "faces": faces,
                        "faces_found": len(found.faces),
                        "detection_size": list(found.detection_size),
                        "stages_ms": _stages(engine, picture, repeats),
                        "detect_cpu_ms": detect,
                        "plain_detect_cpu_ms": plain,
                        "detect_ratio": plain / detect,
                        "extract_cpu_ms": fast,
                        "eager_extract_cpu_ms": slow,
                        "extract_ratio": slow / fast,
                    }
                )
        return {"model_id": engine.model_id, "runtime": engine.runtime, "detector": engine.detector, "rows": rows}
    finally:
        torch.set_num_threads(threads)


def _plainly(networks: Networks, picture: NDArray[np.uint8], settings: DetectorSettings) -> NDArray[np.float64]:
    """The plain port with the detector's settings, from the same picture: making it smaller is part of both."""
    seen = looked_at(picture, settings.max_side)
    return detect_plainly(networks, seen, settings.min_face, settings.factor, settings.thresholds)


def processor_ms(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds of processor time, the median; the first calls make kernels and do not count."""
    for _ in range(2):
        work()
    spent = []
    for _ in range(repeats):
        begin = process_time()
        work()
        spent.append((process_time() - begin) * 1e3)
    return round(median(spent), 3)


def _stages(engine: Engine, picture: NDArray[np.uint8], repeats: int) -> dict[str, float]:
    """Wall-clock milliseconds of each stage and of the whole, medians."""
    runs: list[dict[str, float]] = []
    for _ in range(repeats):
        begin = perf_counter()
        (answer,) = engine.pictures([picture])
        runs.append({**answer.timings_ms, "total": (perf_counter() - begin) * 1e3})
    return {stage: round(median(run[stage] for run in runs), 3) for stage in runs[0]}
