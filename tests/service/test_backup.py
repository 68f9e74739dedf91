"""A backup taken while the service runs comes back whole, on either kind of database, without who was erased since."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.errors import BadArchive, KeyRevoked, RequestError, StoreError, SubjectNotFound
from app.service import codes, consents, erasure, keys, subjects, webhooks
from app.service.backup import Restored, back_up, put_back
from app.service.collections import create_collection, delete_collection, list_collections
from app.service.corrections import correct
from app.service.door import change
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.parts import Parts
from app.service.recognition import identify
from app.service.visits import SignIn, list_visits, sign_in
from app.settings import Settings
from app.store import audit, ledger
from app.store.backup import GAP
from app.store.ids import uuid7
from app.store.models import Base, Subject
from app.store.visit_queries import Filters
from tests.conftest import empty_database
from tests.doubles import FakeEngine, photo, picture

SEAL = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "here", database_url=database_url, threads=1, log_level="error")


@pytest.fixture
def there(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """A fresh installation on the other kind of database."""
    kind = "postgres" if request.node.callspec.params["database_url"] == "sqlite" else "sqlite"
    other = type("Asked", (), {"param": kind, "getfixturevalue": request.getfixturevalue})()
    url = empty_database(other, tmp_path / "there")  # type: ignore[arg-type]
    return Settings(data_dir=tmp_path / "there", database_url=url, threads=1, log_level="error")


@contextmanager
def filled(settings: Settings) -> Iterator[Parts]:
    with opened(settings, FakeEngine()) as parts:
        change(parts, "default", {"fields": [{"name": "company", "label": "Company"}]})
        consents.add_text(parts, "default", {"en": "I agree."})
        for person, name in ((1, "ada"), (2, "bob"), (3, "eve")):
            given = consents.Given(1, "paper")
            enroll(parts, Enrolment([photo(person)], subject_id=name, metadata={"ü": [1]}, consent=given))
        create_collection(parts, "fair")
        enroll(parts, Enrolment([photo(4)], "fair", subject_id="dan"))
        yield parts


def save(parts: Parts, path: Path, progress: Callable[[int], object] = lambda _: None) -> Path:
    back_up(parts.settings, parts.database, path, progress)
    return path


def load(settings: Settings, path: Path, *receipts: Path) -> Restored:
    return put_back(settings, path, receipts, lambda _: None)


def who(parts: Parts, person: int, collection: str = "default") -> str | None:
    match = identify(parts, photo(person), collection).faces[0].match
    return match.subject_id if match else None


def everything(parts: Parts) -> dict[str, list[Any]]:
    with parts.database.reading() as session:
        tables = [one for one in Base.metadata.sorted_tables if not one.name.startswith("audit")]
        return {one.name: [tuple(row) for row in session.execute(select(one).order_by("id"))] for one in tables}


def test_everything_comes_back_on_the_other_kind_of_database(here: Settings, there: Settings, tmp_path: Path) -> None:
    with filled(here) as parts:
        visit = sign_in(parts, SignIn([photo(1)], key="k-1")).visit
        correct(parts, "default", visit.visit_id, "bob")
        code = codes.give_code(parts, "default", "eve")
        key = keys.create_key(parts.database, "tablet", ["kiosk"], ["default"]).key
        path = save(parts, tmp_path / "a.backup")
        before = everything(parts)
        with parts.database.reading() as session:
            digest = audit.verify(session).digest
        with pytest.raises(RequestError):
            save(parts, path)
    assert path.stat().st_mode & 0o077 == 0
    done = load(there, path)
    assert (done.gone, done.torn) == ({}, 0)
    with opened(there, FakeEngine()) as parts:
        assert everything(parts) == before
        # The correction came along: that very face is not ada's any more.
        assert [who(parts, person) for person in (1, 2, 3)] == [None, "bob", "eve"]
        assert who(parts, 4, "fair") == "dan"
        assert sign_in(parts, SignIn(code=code, method="code")).visit.subject_id == "eve"
        assert keys.holder(parts.database, key).collections == frozenset({"default"})
        with parts.database.reading() as session:
            assert audit.verify(session, digest).broken is None, "the chain goes on from the one that was backed up"
            assert session.scalar(select(func.max(Subject.id))) == 4
        enroll(parts, Enrolment([photo(5)], subject_id="fay"))
        with parts.database.reading() as session:
            assert (session.scalar(select(func.max(Subject.id))) or 0) > GAP, "no number is given a second time"
        assert save(parts, tmp_path / "b.backup").stat().st_size > path.stat().st_size


def test_who_went_since_does_not_come_back(here: Settings, there: Settings, tmp_path: Path) -> None:
    with filled(here) as parts:
        enroll(parts, Enrolment([photo(3, spread=40)], subject_id="eve"))
        code = codes.give_code(parts, "default", "eve")
        key = keys.create_key(parts.database, "tablet", ["kiosk"], ["default"])
        old = keys.create_key(parts.database, "office", ["admin"])
        path = save(parts, tmp_path / "a.backup")
        receipt = erasure.erase(parts, "default", "ada")
        subjects.delete_subject(parts, "default", "bob")
        template = subjects.show_subject(parts, "default", "eve")[1][0].template_id
        subjects.delete_template(parts, "default", "eve", template)
        codes.forget_codes(parts, "default", "eve")
        delete_collection(parts, "fair")
        keys.revoke_key(parts.database, key.view.key_id)
        keys.rotate_key(parts.database, old.view.key_id)
        enroll(parts, Enrolment([photo(1)], subject_id="ada"))  # back again, and lost with the database
    lost = here.data_dir / ledger.NAME
    assert lost.stat().st_mode & 0o077 == 0
    done = load(there, path, lost)
    wanted = {"collections": 1, "subjects": 2, "templates": 1, "subject_codes": 1, "api_keys": 2}
    assert done.gone == wanted
    with opened(there, FakeEngine()) as parts:
        assert [one.subject_id for one in subjects.list_subjects(parts, "default", "", 10)] == ["eve"]
        assert [who(parts, person) for person in (1, 2, 3)] == [None, None, "eve"]
        assert [one.name for one in list_collections(parts)] == ["default"]
        assert len(subjects.show_subject(parts, "default", "eve")[1]) == 1
        assert erasure.verify(parts, "ada") == erasure.verify(parts, receipt.receipt_id) == []
        with pytest.raises(SubjectNotFound):
            sign_in(parts, SignIn(code=code, method="code"))
        for made in (key, old):
            with pytest.raises(KeyRevoked):
                keys.holder(parts.database, made.key)
        with parts.database.reading() as session:
            assert audit.verify(session).broken is None
            assert audit.acts_before(session, None, 1)[0].ids["gone"] == wanted
        enroll(parts, Enrolment([photo(1)], subject_id="ada"))
        again = save(parts, tmp_path / "b.backup")
    third = Settings(data_dir=tmp_path / "third", threads=1)
    assert load(third, again, there.data_dir / ledger.NAME).gone.keys() == {"api_keys"}, "she came after the receipt"
    with opened(third, FakeEngine()) as parts:
        assert who(parts, 1) == "ada"


def test_the_data_folders_own_receipts_need_no_naming(tmp_path: Path) -> None:
    """The disk lives, the database is put back to yesterday."""
    house = Settings(data_dir=tmp_path / "data", threads=1)
    with filled(house) as parts:
        path = save(parts, tmp_path / "a.backup")
        erasure.erase(parts, "default", "ada", "withdrawn")
    with pytest.raises(RequestError, match="empty"):
        load(house, path)
    for file in house.data_dir.glob("frontalis.db*"):
        file.unlink()
    assert load(house, path).gone == {"subjects": 1}
    assert not list((house.data_dir / "index").glob("*.snapshot"))
    with opened(house, FakeEngine()) as parts:
        assert [who(parts, person) for person in (1, 2)] == [None, "bob"]
        assert erasure.verify(parts, "ada") == []


def fail(_: Session) -> None:
    raise OperationalError("commit", {}, OSError("gone"))


def test_what_was_not_done_after_all_is_not_held_against_anybody(
    here: Settings, there: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled(here) as parts:
        path = save(parts, tmp_path / "a.backup")
        monkeypatch.setattr(Session, "commit", fail)
        with pytest.raises(StoreError):
            erasure.erase(parts, "default", "ada")
        monkeypatch.undo()
        parts.index.rebuild()
        lines = here.data_dir / ledger.NAME
        lines.write_bytes(lines.read_bytes() + b'\n{"id": "torn by a cra')
        erasure.erase(parts, "default", "bob")
    done = load(there, path, lines)
    assert (done.gone, done.torn) == ({"subjects": 1}, 1)
    with opened(there, FakeEngine()) as parts:
        assert [who(parts, person) for person in (1, 2)] == ["ada", None]


def test_nobody_goes_where_it_cannot_be_written_down(tmp_path: Path) -> None:
    with filled(Settings(data_dir=tmp_path / "data", threads=1)) as parts:
        (tmp_path / "data" / ledger.NAME).mkdir()
        for act in (
            lambda: erasure.erase(parts, "default", "ada"),
            lambda: subjects.delete_subject(parts, "default", "ada"),
            lambda: delete_collection(parts, "default"),
        ):
            with pytest.raises(StoreError, match="cannot be written"):
                act()
        assert who(parts, 1) == "ada"


def test_it_is_one_moment_though_the_service_runs(here: Settings, there: Settings, tmp_path: Path) -> None:
    with filled(here) as parts:
        meanwhile: list[str] = []

        def enrol(_: int) -> None:
            if not meanwhile:
                meanwhile.append(enroll(parts, Enrolment([photo(9)])).subject_id)
                erasure.erase(parts, "default", "ada")

        path = save(parts, tmp_path / "a.backup", enrol)
        assert meanwhile
        assert who(parts, 9) == meanwhile[0]
    assert load(there, path, here.data_dir / ledger.NAME).gone == {"subjects": 1}
    with opened(there, FakeEngine()) as parts:
        assert [who(parts, person) for person in (1, 2, 9)] == [None, "bob", None]


def test_sealed_rows_stay_sealed_in_it(tmp_path: Path) -> None:
    house, other = (Settings(data_dir=tmp_path / name, threads=1, seal_key=SEAL) for name in ("here", "there"))
    with filled(house) as parts:
        path = save(parts, tmp_path / "a.backup")
    held = path.read_bytes()
    face = FakeEngine().pictures([picture(1)])[0].faces[0]
    for vector in (face.embedding, face.frontalized):
        assert not any(part in held for part in traces(vector.astype("<f4").tobytes()))
    load(Settings(data_dir=tmp_path / "there", threads=1), path)  # without the key
    with opened(other, FakeEngine()) as parts:
        assert who(parts, 1) == "ada"


def traces(data: bytes) -> list[bytes]:
    """Parts of ``data`` as base64 has them, wherever in its groups of three they begin."""
    return [base64.b64encode(data[start : start + 30]) for start in (0, 1, 2)]


def damaged(data: bytes) -> dict[str, bytes]:
    lines = data.splitlines(keepends=True)
    return {
        "empty": b"",
        "no backup": b"hello\n",
        "its end is missing": b"".join(lines[:-1]),
        "torn": data[:-40],
        "a row is missing": b"".join(lines[:5] + lines[6:]),
        "a byte is another": data.replace(b'"ada"', b'"adb"', 1),
        "something comes after the end": data + b"[]\n",
        "made by a later version": later(lines),
    }


def later(lines: list[bytes]) -> bytes:
    head = json.loads(lines[0])
    return signed([json.dumps({**head, "revision": "9999"}).encode() + b"\n", *lines[1:-1]])


def signed(lines: list[bytes]) -> bytes:
    rows = sum(line.startswith(b"[") for line in lines)
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    return b"".join(lines) + json.dumps({"rows": rows, "sha256": digest}).encode() + b"\n"


def test_a_damaged_file_changes_nothing(tmp_path: Path) -> None:
    with filled(Settings(data_dir=tmp_path / "data", threads=1)) as parts:
        whole = save(parts, tmp_path / "a.backup").read_bytes()
    fresh = Settings(data_dir=tmp_path / "fresh", threads=1)
    for case, data in damaged(whole).items():
        (tmp_path / case).write_bytes(data)
        with pytest.raises(BadArchive):
            load(fresh, tmp_path / case)
    load(fresh, tmp_path / "a.backup")


def test_receipts_of_another_database_are_refused(tmp_path: Path) -> None:
    with filled(Settings(data_dir=tmp_path / "one", threads=1)) as parts:
        erasure.erase(parts, "default", "ada")
        foreign = tmp_path / "one" / ledger.NAME
    with filled(Settings(data_dir=tmp_path / "two", threads=1)) as parts:
        path = save(parts, tmp_path / "a.backup")
    fresh = Settings(data_dir=tmp_path / "fresh", threads=1)
    with pytest.raises(BadArchive, match="another database"):
        load(fresh, path, foreign)
    (fresh.data_dir / ledger.NAME).write_bytes(foreign.read_bytes())  # a folder that another database used before
    assert load(fresh, path).gone == {}
    with opened(fresh, FakeEngine()) as parts:
        assert who(parts, 1) == "ada"


def test_a_backup_of_earlier_tables_comes_up_to_the_present_ones(here: Settings, tmp_path: Path) -> None:
    """As 0006 would have written it: without the tables that 0007 and 0009 made."""
    with filled(Settings(data_dir=tmp_path / "data", threads=1)) as parts:
        lines = save(parts, tmp_path / "a.backup").read_bytes().splitlines(keepends=True)
    kept, skip = [json.dumps({**json.loads(lines[0]), "revision": "0006"}).encode() + b"\n"], False
    for line in lines[1:-1]:
        if line.startswith(b"{"):
            skip = json.loads(line)["table"] in ("receipts", "retention_runs", "pictures", "strangers")
        if not skip:
            kept.append(line)
    (tmp_path / "old").write_bytes(signed(kept))
    load(here, tmp_path / "old")
    with opened(here, FakeEngine()) as parts:
        assert who(parts, 2) == "bob"
        erasure.erase(parts, "default", "bob")
        assert list_visits(parts, "default", Filters(), None, 10) == []


def test_a_full_disk_leaves_no_half_backup(tmp_path: Path) -> None:
    with filled(Settings(data_dir=tmp_path / "data", threads=1)) as parts:
        with pytest.raises(StoreError, match="cannot be written"):
            save(parts, Path("/dev/full/a.backup"))
        (tmp_path / "a.backup.part").symlink_to("/dev/full")
        with pytest.raises(StoreError, match="No space left"):
            save(parts, tmp_path / "a.backup")
        assert not (tmp_path / "a.backup").exists()
        assert not (tmp_path / "a.backup.part").is_symlink()


def test_webhooks_that_were_taken_away_are_not_told(tmp_path: Path) -> None:
    house = Settings(data_dir=tmp_path / "data", threads=1, webhook_private_targets=True)
    with filled(house) as parts:
        hook = webhooks.add_webhook(parts, "default", "http://127.0.0.1:9/", [])
        path = save(parts, tmp_path / "a.backup")
        webhooks.delete_webhook(parts, "default", hook.webhook_id)
    fresh = Settings(data_dir=tmp_path / "fresh", threads=1)
    assert load(fresh, path, house.data_dir / ledger.NAME).gone == {"webhooks": 1}
    with opened(fresh, FakeEngine()) as parts:
        assert webhooks.list_webhooks(parts, "default") == []


def test_numbers_are_public_ids_nowhere_in_the_receipts(tmp_path: Path) -> None:
    """The file outlives who it is of: it says nothing about them."""
    with filled(Settings(data_dir=tmp_path / "data", threads=1)) as parts:
        name = str(uuid7())
        enroll(parts, Enrolment([photo(7)], subject_id=name, name="Lovelace"))
        erasure.erase(parts, "default", name)
        subjects.delete_subject(parts, "default", "ada")
    told = (tmp_path / "data" / ledger.NAME).read_text()
    assert name not in told
    assert "Lovelace" not in told
    assert not re.search(r"\bada\b", told)  # a word: one hash in sixty has these digits
