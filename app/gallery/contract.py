"""What every gallery backend promises.

A gallery holds unit vectors of one width in named partitions (``collection``, the row id of a
collection). Rows are the truth; a gallery is a cache that can be rebuilt from them at will.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hit:
    """A subject found: row ids of the subject and of its best template, and their cosine, -1..1."""

    subject: int
    template: int
    score: float


class Gallery(Protocol):
    """Thread safe: any number of searches beside one change. Raises ``GalleryError`` on failure."""

    width: int

    def add(
        self, collection: int, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        """Add unit ``vectors`` [n, width] under unique ``templates`` [n]. Found by the next search.

        A template that is there already is replaced. All or nothing.
        """
        ...

    def remove(self, collection: int, templates: NDArray[np.int64]) -> int:
        """Forget these templates; absent ones are ignored. Gone from the next search. Answers how many were there."""
        ...

    def drop(self, collection: int) -> None:
        """Forget a whole collection."""
        ...

    def search(self, collection: int, queries: NDArray[np.float32], k: int) -> list[list[Hit]]:
        """For each unit query [q, width] the best ``k`` *subjects*, each by its best template.

        Sorted by score falling; ties by subject, then template, rising. Shorter where the collection
        holds fewer subjects; empty lists for a collection never seen.
        """
        ...

    def count(self, collection: int) -> int:
        """How many templates the collection holds."""
        ...

    def collections(self) -> list[int]:
        """At least those that hold templates."""
        ...

    def ids(self, collection: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Templates and their subjects [n] that the collection holds, in no order."""
        ...

    def close(self) -> None:
        """Flush what needs flushing and let go of files and connections."""
        ...
