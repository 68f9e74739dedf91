"""Pictures are kept only where somebody says so, only sealed, and go with the template."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import LargeBinary, delete, select, text, type_coerce

from app.errors import NotSealed, PictureNotKept, SealBroken
from app.seal import sealed_under
from app.service import door, merging, portraits, registrations
from app.service.enrolment import Enrolment, enroll
from app.service.erasure import erase
from app.service.house import opened
from app.service.parts import Parts
from app.service.sealing import count_sealed, rotate_seals
from app.service.subjects import show_subject
from app.settings import Settings
from app.store.models import Template
from app.store.picture_models import KeptPicture
from tests.doubles import FakeEngine, encode, photo, picture

ONE, TWO = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
JPEG = b"\xff\xd8\xff"


def settings(folder: Path, url: str, key: str | None) -> Settings:
    return Settings(data_dir=folder / "data", database_url=url, threads=1, log_level="error", seal_key=key)


@pytest.fixture
def parts(tmp_path: Path, database_url: str) -> Iterator[Parts]:
    with opened(settings(tmp_path, database_url, ONE), FakeEngine()) as made:
        door.change(made, "default", {"keep_pictures": True})
        yield made


def put(parts: Parts, subject: str, person: int) -> str:
    return enroll(parts, Enrolment([photo(person)], subject_id=subject, duplicates="allow")).accepted[0].template_id


def files(parts: Parts) -> list[bytes]:
    """As they lie in the database."""
    with parts.database.reading() as session:
        return list(session.scalars(select(type_coerce(KeptPicture.file, LargeBinary)).order_by(KeptPicture.id)))


def test_the_face_is_kept_sealed_and_shown_again(parts: Parts) -> None:
    template = put(parts, "ada", 1)
    shown = Image.open(BytesIO(portraits.show(parts, "default", "ada", template)))
    assert shown.format == "JPEG"
    assert np.asarray(shown)[10:-10].max() > 0
    assert [one.picture for one in show_subject(parts, "default", "ada")[1]] == [True]
    (file,) = files(parts)
    assert sealed_under(file) is not None
    assert JPEG not in file


def test_nothing_is_kept_unless_asked_for(tmp_path: Path, database_url: str) -> None:
    with opened(settings(tmp_path, database_url, ONE), FakeEngine()) as parts:
        template = put(parts, "ada", 1)
        assert files(parts) == []
        assert [one.picture for one in show_subject(parts, "default", "ada")[1]] == [False]
        with pytest.raises(PictureNotKept):
            portraits.show(parts, "default", "ada", template)


def test_never_without_a_key(tmp_path: Path, database_url: str) -> None:
    with opened(settings(tmp_path, database_url, None), FakeEngine()) as parts:
        with pytest.raises(NotSealed):
            door.change(parts, "default", {"keep_pictures": True})
        assert door.show_door(parts, "default").rules.keep_pictures is False


def test_they_go_with_subject_template_or_rule(parts: Parts) -> None:
    put(parts, "ada", 1)
    put(parts, "bob", 2)
    receipt = erase(parts, "default", "ada")
    assert receipt.counts["pictures"] == 1
    assert len(files(parts)) == 1
    with parts.database.writing() as session:
        session.execute(delete(Template))
    assert files(parts) == []
    put(parts, "carl", 3)
    door.change(parts, "default", {"reentry_seconds": 5})
    assert len(files(parts)) == 1
    door.change(parts, "default", {"keep_pictures": False})
    assert files(parts) == []


def test_they_come_along_when_two_become_one(parts: Parts) -> None:
    put(parts, "ada", 1)
    template = put(parts, "countess", 1)
    merging.merge(parts, "default", "countess", "ada")
    assert portraits.show(parts, "default", "ada", template).startswith(JPEG)


def test_a_picture_moved_to_somebody_else_is_refused(parts: Parts) -> None:
    put(parts, "ada", 1)
    template = put(parts, "bob", 2)
    first, second = files(parts)
    assert first != second
    with parts.database.writing() as session:
        session.execute(text("UPDATE pictures SET file = (SELECT file FROM pictures WHERE id = 1)"))
    with pytest.raises(SealBroken):
        portraits.show(parts, "default", "bob", template)


def test_a_new_key_takes_them_along(tmp_path: Path, database_url: str) -> None:
    with opened(settings(tmp_path, database_url, ONE), FakeEngine()) as parts:
        door.change(parts, "default", {"keep_pictures": True})
        template = put(parts, "ada", 1)
    with opened(settings(tmp_path, database_url, f"{TWO},{ONE}"), FakeEngine()) as parts:
        assert count_sealed(parts.database).behind == 3
        assert rotate_seals(parts.database) == 2
    with opened(settings(tmp_path, database_url, TWO), FakeEngine()) as parts:
        assert portraits.show(parts, "default", "ada", template).startswith(JPEG)


def test_registered_at_a_kiosk_too(parts: Parts) -> None:
    image = encode(picture(5), "JPEG", quality=95)
    registrations.register(parts, registrations.Registration([image], "Ada"))
    assert len(files(parts)) == 1


@pytest.mark.parametrize("box", [(-50.0, -50.0, 20.0, 20.0), (90.0, 90.0, 300.0, 300.0), (40.0, 40.0, 40.0, 40.0)])
def test_a_box_at_the_edge_of_the_picture(box: tuple[float, float, float, float]) -> None:
    cut = Image.open(BytesIO(portraits.portrait(np.zeros((100, 120, 3), np.uint8), box)))
    assert min(cut.size) >= 1
    assert max(cut.size) <= portraits.SIDE
