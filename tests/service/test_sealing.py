"""Encryption at rest: a stolen database is worth nothing, the service notices nothing."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import LargeBinary, select, text, type_coerce, update
from sqlalchemy.exc import StatementError

from app.errors import ConfigurationError, SealBroken, SealKeyMissing
from app.face.faces import Face
from app.seal import sealed_under
from app.service import sealing, webhooks
from app.service.doctor import examine
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.parts import Parts
from app.service.recognition import identify, verify_subject
from app.service.reindexing import reindex
from app.service.rows import rows
from app.service.sealing import count_sealed, rotate_seals
from app.settings import Settings
from app.store.models import Template
from app.store.outbox_models import Webhook
from tests.doubles import FakeEngine, photo, picture

ONE, TWO = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
COLUMNS = (Template.embedding, Template.frontalized)


def settings(folder: Path, url: str, key: str | None) -> Settings:
    return Settings(data_dir=folder, database_url=url, threads=1, log_level="error", seal_key=key)


def face(person: int) -> Face:
    return FakeEngine().pictures([picture(person)])[0].faces[0]


def fill(parts: Parts, *people: int) -> None:
    for person in people:
        enroll(parts, Enrolment([photo(person)], subject_id=f"p{person}"))


def who(parts: Parts, person: int) -> str | None:
    match = identify(parts, photo(person)).faces[0].match
    return match.subject_id if match else None


def envelopes(house: Settings) -> list[tuple[bytes, bytes]]:
    """Vectors as they lie in the database."""
    with rows(house) as database, database.reading() as session:
        query = select(*(type_coerce(column, LargeBinary) for column in COLUMNS)).order_by(Template.id)
        return [(row[0], row[1]) for row in session.execute(query)]


def traces(folder: Path, vector: NDArray[np.float32]) -> list[str]:
    """Files of the folder that hold the vector, in whole or half precision."""
    wanted = [vector.astype(kind).tobytes()[:32] for kind in ("<f4", "<f2")]
    return [
        path.name for path in folder.rglob("*") if path.is_file() and any(one in path.read_bytes() for one in wanted)
    ]


def test_a_stolen_data_folder_gives_no_embedding(tmp_path: Path) -> None:
    """Rows, journal and the snapshot of the index."""
    for key in (None, ONE):
        folder = tmp_path / str(key is None)
        with opened(settings(folder, "", key), FakeEngine()) as parts:
            fill(parts, 1, 2, 3)
            assert who(parts, 2) == "p2"
            assert verify_subject(parts, photo(2), "p2").match
        with opened(settings(folder, "", key), FakeEngine()) as parts:
            assert who(parts, 2) == "p2"
        assert list((folder / "index").glob("*.snapshot"))
        found = traces(folder, face(2).frontalized) + traces(folder, face(2).embedding)
        assert bool(found) is (key is None), found


def test_a_stolen_database_signs_no_webhook(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "resolve", lambda url, private: url)

    def raw() -> bytes:
        with rows(settings(tmp_path, database_url, None)) as database, database.reading() as session:
            return bytes(session.scalars(select(type_coerce(Webhook.secret, LargeBinary))).one())

    def secret(key: str) -> str:
        with rows(settings(tmp_path, database_url, key)) as database, database.reading() as session:
            return session.scalars(select(Webhook)).one().secret

    with opened(settings(tmp_path, database_url, None), FakeEngine()) as parts:
        made = webhooks.add_webhook(parts, "default", "https://hooks.example.org/", []).secret
    assert made is not None
    assert raw() == made.encode()
    for key in (ONE, f"{TWO},{ONE}"):
        with rows(settings(tmp_path, database_url, key)) as database:
            assert rotate_seals(database) == 1
            assert count_sealed(database).behind == 0
        assert made.encode() not in raw()
    assert secret(TWO) == made
    with pytest.raises(SealKeyMissing):
        secret(ONE)


def test_without_the_key_nobody_reads_and_the_service_says_why(tmp_path: Path, database_url: str) -> None:
    with opened(settings(tmp_path, database_url, ONE), FakeEngine()) as parts:
        fill(parts, 1)
    for key in (None, TWO):
        with pytest.raises(SealKeyMissing), opened(settings(tmp_path, database_url, key), FakeEngine()):
            pass


def test_a_vector_moved_to_somebody_else_is_refused(tmp_path: Path, database_url: str) -> None:
    house = settings(tmp_path, database_url, ONE)
    with opened(house, FakeEngine()) as parts:
        fill(parts, 1, 2)
    (_, one), (_, two) = envelopes(house)
    with rows(house) as database, database.writing() as session:
        numbers = session.scalars(select(Template.id).order_by(Template.id)).all()
        for number, envelope in zip(numbers, (two, one), strict=True):
            statement = text("UPDATE templates SET frontalized = :envelope WHERE id = :id")
            session.execute(statement, {"envelope": envelope, "id": number})
    for path in (tmp_path / "index").iterdir():
        path.unlink()
    with pytest.raises(SealBroken, match="moved"), opened(house, FakeEngine()):
        pass


def test_rotation_takes_everything_along_and_goes_on_where_it_stopped(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 2)
    plain, first = (settings(tmp_path, database_url, key) for key in (None, ONE))
    both, second = (settings(tmp_path, database_url, key) for key in (f"{TWO},{ONE}", TWO))
    with opened(plain, FakeEngine()) as parts:
        fill(parts, 1, 2, 3, 4, 5)

    class Killed(Exception):
        pass

    def die(seen: int) -> None:
        raise Killed

    for house in (first, both):
        with rows(house) as database:
            active = house.keyring().active  # type: ignore[union-attr]
            with pytest.raises(Killed):
                sealing.rotate_seals(database, die)
            assert sealing.count_sealed(database) == sealing.Sealed(10, 6)
            assert sealing.rotate_seals(database) == 3
            assert sealing.rotate_seals(database) == 0
        assert {sealed_under(one) for pair in envelopes(house) for one in pair} == {active}
        with opened(house, FakeEngine()) as parts:
            assert [who(parts, person) for person in (1, 3, 5)] == ["p1", "p3", "p5"]
    with opened(second, FakeEngine()) as parts:
        assert who(parts, 4) == "p4"
        fill(parts, 6)
    assert not traces(tmp_path, face(4).frontalized)


def test_a_new_frontalizer_under_seal(tmp_path: Path, database_url: str) -> None:
    house = settings(tmp_path, database_url, ONE)
    with opened(house, FakeEngine()) as parts:
        fill(parts, 1, 2)
    with opened(house, FakeEngine("fake-2", turn=5)) as parts:
        assert reindex(parts).changed == 2
        assert who(parts, 2) == "p2"
    assert all(sealed_under(one) for pair in envelopes(house) for one in pair)


def test_a_writer_that_forgets_the_owner_fails(tmp_path: Path) -> None:
    statement = update(Template).values(embedding=b"1234")
    with (
        rows(settings(tmp_path, "", ONE)) as database,
        database.reading() as session,
        pytest.raises(StatementError, match="with its owner"),
    ):
        session.execute(statement)


def test_doctor_says_how_it_stands(tmp_path: Path) -> None:
    def told(key: str | None) -> tuple[str, str]:
        (found,) = (one for one in examine(settings(tmp_path, "", key)) if one.name == "encryption at rest")
        return found.state, found.detail

    assert told(None)[0] == "absent"
    assert told(ONE)[0] == "ok"
    with opened(settings(tmp_path, "", None), FakeEngine()) as parts:
        fill(parts, 1)
    state, detail = told(ONE)
    assert state == "failed"
    assert "frontalis seal rotate" in detail
    with rows(settings(tmp_path, "", ONE)) as database:
        sealing.rotate_seals(database)
    assert told(ONE)[0] == "ok"


def test_sealing_without_a_key_is_refused(tmp_path: Path) -> None:
    with rows(settings(tmp_path, "", None)) as database, pytest.raises(ConfigurationError, match="seal key"):
        sealing.rotate_seals(database)


def test_keys_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{TWO}\n{ONE}\n")
    found: Any = Settings(seal_key_file=tmp_path / "keys").keyring()
    assert len(found.ids) == 2
    for wrong in ({"seal_key": "nonsense"}, {"seal_key": ONE, "seal_key_file": tmp_path / "keys"}):
        with pytest.raises(ValueError, match=r"seal|SEAL") as told:
            Settings(**wrong)
        assert ONE not in str(told.value)
