"""Rules of a door over the wire."""

from __future__ import annotations

from app.api.schemas import Create, Public
from app.service.door import Door


class CollectionUpdate(Create):
    door: Door


class DoorPublic(Public):
    collection: str
    rules: Door


class NamePublic(Public):
    subject_id: str
    name: str


class NamesPublic(Public):
    names: list[NamePublic]
