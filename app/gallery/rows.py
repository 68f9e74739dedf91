"""What a backend may be given: one check for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError


def checked_rows(
    width: int, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Ids [n] and vectors [n, width] as contiguous int64 and float32, or ``GalleryError``."""
    ids = np.ascontiguousarray(templates, np.int64)
    owners = np.ascontiguousarray(subjects, np.int64)
    rows = np.ascontiguousarray(vectors, np.float32)
    if ids.ndim != 1 or owners.shape != ids.shape or rows.shape != (len(ids), width):
        raise GalleryError(f"Wanted n templates, n subjects and n vectors of {width}")
    if len(np.unique(ids)) != len(ids):
        raise GalleryError("A template is there twice in one change")
    if not np.isfinite(rows).all():
        raise GalleryError("A vector is not finite")
    return ids, owners, rows


def checked_queries(width: int, queries: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Queries [q, width] as contiguous float32, or ``GalleryError``."""
    rows = np.ascontiguousarray(queries, np.float32)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise GalleryError(f"Wanted queries of {width}")
    if k < 1:
        raise GalleryError("k starts at 1")
    if not np.isfinite(rows).all():
        raise GalleryError("A query is not finite")
    return rows
