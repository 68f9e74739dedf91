"""All rows of a segment on a GPU, compared with each query there: exact to float16, and nothing pruned.

By torch, which runs the networks there anyway. FAISS for GPUs knows no 4-bit fast scan, so it too would compare
every row, and its package and that of FAISS for CPUs overwrite each other's files.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

_SCORES_AT_ONCE: Final = 1 << 27
"""Of float16: a quarter of a gigabyte beside the vectors."""


class DeviceScan:
    """``vectors`` float16 [n, width], copied to ``device``. Thread safe.

    Raises ``torch.OutOfMemoryError`` where they do not fit.
    """

    slack: Final = 2e-3
    """How far its scores may lie below exact ones of unit vectors: two roundings of a query's and a sum's halves."""

    def __init__(self, vectors: NDArray[np.float16], device: str) -> None:
        self._rows = torch.from_numpy(vectors).to(device)

    def search(self, queries: NDArray[np.float32], fetch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores float32 and rows int64 [q, fetch], best first; ``fetch`` may not exceed the rows."""
        step = max(1, _SCORES_AT_ONCE // len(self._rows))
        with torch.inference_mode():
            halves = torch.from_numpy(np.ascontiguousarray(queries)).to(self._rows.device, torch.float16)
            best = [torch.topk(part @ self._rows.T, fetch, dim=1) for part in halves.split(step)]
            scores = torch.cat([one.values for one in best]).float().cpu().numpy()
            return scores, torch.cat([one.indices for one in best]).cpu().numpy()
