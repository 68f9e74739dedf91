"""Bytes to an upright RGB array. Everything is judged from the header before a pixel is decoded.

Pillow's plugin classes are opened directly instead of through ``Image.open``: the format is chosen here
from the first bytes, a JPEG with a gain map stays one picture, and no global limit of Pillow interferes.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from app.errors import AnimatedImage, EmptyImage, ImageTooLarge, ImageTooSmall, NotAnImage, TruncatedImage

ORIENTATION_TAG: Final = 0x0112

UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag 274: the turn that brings each orientation upright."""

HEIF_STILLS: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1"))
HEIF_SEQUENCES: Final = frozenset((b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"))

# What Pillow, its codecs and libheif raise on damaged bytes; they share no class of their own.
DAMAGED: Final = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, RuntimeError)


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a picture may be, in pixels. ``max_pixels`` bounds width times height, ``*_side`` each of them."""

    max_pixels: int = 40_000_000
    max_side: int = 16_384
    min_side: int = 32


def decode(data: bytes, limits: PictureLimits | None = None) -> NDArray[np.uint8]:
    """The picture as RGB uint8 [h, w, 3], turned upright by its EXIF orientation.

    Reads JPEG, PNG, WebP and HEIC. CMYK, grey, 16-bit and palette become RGB; what is transparent is laid
    on white. Raises ``EmptyImage``, ``NotAnImage``, ``AnimatedImage``, ``ImageTooLarge``, ``ImageTooSmall``
    (these from the header alone) and ``TruncatedImage``.
    """
    limits = limits or PictureLimits()
    if not data:
        raise EmptyImage
    plugin = picture_class(data)
    try:
        picture = plugin(BytesIO(data))
    except Image.DecompressionBombError as bomb:
        raise ImageTooLarge(limit=limits.max_pixels) from bomb
    except DAMAGED as damage:
        raise TruncatedImage from damage
    _judge(picture, limits)
    try:
        picture.load()
        turn = UPRIGHT.get(_orientation(picture))
        rgb = _rgb(picture)
        return np.array(rgb.transpose(turn) if turn is not None else rgb, np.uint8)
    except DAMAGED as damage:
        raise TruncatedImage from damage


def picture_class(data: bytes) -> type[ImageFile]:
    """What reads a file, by its first bytes. Raises ``NotAnImage``, ``AnimatedImage``."""
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImageFile
    if data[4:8] == b"ftyp":
        length = min(int.from_bytes(data[:4], "big"), 256)
        major, brands = data[8:12], {data[at : at + 4] for at in (8, *range(16, length, 4))}
        if major in HEIF_SEQUENCES:
            raise AnimatedImage
        if brands & HEIF_STILLS and b"avif" not in brands:
            return HeifImageFile
    raise NotAnImage


def _judge(picture: ImageFile, limits: PictureLimits) -> None:
    # A HEIC file with several stills is an album (bursts, depth maps), not an animation: its primary one counts.
    if not isinstance(picture, HeifImageFile) and getattr(picture, "is_animated", False):
        raise AnimatedImage
    width, height = picture.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise ImageTooLarge(
            f"{width}x{height} pixels; at most {limits.max_pixels} pixels and {limits.max_side} a side",
            width=width,
            height=height,
            limit=limits.max_pixels,
        )
    if min(width, height) < limits.min_side:
        raise ImageTooSmall(
            f"{width}x{height} pixels; at least {limits.min_side} a side",
            width=width,
            height=height,
            limit=limits.min_side,
        )


def _orientation(picture: ImageFile) -> int:
    """1 to 8; a damaged EXIF block says nothing about the pixels, so it counts as upright."""
    if isinstance(picture, HeifImageFile):  # libheif has turned it already
        return 1
    try:
        return int(picture.getexif().get(ORIENTATION_TAG, 1))
    except DAMAGED:
        return 1


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255 instead of scaling.
        grey = np.clip(np.asarray(picture, np.int64) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return picture.convert("RGB")
