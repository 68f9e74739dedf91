"""Sheets of crops with a line under each, to look at what fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

CELL, LINE, MARGIN = 112, 16, 6


def sheet(rows: Sequence[Sequence[tuple[NDArray[np.uint8], str]]], path: Path) -> None:
    """Write a PNG: each row holds crops uint8 [s, s, 3] RGB with their captions (ASCII, about 16 letters fit)."""
    wide = max(len(row) for row in rows)
    high = CELL + LINE
    page = np.full((len(rows) * (high + MARGIN), wide * (CELL + MARGIN), 3), 255, np.uint8)
    for r, row in enumerate(rows):
        for c, (crop, caption) in enumerate(row):
            top, left = r * (high + MARGIN), c * (CELL + MARGIN)
            page[top : top + CELL, left : left + CELL] = cv2.resize(crop, (CELL, CELL), interpolation=cv2.INTER_AREA)
            where = (left, top + CELL + LINE - 4)
            cv2.putText(page, caption, where, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(page[:, :, ::-1]))
