"""Where a training step may compute in bfloat16: on a GPU, and on a processor that does so by itself.

Other processors imitate it: an extractor's step there took six times as long as in float32, a step of Muon a hundred.
"""

from __future__ import annotations

import torch

from app.face.runtime import halves


def halves_pay(device: str = "cpu") -> bool:
    """Whether bfloat16 is faster than float32 on ``device``."""
    return device != "cpu" or halves("openvino")


def halved(device: str = "cpu", wanted: bool = True) -> torch.autocast:
    """``with halved("cpu"):`` what is computed within is in bfloat16 where it is ``wanted`` and pays."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=wanted and halves_pay(device))
