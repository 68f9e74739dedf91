"""Runtimes as good neighbours: what else runs on the machine keeps its cores."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from app.face.runtime import run_with


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells")
def test_a_network_ties_nobody_to_a_core() -> None:
    """Two processes whose runtimes each pin their thread to the first core get half of it, and the rest stays idle."""
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
    while thread.is_alive() and len(ran) < 30:
        seen |= {frozenset(os.sched_getaffinity(thread.native_id or 0))}
    enough.set()
    thread.join()
    assert seen == {frozenset(before)}


def test_nobody_is_told_that_a_network_was_converted() -> None:
    """OpenVINO would report each import and conversion to an analytics server: a process of its own shows it cannot."""
    script = """
import socket, sys
def refuse(*_):
    raise AssertionError("a connection was tried")
socket.socket.connect = socket.getaddrinfo = refuse
import torch
from app.face.runtime import run_with
run_with("openvino", torch.nn.Conv2d(3, 4, 3), (1, 3, 32, 32), dtype=torch.float32)
import openvino.tools.ovc.convert_impl as conversion
print(conversion.tm.__name__, sys.modules["openvino_telemetry"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"]
