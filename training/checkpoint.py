"""A run's folder: checkpoints that a kill cannot tear, and figures as lines and for TensorBoard."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter


class Run:
    """``folder/last.pt``, ``folder/log.jsonl`` and TensorBoard's files; a checkpoint is due every ``every`` seconds.

    Of several processes only that of ``rank`` 0 writes.
    """

    def __init__(self, folder: Path, rank: int = 0, every: float = 60.0) -> None:
        self.folder, self.rank, self.every = folder, rank, every
        self._saved = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self._board: SummaryWriter | None = None

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint, or nothing. Tensors and plain values only: nothing in it can run code."""
        path = self.folder / "last.pt"
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None

    def save(self, state: dict[str, Any]) -> None:
        if self.rank:
            return
        partial = self.folder / "last.part"
        torch.save(state, partial)
        partial.replace(self.folder / "last.pt")
        self._saved = time.monotonic()

    def due(self) -> bool:
        return not self.rank and time.monotonic() - self._saved >= self.every

    def log(self, step: int, **figures: float) -> None:
        """One line of figures, also printed, so that a background run can be read from its output."""
        if self.rank:
            return
        self._board = self._board or SummaryWriter(str(self.folder))  # not before: a run may only be read
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()
        line = json.dumps({"step": step, **{k: round(v, 5) for k, v in figures.items()}})
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)
