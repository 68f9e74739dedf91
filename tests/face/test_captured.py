from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import ExifTags, Image

from app.errors import NotAnImage
from app.face.captured import captured_at


def photograph(kind: str = "JPEG", **tags: str) -> bytes:
    picture, out = Image.new("RGB", (64, 64)), BytesIO()
    exif = picture.getexif()
    exif[ExifTags.Base.Model] = "camera"
    exif.get_ifd(ExifTags.IFD.Exif).update({getattr(ExifTags.Base, name): value for name, value in tags.items()})
    picture.save(out, kind, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_cameras_time_is_read_with_its_offset(kind: str) -> None:
    data = photograph(kind, DateTimeOriginal="2014:06:01 12:30:00", OffsetTimeOriginal="+02:00")
    assert captured_at(data) == datetime(2014, 6, 1, 10, 30, tzinfo=UTC)
    assert captured_at(data).utcoffset() == timedelta(hours=2)  # type: ignore[union-attr]


def test_a_time_without_offset_is_utc() -> None:
    assert captured_at(photograph(DateTimeOriginal="2014:06:01 12:30:00")) == datetime(2014, 6, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("told", ["", "    :  :     :  :  ", "2014-06-01", "0000:00:00 00:00:00"])
def test_what_cannot_be_read_is_not_known(told: str) -> None:
    assert captured_at(photograph(DateTimeOriginal=told)) is None
    assert captured_at(photograph()) is None


def test_no_picture_no_time() -> None:
    with pytest.raises(NotAnImage):
        captured_at(b"hello, this is no picture")
