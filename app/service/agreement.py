"""Brings a gallery that holds something already to the rows: what they lack goes, what they have more comes.

A template's vector never changes under one model id, so ids tell. A sample of rows must find themselves: another
database, or one put back to an earlier day, may have the same ids for other people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.gallery.contract import Gallery
from app.store import queries

PROBES: Final = 64
SAME: Final = 0.99
"""Cosine of a row's vector and the same one in the gallery, which may keep half precision."""

Held = dict[int, NDArray[np.int64]]
"""Templates by collection."""


@dataclass(frozen=True, slots=True)
class Restored:
    """``added`` and ``removed``: templates by which the gallery was behind the rows."""

    templates: int
    added: int
    removed: int


def held_by(gallery: Gallery) -> Held:
    return {collection: gallery.ids(collection)[0] for collection in gallery.collections()}


def bring_to_rows(gallery: Gallery, held: Held, session: Session, model_id: str) -> Restored | None:
    """``held`` was read before the rows are: what another process enrols meanwhile is in the rows then.

    None where the gallery holds other vectors than the rows.
    """
    collections = [row.id for row in queries.all_collections(session) if row.model_id == model_id]
    for collection in held.keys() - set(collections):
        gallery.drop(collection)
    total = added = removed = 0
    for collection in collections:
        templates, _ = queries.template_ids(session, collection)
        there = held.get(collection, np.zeros(0, np.int64))
        removed += gallery.remove(collection, np.setdiff1d(there, templates, assume_unique=True))
        if not _finds(gallery, session, collection, np.intersect1d(there, templates, assume_unique=True)):
            return None
        missing = np.setdiff1d(templates, there, assume_unique=True)
        for part in queries.vectors_of_templates(session, collection, missing, gallery.width):
            gallery.add(part.collection, part.templates, part.subjects, part.vectors)
            added += len(part.templates)
        total += len(templates)
    return Restored(total, added, removed)


def _finds(gallery: Gallery, session: Session, collection: int, templates: NDArray[np.int64]) -> bool:
    """Whether the newest of these sorted templates, and some older ones, find themselves."""
    spread = templates[np.linspace(0, max(len(templates) - 1, 0), min(PROBES, len(templates)), dtype=np.int64)]
    probes = np.union1d(templates[-PROBES:], spread)
    for part in queries.vectors_of_templates(session, collection, probes, gallery.width):
        found = gallery.search(collection, part.vectors, 1)
        if any(not hits or hits[0].score < SAME for hits in found):
            return False
    return True
