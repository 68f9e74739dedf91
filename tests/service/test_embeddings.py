"""Ready embeddings by the thousand into the rows, and from there into the index of whoever serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from app.errors import BadEmbeddings, CollectionNotFound, ConsentRequired, ModelMismatch, TooManyTemplates
from app.service import embeddings
from app.service.door import change
from app.service.embeddings import Loaded, enroll_embeddings
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.parts import Parts
from app.service.recognition import identify
from app.service.subjects import delete_subject, show_subject
from app.settings import Settings
from app.store import audit
from app.store.embedding_file import EmbeddingFile
from app.store.models import Subject, Template
from tests.doubles import WIDTH, FakeEngine, photo

PEOPLE = 7
EACH = 3


@pytest.fixture
def parts(tmp_path: Path, database_url: str) -> Iterator[Parts]:
    with opened(Settings(data_dir=tmp_path / "data", database_url=database_url, threads=1), FakeEngine()) as made:
        yield made


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "BATCH", 4)
    monkeypatch.setattr(embeddings, "REST", 0.0)


def crowd() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], list[str]]:
    """Person k of ``tests.doubles`` as the fake engine sees them, slightly changed; subjects mixed."""
    rows, names = [], []
    for picture in range(EACH):
        for person in range(PEOPLE):
            own = np.random.default_rng(person).normal(size=WIDTH)
            rows.append(own + 0.05 * np.random.default_rng(100 + picture).normal(size=WIDTH))
            names.append(f"person-{person}")
    return np.array(rows, np.float32), names


def written(folder: Path, vectors: object, names: list[str]) -> EmbeddingFile:
    np.save(folder / "crowd.npy", vectors)
    (folder / "crowd.txt").write_text("\n".join(names) + "\n")
    return EmbeddingFile(folder / "crowd.npy", folder / "crowd.txt")


def load(
    parts: Parts, file: EmbeddingFile, extractor: str = "colours", progress: Callable[[int], object] = lambda _: None
) -> Loaded:
    return enroll_embeddings(
        parts.database, parts.engine, file, extractor, "default", parts.settings.max_templates, progress
    )


def counts(parts: Parts) -> tuple[int, int]:
    with parts.database.reading() as session:
        return tuple(session.scalar(select(func.count(table.id))) or 0 for table in (Subject, Template))  # type: ignore[return-value]


def test_a_file_is_enrolled_and_found_by_who_serves(parts: Parts, tmp_path: Path) -> None:
    told: list[int] = []
    assert load(parts, written(tmp_path, *crowd()), progress=told.append) == Loaded(PEOPLE, PEOPLE * EACH, 0)
    assert told == [4, 8, 12, 16, 20, 21]
    while parts.index.follow():
        pass
    for person in range(PEOPLE):
        match = identify(parts, photo(person)).faces[0].match
        assert match is not None
        assert match.subject_id == f"person-{person}"
    subject, templates = show_subject(parts, "default", "person-0")
    assert (subject.templates, {one.detector for one in templates}) == (EACH, {"none"})
    delete_subject(parts, "default", "person-0")
    assert identify(parts, photo(0)).faces[0].match is None
    parts.index.rebuild()
    assert identify(parts, photo(1)).faces[0].decision == "match"
    with parts.database.reading() as session:
        assert audit.verify(session).broken is None
        acts = [act.ids for act in audit.acts_before(session, None, 100) if act.act == "embeddings.enrolled"]
    assert sum(one["templates"] for one in acts) == PEOPLE * EACH


def test_vectors_are_kept_as_the_engine_would_keep_them(parts: Parts, tmp_path: Path) -> None:
    vectors, names = crowd()
    load(parts, written(tmp_path, vectors, names))
    raw = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    with parts.database.reading() as session:
        query = select(Subject.public_id, Template.embedding, Template.frontalized).join(Template.subject)
        found = {(row[0], row[1]): row[2] for row in session.execute(query)}
    for name, vector in zip(names, raw.astype("<f4"), strict=True):
        near = [key for key in found if key[0] == name and np.allclose(np.frombuffer(key[1], "<f4"), vector, atol=1e-6)]
        assert len(near) == 1
        turned = np.roll(np.frombuffer(near[0][1], "<f4"), 1)
        assert np.array_equal(np.frombuffer(found[near[0]], "<f4"), turned)


def test_interrupted_it_goes_on_and_again_nothing_comes(parts: Parts, tmp_path: Path) -> None:
    file = written(tmp_path, *crowd())

    def stop(done: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(parts, file, progress=stop)
    assert counts(parts)[1] == 8
    assert load(parts, file) == Loaded(0, PEOPLE * EACH - 8, 8)
    assert load(parts, file) == Loaded(0, 0, PEOPLE * EACH)
    vectors, names = crowd()
    more = written(tmp_path, np.concatenate([vectors[::-1], vectors[:1] + 1]), [*names[::-1], "person-0"])
    assert load(parts, more) == Loaded(0, 1, PEOPLE * EACH), "any order, and what is new comes"
    assert counts(parts) == (PEOPLE, PEOPLE * EACH + 1)


def test_equal_rows_are_one_and_subjects_that_are_there_keep_what_they_have(parts: Parts, tmp_path: Path) -> None:
    enroll(parts, Enrolment([photo(0)], subject_id="person-0", name="Ada"))
    vectors, names = crowd()
    done = load(parts, written(tmp_path, np.repeat(vectors, 2, axis=0), [one for one in names for _ in range(2)]))
    assert done == Loaded(PEOPLE - 1, PEOPLE * EACH, PEOPLE * EACH)
    subject, _ = show_subject(parts, "default", "person-0")
    assert (subject.name, subject.templates) == ("Ada", EACH + 1)


def test_nothing_is_written_of_a_file_with_one_wrong_row(parts: Parts, tmp_path: Path) -> None:
    vectors, names = crowd()
    with pytest.raises(BadEmbeddings, match="Row 21: no subject id"):
        load(parts, written(tmp_path, vectors, [*names[:-1], "../etc"]))
    vectors[-1] = 0
    with pytest.raises(BadEmbeddings, match="Row 21"):
        load(parts, written(tmp_path, vectors, names))
    with pytest.raises(BadEmbeddings, match="3 dimensions"):
        load(parts, written(tmp_path, vectors[:, :3], names))
    assert counts(parts) == (0, 0)


def test_embeddings_of_another_model_are_refused(parts: Parts, tmp_path: Path) -> None:
    file = written(tmp_path, *crowd())
    with pytest.raises(ModelMismatch, match="this server's extractor is 'colours'"):
        load(parts, file, "another")
    enroll(parts, Enrolment([photo(0)], subject_id="ada"))
    with pytest.raises(ModelMismatch):
        enroll_embeddings(parts.database, FakeEngine("fake-2"), file, "colours", "default", 200, lambda _: None)
    with pytest.raises(CollectionNotFound):
        enroll_embeddings(parts.database, parts.engine, file, "colours", "nobody", 200, lambda _: None)


def test_who_asks_for_consent_takes_no_file(parts: Parts, tmp_path: Path) -> None:
    change(parts, "default", {"consent_required": True})
    with pytest.raises(ConsentRequired):
        load(parts, written(tmp_path, *crowd()))


def test_a_full_subject_stops_it(parts: Parts, tmp_path: Path) -> None:
    vectors, names = crowd()
    with pytest.raises(TooManyTemplates, match="'person-0'"):
        enroll_embeddings(
            parts.database, parts.engine, written(tmp_path, vectors, names), "colours", "default", 2, lambda _: None
        )
    assert counts(parts) == (PEOPLE, 12), "what was committed before stays"
