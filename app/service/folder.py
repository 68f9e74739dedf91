"""Enrol a folder of people: a folder a person, resumable, one picture's refusal never stops the rest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from app.errors import AllRejected, RequestError
from app.service.consents import Given
from app.service.enrolment import Enrolment, enroll
from app.service.parts import Parts
from app.store import queries

BATCH: Final = 20
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"})
SUBJECT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One file. ``code`` and ``reason`` say why it was rejected."""

    path: Path
    subject_id: str
    result: Literal["enrolled", "known", "rejected"]
    code: str = ""
    reason: str = ""


def people(folder: Path) -> dict[str, list[Path]]:
    """Subject id (the folder's name) to its pictures, both sorted. Raises ``RequestError`` for a name that is no id."""
    found: dict[str, list[Path]] = {}
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not SUBJECT_ID.fullmatch(person.name):
            raise RequestError(f"The folder {person.name!r} is no subject id: 1 to 64 of A-Z a-z 0-9 . _ -")
        pictures = sorted(path for path in person.rglob("*") if path.suffix.lower() in SUFFIXES)
        if pictures:
            found[person.name] = pictures
    return found


def enroll_folder(
    parts: Parts,
    found: dict[str, list[Path]],
    collection: str,
    faces: Literal["single", "largest"],
    consent: Given | None = None,
) -> Iterator[Outcome]:
    """Each file's outcome as soon as it is known. What was committed before a crash is ``known`` the next time.

    ``consent`` is everybody's. Raises ``ConsentRequired``, ``ConsentOutdated``, ``ConsentTextNotFound`` at the first
    who is enrolled without the right one.
    """
    for subject_id, paths in found.items():
        for start in range(0, len(paths), BATCH):
            yield from _batch(parts, subject_id, paths[start : start + BATCH], collection, faces, consent)


def _batch(
    parts: Parts,
    subject_id: str,
    paths: list[Path],
    collection: str,
    faces: Literal["single", "largest"],
    consent: Given | None,
) -> Iterator[Outcome]:
    files = [path.read_bytes() for path in paths]
    digests = [hashlib.sha256(file).hexdigest() for file in files]
    with parts.database.reading() as session:
        known = queries.known_digests(session, queries.collection_named(session, collection).id, digests)
    fresh = [place for place, digest in enumerate(digests) if digest not in known]
    yield from (Outcome(paths[place], subject_id, "known") for place in range(len(paths)) if place not in fresh)
    if not fresh:
        return
    asked = Enrolment([files[place] for place in fresh], collection, subject_id, faces=faces, consent=consent)
    refusals: dict[int, tuple[str, str]] = {}
    try:
        refusals = {one.index: (one.code, one.reason) for one in enroll(parts, asked).rejected}
    except AllRejected as none:
        refusals = {one["index"]: (one["code"], one["reason"]) for one in none.extra["rejected"]}
    for index, place in enumerate(fresh):
        if index in refusals:
            yield Outcome(paths[place], subject_id, "rejected", *refusals[index])
        else:
            yield Outcome(paths[place], subject_id, "enrolled")
