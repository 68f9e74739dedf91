"""A collection out of one database and into another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from app.errors import (
    ArchiveConflict,
    BadArchive,
    CollectionNotFound,
    ModelMismatch,
    RequestError,
    SealBroken,
    SealKeyMissing,
)
from app.seal import Keyring
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.parts import Parts
from app.service.recognition import identify
from app.service.rows import rows
from app.service.subjects import delete_subject, show_subject
from app.service.transfer import Imported, export_collection, import_collection
from app.settings import Settings
from app.store import audit, bulk
from app.store.database import Database
from app.store.models import Template
from tests.doubles import FakeEngine, photo


@pytest.fixture
def parts(tmp_path: Path, database_url: str) -> Iterator[Parts]:
    with opened(Settings(data_dir=tmp_path / "data", database_url=database_url, threads=1), FakeEngine()) as made:
        enroll(made, Enrolment([photo(1), photo(1, spread=30)], subject_id="ada", name="Ada", metadata={"tür": [1]}))
        enroll(made, Enrolment([photo(2)], subject_id="bob"))
        yield made


def put(parts: Parts, path: Path, name: str | None = None, progress: Any = lambda _: None) -> Imported:
    return import_collection(parts.database, path, name, 10, progress)


def take(parts: Parts, path: Path, name: str = "default") -> Path:
    export_collection(parts.database, name, path, lambda _: None)
    return path


def vectors(database: Database) -> dict[str, bytes]:
    with database.reading() as session:
        return {row[0]: row[1] + row[2] for row in session.execute(_VECTORS)}


_VECTORS = select(Template.public_id, Template.embedding, Template.frontalized)


def test_into_another_database_and_back_it_is_the_same_file(parts: Parts, tmp_path: Path) -> None:
    first = take(parts, tmp_path / "first.tar")
    elsewhere = Settings(data_dir=tmp_path / "elsewhere", threads=1)
    with opened(elsewhere, FakeEngine()) as other:
        done = put(other, first)
        assert (done.subjects, done.templates, done.known, done.model_id) == (2, 3, 0, "fake-1")
        assert vectors(other.database) == vectors(parts.database)
        assert show_subject(other, "default", "ada") == show_subject(parts, "default", "ada")
        assert not other.index.follow()
        assert identify(other, photo(1)).faces[0].decision == "match"
        again = take(other, tmp_path / "again.tar")
        states = [path.read_bytes().partition(b'"state"') for path in (first, again)]
        assert states[0][0] == states[1][0]
        assert [path.stat().st_size for path in (first, again)] == [first.stat().st_size] * 2
    assert put(parts, again).known == 3, "back home everything is known"


def test_interrupted_both_ways_it_goes_on(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SUBJECTS", 1)
    whole = take(parts, tmp_path / "whole.tar")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_collection(parts.database, "default", tmp_path / "again.tar", stop)
    assert not (tmp_path / "again.tar").exists()
    assert take(parts, tmp_path / "again.tar").read_bytes() == whole.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        put(parts, whole, "copy", stop)
    done = put(parts, whole, "copy")
    assert (done.templates, done.known) == (1, 2)
    assert (put(parts, whole, "copy").templates, put(parts, whole, "copy").known) == (0, 3)


def test_a_copy_beside_the_original_is_a_collection_of_its_own(parts: Parts, tmp_path: Path) -> None:
    put(parts, take(parts, tmp_path / "a.tar"), "copy")
    parts.index.follow()
    delete_subject(parts, "default", "ada")
    assert identify(parts, photo(1), "copy").faces[0].decision == "match"
    assert identify(parts, photo(1)).faces[0].decision != "match"
    assert len(set(vectors(parts.database))) == 4


def test_two_models_never_meet(parts: Parts, tmp_path: Path) -> None:
    path = take(parts, tmp_path / "a.tar")
    elsewhere = Settings(data_dir=tmp_path / "elsewhere", threads=1)
    with opened(elsewhere, FakeEngine("fake-2", turn=7)) as other:
        enroll(other, Enrolment([photo(3)], subject_id="cyd"))
        with pytest.raises(ModelMismatch):
            put(other, path)
        delete_subject(other, "default", "cyd")
        assert put(other, path).templates == 3, "an empty collection takes any"
        with pytest.raises(ModelMismatch):
            identify(other, photo(1))


def test_other_vectors_under_the_same_ids_are_a_conflict(parts: Parts, tmp_path: Path) -> None:
    path = take(parts, tmp_path / "a.tar")
    with parts.database.writing() as session:
        session.execute(update(Template).values(embedding=np.zeros(64, "<f4").tobytes()))
    with pytest.raises(ArchiveConflict, match="3 templates"):
        put(parts, path)


def test_a_damaged_file_changes_nothing(parts: Parts, tmp_path: Path) -> None:
    path = take(parts, tmp_path / "a.tar")
    data = bytearray(path.read_bytes())
    data[-3000] ^= 1
    path.write_bytes(data)
    with rows(Settings(data_dir=tmp_path / "elsewhere")) as database:
        with pytest.raises(BadArchive):
            import_collection(database, path, "new", 10, lambda _: None)
        assert vectors(database) == {}


def test_refusals(parts: Parts, tmp_path: Path) -> None:
    path = take(parts, tmp_path / "a.tar")
    with pytest.raises(RequestError, match="there already"):
        take(parts, path)
    with pytest.raises(CollectionNotFound):
        take(parts, tmp_path / "b.tar", "nobody")
    with pytest.raises(RequestError, match="no name"):
        put(parts, path, "../etc")


def test_an_empty_collection_travels_too(parts: Parts, tmp_path: Path) -> None:
    delete_subject(parts, "default", "ada")
    delete_subject(parts, "default", "bob")
    assert put(parts, take(parts, tmp_path / "a.tar"), "copy").subjects == 0


def test_who_took_a_collection_out_and_put_one_in_is_told(parts: Parts, tmp_path: Path) -> None:
    path = take(parts, tmp_path / "a.tar")
    put(parts, path, "copy")
    put(parts, path, "copy")  # nothing came
    with parts.database.reading() as session:
        assert audit.verify(session).broken is None
        told = [(act.act, act.collection, act.ids) for act in audit.acts_before(session, None, 3)]
    assert told == [
        ("collection.imported", "copy", {"subjects": 2, "templates": 3}),
        ("collection.created", "copy", {}),
        ("collection.exported", "default", {}),
    ]


ONE, TWO = (Keyring([bytes([n]) * 32]) for n in (1, 2))


def test_a_sealed_file_tells_nothing_without_its_key(parts: Parts, tmp_path: Path) -> None:
    path, again = tmp_path / "sealed.tar", tmp_path / "again.tar"
    for one in (path, again):
        export_collection(parts.database, "default", one, lambda _: None, ONE)
    data = path.read_bytes()
    assert not any(told in data for told in (b"ada", b"Ada", b"default", b"fake-1", b"NUMPY", b"subject"))
    assert not any(vector[:16] in data for vector in vectors(parts.database).values())
    assert data != again.read_bytes(), "nor whether it is the same collection"
    with pytest.raises(SealKeyMissing):
        put(parts, path, "copy")
    with pytest.raises(SealKeyMissing):
        import_collection(parts.database, path, "copy", 10, lambda _: None, TWO)
    with opened(Settings(data_dir=tmp_path / "elsewhere", threads=1), FakeEngine()) as other:
        done = import_collection(other.database, path, None, 10, lambda _: None, ONE)
        assert (done.subjects, done.templates) == (2, 3)
        assert vectors(other.database) == vectors(parts.database)


def test_a_sealed_file_that_was_changed_and_a_plain_one_in_its_place(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "sealed.tar"
    export_collection(parts.database, "default", path, lambda _: None, ONE)
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    with pytest.raises((SealBroken, BadArchive)):
        import_collection(parts.database, path, "copy", 10, lambda _: None, ONE)
    plain = take(parts, tmp_path / "plain.tar")
    with pytest.raises(BadArchive):
        import_collection(parts.database, plain, "copy", 10, lambda _: None, ONE)


def test_a_sealed_export_goes_on_where_it_was_interrupted(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SUBJECTS", 1)
    path, done = tmp_path / "sealed.tar", []

    def stop(templates: int) -> None:
        done.append(templates)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_collection(parts.database, "default", path, stop, ONE)
    export_collection(parts.database, "default", path, done.append, ONE)
    assert done == [2, 3]
    assert import_collection(parts.database, path, "copy", 10, lambda _: None, ONE).subjects == 2
