"""A whole collection to one file and back, between databases of either kind. Needs no model: vectors stay as they are.

A running service finds what was imported as it finds what any other process enrols.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import ArchiveConflict, BadArchive, ModelMismatch, RequestError, TooManyCollections
from app.seal import Keyring
from app.service.callers import SYSTEM
from app.store import audit, bulk, queries
from app.store.archive import FORMAT, Block, Header, Reader, Totals, Writer
from app.store.database import Database
from app.store.models import Collection, Template

FLOAT: Final = 4
NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
Progress = Callable[[int], object]
"""Told the number of templates done so far."""


@dataclass(frozen=True, slots=True)
class Imported:
    """``known``: templates that were there before, from an interrupted import most likely."""

    collection: str
    subjects: int
    templates: int
    known: int
    model_id: str | None


def export_collection(
    database: Database, name: str, path: Path, progress: Progress, seals: Keyring | None = None
) -> Totals:
    """Write the collection, as it is at this moment, to ``path``; recorded before the first byte is written.
    ``seals``: keys of the file, which are not those of the rows.

    Interrupted, it goes on where it stopped, unless the collection has changed since. Raises
    ``CollectionNotFound``, ``RequestError`` where the file is there.
    """
    if path.exists():
        raise RequestError(f"{path} is there already")
    with database.writing() as session:
        collection = queries.collection_named(session, name)
        audit.record(session, SYSTEM.key_id, "collection.exported", name)
    with database.reading() as session:
        collection = queries.collection_named(session, name)
        state = bulk.state_of(session, collection)
        header = Header(FORMAT, name, collection.model_id, _width(session, collection), state)
        with Writer(path, header, seals) as writer:
            after = writer.last["public_id"] if writer.last else ""
            while True:
                people, vectors = bulk.people_after(session, collection.id, after, header.width)
                if not people:
                    return writer.finish()
                writer.block(Block(people, vectors))
                after = people[-1][0]["public_id"]
                progress(writer.totals.templates)


def check(file: BinaryIO, seals: Keyring | None = None) -> tuple[Header, Totals]:
    """Read the whole file and hold it against its digests and counts. Raises ``BadArchive``."""
    reader = Reader(file, seals)
    for block in reader.blocks():
        for subject, templates in block.subjects:
            if not all(NAME.fullmatch(str(one.get("public_id"))) for one in (subject, *templates)):
                raise BadArchive("The file has a subject or a template without an id")
            if any(one.get("model_id") != reader.header.model_id for one in templates):
                raise BadArchive("The file has a template of another model than it says")
    return reader.header, reader.totals


def import_collection(
    database: Database,
    path: Path,
    name: str | None,
    most: int,
    progress: Progress,
    seals: Keyring | None = None,
) -> Imported:
    """Add what ``path`` holds to the collection ``name`` (None: the name in the file), made if it is missing.

    The whole file is checked before anything is written; what was written is read back and compared. Interrupted,
    it goes on: what is there is passed over. Subjects that are there keep their names and metadata. ``most``: how
    many collections there may be; ``seals``: keys of the file. Raises ``BadArchive``, ``ModelMismatch``,
    ``ArchiveConflict``, ``TooManyCollections``, ``SealKeyMissing``, ``SealBroken``.
    """
    with path.open("rb") as file:
        header, totals = check(file, seals)
        name = name or header.collection
        if not NAME.fullmatch(name):
            raise RequestError(f"{name!r} is no name of a collection: 1 to 64 of A-Z a-z 0-9 . _ -")
        _make(database, name, most)
        subjects = templates = known = 0
        for block in Reader(file, seals).blocks():
            with database.writing() as session:
                collection = queries.collection_named(session, name, lock=True)
                _require_model(session, collection, header)
                written = bulk.write_people(session, collection, block.subjects, block.vectors)
                _compare(session, collection, block)
                if totals.templates:
                    collection.model_id = header.model_id
                if written.subjects or written.templates:
                    ids = {"subjects": written.subjects, "templates": written.templates}
                    audit.record(session, SYSTEM.key_id, "collection.imported", name, **ids)
            subjects, templates, known = (
                subjects + written.subjects,
                templates + written.templates,
                known + written.known,
            )
            progress(templates + known)
    return Imported(name, subjects, templates, known, header.model_id)


def _width(session: Session, collection: Collection) -> int:
    query = select(Template.frontalized).where(Template.collection_id == collection.id).limit(1)
    first = session.scalars(query).first()
    return len(first) // FLOAT if first else 0


def _make(database: Database, name: str, most: int) -> None:
    with database.writing() as session:
        names = [row.name for row in queries.all_collections(session)]
        if name in names:
            return
        if len(names) >= most:
            raise TooManyCollections(limit=most)
        session.add(Collection(name=name))
        audit.record(session, SYSTEM.key_id, "collection.created", name)


def _require_model(session: Session, collection: Collection, header: Header) -> None:
    if collection.model_id in (None, header.model_id):
        return
    if session.scalars(select(Template.id).where(Template.collection_id == collection.id).limit(1)).first() is None:
        return
    raise ModelMismatch(
        f"Collection {collection.name!r} was enrolled with {collection.model_id}, the file with {header.model_id}: "
        "import it into another collection, or bring both to one model with `frontalis reindex`",
        collection=collection.name,
        pinned=collection.model_id,
        file=header.model_id,
    )


def _compare(session: Session, collection: Collection, block: Block) -> None:
    names = [one["public_id"] for _, templates in block.subjects for one in templates]
    names = bulk.template_names(session, collection, names)
    if wrong := bulk.differing(session, collection, names, block.vectors):
        raise ArchiveConflict(
            f"{len(wrong)} templates of the file are in the collection with other vectors, {wrong[0]!r} first; "
            "import it into another collection",
            collection=collection.name,
        )
