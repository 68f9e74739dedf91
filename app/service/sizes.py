"""How many subjects a collection has, without counting them at every look: that would cost more the more there are."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.store import queries
from app.store.models import Collection


class Sizes:
    """Counts again when the collection's templates changed; a subject without templates may be counted late. Thread
    safe."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def subjects(self, session: Session, collection: Collection) -> int:
        """Of a collection as committed, not one that this session is changing."""
        known = self._known.get(collection.id)
        if known is None or known[0] != collection.change:
            known = collection.change, queries.count_subjects(session, collection.id)
            self._known[collection.id] = known
        return known[1]
