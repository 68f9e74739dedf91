"""Enrol ready embeddings by the million: no pictures, no index, only rows. Services follow them by themselves.

What a row of a file was is known by its subject and its vector, so any file, in any order, may be given again.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.errors import BadEmbeddings, ConsentRequired, ModelMismatch, StoreError, TooManyTemplates
from app.face.faces import Pose, Quality
from app.service.callers import SYSTEM
from app.service.door import door_of
from app.service.folder import SUBJECT_ID
from app.service.parts import Engine, require_model
from app.store import audit, bulk, queries
from app.store.database import Database
from app.store.embedding_file import EmbeddingFile, Rows
from app.store.ids import uuid7
from app.store.models import Collection

BATCH: Final = 5_000
"""Rows of one transaction."""
REST: Final = 0.25
"""After each transaction nothing is written for this share of its time, so that a visitor's row comes between."""
NO_DETECTOR: Final = "none"
"""As a template's detector: there was no picture. Pose, quality and box are zeros then."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """``known``: rows that were there before."""

    subjects: int
    templates: int
    known: int


def enroll_embeddings(
    database: Database,
    engine: Engine,
    file: EmbeddingFile,
    extractor: str,
    collection: str,
    most: int,
    progress: Callable[[int], object],
) -> Loaded:
    """Add a template for each row of ``file``; ``extractor`` says what made its vectors.

    The whole file is read and checked before anything is written; each transaction's vectors are read back before
    it is committed. Interrupted, it goes on when it is called again. Faces are not compared with those of other
    subjects. ``most``: templates of one subject. ``progress`` is told the rows done.

    Raises ``BadEmbeddings``, ``CollectionNotFound``, ``ModelMismatch``, ``ConsentRequired`` before anything is
    written, ``TooManyTemplates`` when a subject is full: what came before it stays.
    """
    if extractor != engine.extractor:
        raise ModelMismatch(
            f"The embeddings are of {extractor!r}, this server's extractor is {engine.extractor!r}: vectors of two "
            "models never meet",
            given=extractor,
            running=engine.extractor,
        )
    if file.width != engine.width:
        raise BadEmbeddings(f"The embeddings have {file.width} dimensions, {extractor!r} makes {engine.width}")
    with database.reading() as session:
        _require_open(session, engine, collection)
    _check(file)
    subjects = templates = known = 0
    for rows in file.batches(BATCH):
        started = time.monotonic()
        frontal = engine.frontalize(rows.vectors)
        written = _write(database, engine, collection, most, rows, frontal)
        subjects, templates = subjects + written.subjects, templates + written.templates
        known += len(rows.subjects) - written.templates
        progress(templates + known)
        if written.templates:
            time.sleep(REST * (time.monotonic() - started))
    return Loaded(subjects, templates, known)


def _check(file: EmbeddingFile) -> None:
    for rows in file.batches(BATCH):
        for row, name in enumerate(rows.subjects, rows.first + 1):
            if not SUBJECT_ID.fullmatch(name):
                raise BadEmbeddings(f"Row {row}: no subject id: 1 to 64 of A-Z a-z 0-9 . _ -")


def _require_open(session: Session, engine: Engine, name: str, lock: bool = False) -> Collection:
    collection = queries.collection_named(session, name, lock=lock)
    require_model(engine, collection)
    if door_of(collection).consent_required:
        raise ConsentRequired(f"Collection {name!r} enrols nobody without consent, and a file of vectors brings none")
    return collection


def _write(
    database: Database, engine: Engine, name: str, most: int, rows: Rows, frontal: NDArray[np.float32]
) -> bulk.Written:
    digests = [
        hashlib.sha256(f"{subject}\n".encode() + vector.astype("<f4").tobytes()).hexdigest()
        for subject, vector in zip(rows.subjects, rows.vectors, strict=True)
    ]
    with database.writing() as session:
        collection = _require_open(session, engine, name, lock=True)
        fresh = _fresh(session, collection, digests)
        if not fresh:
            return bulk.Written(0, 0, len(digests))
        people: dict[str, list[int]] = {}
        for row in fresh:
            people.setdefault(rows.subjects[row], []).append(row)
        _require_room(session, collection, Counter({one: len(own) for one, own in people.items()}), most)
        order = [row for own in people.values() for row in own]
        vectors = np.stack([rows.vectors[order], frontal[order].astype(np.float32)], axis=1)
        told = [
            ({"public_id": subject}, [_template(engine, digests[row]) for row in own])
            for subject, own in people.items()
        ]
        written = bulk.write_people(session, collection, told, vectors)
        names = [template["public_id"] for _, own in told for template in own]
        if bulk.differing(session, collection, names, vectors):
            raise StoreError("The database gave back other vectors than were written")
        collection.model_id = engine.model_id
        ids = {"subjects": written.subjects, "templates": written.templates}
        audit.record(session, SYSTEM.key_id, "embeddings.enrolled", name, **ids)
        return written


def _fresh(session: Session, collection: Collection, digests: list[str]) -> list[int]:
    """Places of those that are not there yet; of equal ones the first."""
    places = {digest: place for place, digest in reversed(list(enumerate(digests)))}
    for batch in bulk.batches(list(places), bulk.AT_ONCE):
        for digest in queries.known_digests(session, collection.id, batch):
            del places[digest]
    return sorted(places.values())


def _require_room(session: Session, collection: Collection, more: Counter[str], most: int) -> None:
    held = bulk.held_by(session, collection, list(more))
    full = [name for name, number in more.items() if held.get(name, 0) + number > most]
    if full:
        raise TooManyTemplates(f"Subject {full[0]!r} would have more than {most} templates", limit=most)


def _template(engine: Engine, digest: str) -> dict[str, Any]:
    return {
        "public_id": str(uuid7()),
        "pose": asdict(Pose(0, 0, 0)),
        "quality": asdict(Quality(0, 0, 0, 0, 0, 0)),
        "box": [0.0] * 4,
        "landmarks": [[0.0, 0.0]] * 5,
        "detection_score": 0.0,
        "model_id": engine.model_id,
        "extractor": engine.extractor,
        "detector": NO_DETECTOR,
        "digest": digest,
    }
