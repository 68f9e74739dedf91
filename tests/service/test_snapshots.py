"""A start from a snapshot: nothing deleted comes back, nothing acknowledged is lost, nobody else's is used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import update

from app.gallery.faiss import FaissGallery
from app.service import snapshots
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.index import Index
from app.service.parts import Parts
from app.service.recognition import identify
from app.service.snapshots import Snapshots
from app.service.subjects import delete_subject
from app.settings import Settings
from app.store.database import Database
from app.store.models import Template
from tests.doubles import FakeEngine, photo, picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, threads=1)


def put(parts: Parts, person: int, name: str) -> None:
    enroll(parts, Enrolment([photo(person)], subject_id=name))


def who(parts: Parts, person: int) -> str | None:
    found = identify(parts, photo(person), "default", 5).faces[0]
    assert len(found.candidates) <= 5
    return found.candidates[0].subject_id if found.decision == "match" else None


@contextmanager
def started(settings: Settings, **options: Any) -> Iterator[tuple[Parts, list[Any]]]:
    """The parts, and what was logged at the start."""
    engine = options.pop("engine", None) or FakeEngine()
    with structlog.testing.capture_logs() as lines, opened(settings, engine, **options) as parts:
        yield parts, [line for line in lines if line["event"] != "snapshot saved"]


def files(settings: Settings) -> list[str]:
    folder = settings.data_dir / "index"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.slow
def test_killed_after_a_snapshot_nothing_deleted_is_back_and_nothing_told_is_lost(settings: Settings) -> None:
    command = [sys.executable, "-m", "tests.service.killed", str(settings.data_dir), settings.database]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (child.returncode, child.stdout.splitlines()[-1:]) == (-9, ["acknowledged"]), child.stderr
    with started(settings) as (parts, lines):
        assert lines == [
            {"event": "index restored", "log_level": "info", "templates": 2, "added": 1, "removed": 2},
        ]
        assert [who(parts, person) for person in (1, 2, 3)] == [None, "bob", "cyd"]
        assert "ada" not in [one.subject_id for one in identify(parts, photo(1), "default", 5).faces[0].candidates]


@pytest.mark.slow
def test_killed_at_any_moment_rows_and_index_are_what_was_acknowledged() -> None:
    command = [sys.executable, "-m", "tests.service.crash", "--points", "12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "nothing lost, nothing back" in done.stdout


def test_a_stop_saves_and_a_start_restores(settings: Settings) -> None:
    with started(settings) as (parts, lines):
        put(parts, 1, "ada")
        assert [line["event"] for line in lines] == ["index built"]
    before = files(settings)
    with started(settings) as (parts, lines):
        assert lines == [{"event": "index restored", "log_level": "info", "templates": 1, "added": 0, "removed": 0}]
        assert who(parts, 1) == "ada"
        delete_subject(parts, "default", "ada")
        assert who(parts, 1) is None
    assert files(settings) == before
    with started(settings) as (parts, lines):
        assert (lines[0]["templates"], lines[0]["removed"]) == (0, 0)
        assert who(parts, 1) is None


def test_vectors_of_other_people_are_not_used(settings: Settings) -> None:
    """The same ids, the same subjects, other rows: another database under the same folder."""
    with started(settings) as (parts, _):
        put(parts, 1, "ada")
        put(parts, 2, "bob")
    engine = FakeEngine()
    database = Database(settings.database)
    with database.writing() as session:
        face = engine.pictures([picture(7)])[0].faces[0]
        session.execute(update(Template).where(Template.id == 1).values(frontalized=face.frontalized.tobytes()))
    database.close()
    with started(settings) as (parts, lines):
        assert [line["event"] for line in lines] == ["snapshot not used", "index built"]
        assert "other vectors" in lines[0]["reason"]
        assert [who(parts, person) for person in (1, 2, 7)] == [None, "bob", "ada"]


def test_a_damaged_snapshot_is_not_used(settings: Settings) -> None:
    with started(settings) as (parts, _):
        put(parts, 1, "ada")
    path = next((settings.data_dir / "index").iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with started(settings) as (parts, lines):
        assert [line["event"] for line in lines] == ["snapshot not used", "index built"]
        assert "not whole" in lines[0]["reason"]
        assert who(parts, 1) == "ada"


def test_another_model_has_a_snapshot_of_its_own_and_only_the_running_one_is_kept(settings: Settings) -> None:
    with started(settings) as (parts, _):
        put(parts, 1, "ada")
    first = files(settings)
    (settings.data_dir / "index" / (first[0] + ".new")).write_bytes(b"half of a file")
    with started(settings, engine=FakeEngine("fake-2", turn=7)) as (parts, lines):
        assert [(line["event"], line["templates"]) for line in lines] == [("index built", 0)]
        assert files(settings) == []
    with started(settings) as (parts, _):
        assert who(parts, 1) == "ada"
    assert files(settings) == first


def test_a_reader_uses_the_snapshot_and_leaves_it_alone(settings: Settings) -> None:
    with started(settings) as (parts, _):
        put(parts, 1, "ada")
        parts.index._snapshots.save()  # type: ignore[union-attr]
        put(parts, 2, "bob")
        path = next((settings.data_dir / "index").iterdir())
        before = path.read_bytes()
        with started(settings, own=False) as (reader, lines):
            assert (lines[0]["event"], lines[0]["added"]) == ("index restored", 1)
            assert [who(reader, person) for person in (1, 2)] == ["ada", "bob"]
        assert path.read_bytes() == before


def test_it_is_saved_after_so_many_changes_and_after_so_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(settings) as (parts, _):
        index: Index = parts.index
        put(parts, 1, "ada")
        index.keep()
        assert files(settings) == [], "too early"
        monkeypatch.setattr(snapshots, "SAVE_CHANGES", 2)
        put(parts, 2, "bob")
        index.keep()
        (name,) = files(settings)
        path = settings.data_dir / "index" / name
        first = path.read_bytes()
        delete_subject(parts, "default", "bob")
        index.keep()
        assert path.read_bytes() == first, "too early"
        monkeypatch.setattr(snapshots, "SAVE_SECONDS", 0.0)
        index.keep()
        assert path.read_bytes() != first
        second = path.stat().st_mtime_ns
        index.keep()
        assert path.stat().st_mtime_ns == second, "nothing new to write"


def test_a_save_that_takes_long_is_not_repeated_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(snapshots.time, "monotonic", lambda: now[0])

    class SlowGallery(FaissGallery):
        def save(self, path: Path, change: int) -> None:
            now[0] += 2.0

    kept = Snapshots(SlowGallery(4), tmp_path / "index", "a", True)
    kept.changed(1000)
    assert kept.due()
    kept.save()
    kept.changed(1000)
    assert not kept.due()
    now[0] += 37.0
    assert not kept.due()
    now[0] += 1.0
    assert kept.due(), "saving took a twentieth of the time"
    kept.close()


def test_a_snapshot_that_cannot_be_written_stops_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "SAVE_SECONDS", 0.0)
    settings.data_dir.mkdir()
    (settings.data_dir / "index").write_text("a file where the folder should be")
    with structlog.testing.capture_logs() as lines, opened(settings, FakeEngine()) as parts:
        put(parts, 1, "ada")
        parts.index.keep()
        assert parts.index.ready
        assert who(parts, 1) == "ada"
    assert [line["event"] for line in lines] == ["index built", "snapshot not saved", "snapshot not saved"]
