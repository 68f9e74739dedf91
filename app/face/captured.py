"""When a picture was taken, as its camera wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Final

from PIL import ExifTags

from app.face.decode import DAMAGED, picture_class

_FORMAT: Final = "%Y:%m:%d %H:%M:%S"


def captured_at(data: bytes) -> datetime | None:
    """EXIF's time of capture, aware; None where there is none or it cannot be read.

    A time without an offset is taken for UTC: for templates that are years old half a day does not matter. The
    pixels are not decoded. Raises ``EmptyImage``, ``NotAnImage``, ``AnimatedImage`` as ``decode`` does.
    """
    try:
        block = picture_class(data)(BytesIO(data)).getexif().get_ifd(ExifTags.IFD.Exif)
        taken = datetime.strptime(str(block[ExifTags.Base.DateTimeOriginal]).strip("\0 "), _FORMAT)
        offset = str(block.get(ExifTags.Base.OffsetTimeOriginal, "")).strip("\0 ")
        zone = datetime.strptime(offset, "%z").tzinfo if offset else UTC
    except DAMAGED:
        return None
    return taken.replace(tzinfo=zone)
