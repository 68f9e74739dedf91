"""What the use cases work with: the engine, the index, the database, the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelMismatch
from app.face.faces import Picture
from app.face.occlusion import Stricter
from app.face.presentation import PresentationCheck
from app.face.spectrum import Asked
from app.face.thresholds import ThresholdTable
from app.service.callers import SYSTEM, Caller
from app.service.index import Index
from app.service.sizes import Sizes
from app.settings import Settings
from app.store.database import Database
from app.store.models import Collection


class Engine(Protocol):
    """Pictures to faces. Thread safe.

    ``model_id`` names extractor and frontalizer together, ``extractor`` the first alone; ``attributes`` are what
    ``pictures`` may be asked for, ``stricter`` what a covered face costs. ``search_thresholds`` are of
    searches judged against each face's crowd, without rows where nobody measured that.
    """

    model_id: str
    extractor: str
    width: int
    detector: str
    runtime: str
    thresholds: ThresholdTable
    search_thresholds: ThresholdTable
    attributes: frozenset[str]
    stricter: Stricter

    def pictures(
        self,
        images: Sequence[NDArray[np.uint8]],
        attributes: frozenset[str] = frozenset(),
        spectrum: Asked = "visible",
    ) -> list[Picture]: ...

    def frontalize(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """``G`` of raw embeddings [n, width], unit length."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Handed to every use case. Thread safe. ``caller`` is on whose behalf; ``presentation`` None: not checked."""

    settings: Settings
    engine: Engine
    database: Database
    index: Index
    caller: Caller = SYSTEM
    presentation: PresentationCheck | None = None
    sizes: Sizes = field(default_factory=Sizes)

    def require_model(self, collection: Collection) -> None:
        """Vectors of two model ids never meet. Raises ``ModelMismatch``."""
        require_model(self.engine, collection)


def require_model(engine: Engine, collection: Collection) -> None:
    """The same for who has no index. Raises ``ModelMismatch``."""
    pinned = collection.model_id
    if pinned is not None and pinned != engine.model_id:
        raise ModelMismatch(
            f"Collection {collection.name!r} was enrolled with {pinned}, this server runs {engine.model_id}: "
            "run `frontalis reindex` if only the frontalizer changed, else enrol into a new collection",
            collection=collection.name,
            pinned=pinned,
            running=engine.model_id,
        )
