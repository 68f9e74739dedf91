"""Runtimes as good neighbours: what else runs on the machine keeps its cores."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
import torch
from torch import nn

from app.face.runtime import run_with


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells")
def test_a_network_ties_nobody_to_a_core() -> None:
    """Two processes whose runtimes each pin their thread to the first core get half of it, and the rest stays idle."""
    pytest.importorskip("openvino")
    before = os.sched_getaffinity(0)
    run = run_with("openvino", nn.Conv2d(16, 64, 3), (1, 16, 128, 128), dtype=torch.float32)
    enough, ran = threading.Event(), []

    def infer() -> None:
        while not enough.is_set():
            run(np.zeros((1, 16, 128, 128), np.float32))
            ran.append(True)

    thread = threading.Thread(target=infer)
    thread.start()
    seen = set()
    while len(ran) < 30:
        seen |= {frozenset(os.sched_getaffinity(thread.native_id or 0))}
    enough.set()
    thread.join()
    assert seen == {frozenset(before)}
