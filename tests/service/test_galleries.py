"""The house over a gallery that is a service of its own: same answers, found again at the next start, shared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import ConfigurationError, GalleryError
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.parts import Parts
from app.service.recognition import identify
from app.service.reindexing import reindex
from app.service.subjects import delete_subject
from app.settings import Settings
from tests.conftest import fresh_postgres
from tests.doubles import FakeEngine, photo

ROOT = Path(__file__).resolve().parents[2]
Chosen = Callable[..., Settings]


@pytest.fixture(params=["pgvector", "pgvector-hnsw", "milvus"])
def chosen(request: pytest.FixtureRequest, tmp_path: Path) -> Chosen:
    """Settings of one process over one database; ``gallery`` may be another one."""
    if request.param == "milvus":
        pytest.importorskip("milvus_lite")
        place = {"gallery_url": str(tmp_path / "milvus.db")}
    else:
        place = {"database_url": fresh_postgres(request.getfixturevalue("postgres_server"))}
    given = {"data_dir": tmp_path / "data", "threads": 1, "gallery": request.param, **place}
    return lambda **other: Settings(**given | other)  # type: ignore[arg-type]


def put(parts: Parts, person: int, name: str) -> None:
    enroll(parts, Enrolment([photo(person)], subject_id=name, duplicates="allow"))


def who(parts: Parts, person: int) -> str | None:
    match = identify(parts, photo(person)).faces[0].match
    return match.subject_id if match else None


@pytest.mark.slow
def test_who_is_enrolled_is_found_and_who_goes_is_gone_at_the_next_start_too(chosen: Chosen) -> None:
    with opened(chosen(), FakeEngine()) as parts:
        for person, name in ((1, "ada"), (2, "bob"), (3, "cyd")):
            put(parts, person, name)
        delete_subject(parts, "default", "bob")
        assert [who(parts, person) for person in (1, 2, 3)] == ["ada", None, "cyd"]
    with opened(chosen(), FakeEngine()) as parts:
        assert [who(parts, person) for person in (1, 2, 3)] == ["ada", None, "cyd"]
        assert len(parts.index.templates()) == 2


@pytest.mark.slow
def test_a_start_brings_what_changed_meanwhile(chosen: Chosen) -> None:
    with opened(chosen(), FakeEngine()) as parts:
        put(parts, 1, "ada")
        put(parts, 2, "bob")
    with opened(chosen(gallery="faiss"), FakeEngine()) as parts:
        delete_subject(parts, "default", "ada")
        put(parts, 3, "cyd")
    with opened(chosen(), FakeEngine()) as parts:
        assert [who(parts, person) for person in (1, 2, 3)] == [None, "bob", "cyd"]
        assert len(parts.index.templates()) == 2


@pytest.mark.slow
def test_another_process_finds_whom_this_one_enrolled(chosen: Chosen) -> None:
    given = chosen()
    code = (
        "import sys\nfrom tests.service.test_galleries import put, opened, FakeEngine, Settings\n"
        "with opened(Settings.model_validate_json(sys.argv[1]), FakeEngine()) as parts:\n    put(parts, 1, 'ada')"
    )
    command = [sys.executable, "-c", code, given.model_dump_json(exclude_none=True)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with opened(given, FakeEngine()) as parts:
        assert who(parts, 1) == "ada"


@pytest.mark.slow
def test_after_a_failure_it_is_compared_and_not_filled_anew(chosen: Chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(chosen(), FakeEngine()) as parts:
        put(parts, 1, "ada")
        gallery = parts.index._gallery
        monkeypatch.setattr(gallery, "search", lambda *_: 1 / 0)
        with pytest.raises(GalleryError):
            who(parts, 1)
        assert not parts.index.ready
        monkeypatch.undo()
        monkeypatch.setattr(gallery, "drop", lambda _: pytest.fail("others search in it"))
        assert parts.index.refill() == 1
        assert who(parts, 1) == "ada"


@pytest.mark.slow
def test_another_frontalizer_leaves_nothing_of_the_last_one_behind(chosen: Chosen) -> None:
    with opened(chosen(), FakeEngine()) as parts:
        put(parts, 1, "ada")
        before = parts.index._gallery.collections()
    turned = FakeEngine(model_id="turned", turn=2)
    with opened(chosen(), turned) as parts:
        assert parts.index._gallery.collections() == []
        assert reindex(parts).changed == 1
        assert parts.index._gallery.collections() == before
        assert who(parts, 1) == "ada"
    with opened(chosen(), FakeEngine()) as parts:
        assert parts.index.templates() == set()


@pytest.mark.slow
def test_two_processes_share_one_postgres(postgres_server: str, tmp_path: Path) -> None:
    url = fresh_postgres(postgres_server)
    given = Settings(data_dir=tmp_path, threads=1, gallery="pgvector", database_url=url)
    with opened(given, FakeEngine()) as one, opened(given, FakeEngine()) as other:
        put(one, 1, "ada")
        assert who(other, 1) == "ada", "at once: they search the same table"
        delete_subject(other, "default", "ada")
        assert who(one, 1) is None
        while one.index.follow() or other.index.follow():
            pass
        assert one.index.templates() == other.index.templates() == set()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"gallery": "pgvector"}, "Postgres"),
        ({"gallery": "milvus"}, "FRONTALIS_GALLERY_URL"),
        ({"gallery": "milvus", "gallery_url": "x.db", "seal_key": "A" * 43 + "="}, "SEAL_KEY"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(given: dict[str, str], reason: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, threads=1, **given)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=reason), opened(settings, FakeEngine()):
        pass
