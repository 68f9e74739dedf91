from __future__ import annotations

import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from app.errors import (
    AnimatedImage,
    EmptyImage,
    ImageTooLarge,
    ImageTooSmall,
    NotAnImage,
    PictureError,
    TruncatedImage,
)
from app.face.decode import ORIENTATION_TAG, PictureLimits, decode


def gradient(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards, blue marks the top left corner."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)[None, :]
    picture[..., 1] = np.linspace(0, 255, height)[:, None]
    picture[: height // 4, : width // 4, 2] = 255
    return picture


def encoded(picture: Image.Image | NDArray[np.uint8], kind: str, **options: object) -> bytes:
    out = BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(out, kind, **options)
    return out.getvalue()


def heic(picture: NDArray[np.uint8]) -> bytes:
    out = BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(out, quality=95)
    return out.getvalue()


def close(a: NDArray[np.uint8], b: NDArray[np.uint8], mean: float = 4) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(int) - b).mean()) <= mean


@pytest.mark.parametrize(
    "data",
    [
        encoded(gradient(), "JPEG", quality=95, subsampling=0),
        encoded(gradient(), "PNG"),
        encoded(gradient(), "WEBP", quality=95),
        heic(gradient()),
    ],
    ids=["jpeg", "png", "webp", "heic"],
)
def test_every_format_gives_the_same_upright_rgb(data: bytes) -> None:
    picture = decode(data)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert close(picture, gradient())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    stored = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation](gradient())
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = encoded(np.ascontiguousarray(stored), kind, exif=exif.tobytes(), **options)
    assert close(decode(data), gradient())


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
def test_broken_exif_does_not_cost_the_picture() -> None:
    data = encoded(gradient(), "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert close(decode(data), gradient())


def test_cmyk_jpeg() -> None:
    data = encoded(Image.fromarray(gradient()).convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert close(decode(data), gradient(), mean=6)


def test_grey_becomes_three_equal_channels() -> None:
    grey = gradient()[..., 0]
    picture = decode(encoded(Image.fromarray(grey), "PNG"))
    assert (picture == grey[..., None]).all()


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    deep = (gradient()[..., 0].astype(np.uint16) << 8) + 77
    picture = decode(encoded(Image.fromarray(deep), "PNG"))
    assert (picture == gradient()[..., :1]).all()


def test_sixteen_bit_colour() -> None:
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in gradient())
    assert close(decode(png(64, 48, rows, depth=16)), gradient(), mean=1)


def test_palette_with_alpha_lies_on_white() -> None:
    palette = Image.fromarray(gradient()).quantize(16)
    corner = palette.getpixel((0, 0))
    picture = decode(encoded(palette, "PNG", transparency=corner))
    assert (picture[0, 0] == 255).all()
    assert picture[-1, -1].sum() < 3 * 255


def test_alpha_lies_on_white() -> None:
    layer = np.dstack([gradient(), np.zeros((48, 64), np.uint8)])
    assert (decode(encoded(layer, "PNG")) == 255).all()


def test_nothing_is_not_a_picture() -> None:
    with pytest.raises(EmptyImage):
        decode(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"hello, I am no picture",
        b"%PDF-1.7 ...",
        encoded(gradient(), "GIF"),
        encoded(gradient(), "BMP"),
        encoded(gradient(), "TIFF"),
        b"\0\0\0\x18ftypisom\0\0\0\0isomavc1",
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
    ],
    ids=["text", "pdf", "gif", "bmp", "tiff", "mp4", "avif"],
)
def test_other_kinds_are_refused(data: bytes) -> None:
    with pytest.raises(NotAnImage):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.8])
def test_truncated(kind: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    data = heic(noise) if kind == "HEIC" else encoded(noise, kind)
    with pytest.raises(TruncatedImage):
        decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animated_is_refused(kind: str) -> None:
    frames = [Image.fromarray(np.roll(gradient(), shift, 1)) for shift in (0, 9, 18)]
    with pytest.raises(AnimatedImage):
        decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50))


def test_jpeg_with_a_second_picture_is_still_a_photograph() -> None:
    """Phones append gain maps this way (MPO); it must not count as animated."""
    second = Image.fromarray(gradient()[:, ::-1])
    data = encoded(gradient(), "MPO", save_all=True, append_images=[second])
    assert decode(data).shape == (48, 64, 3)


def test_hundred_megapixels_in_a_megabyte_cost_no_memory() -> None:
    row = b"\0" + bytes(10_000 * 3)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(10_000)) + packer.flush()
    data = png(10_000, 10_000, body, packed=True)
    assert len(data) < 1 << 20
    tracemalloc.start()
    with pytest.raises(ImageTooLarge) as refusal:
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    assert refusal.value.extra["width"] == 10_000


def test_sides_are_limited() -> None:
    data = encoded(gradient(300, 40), "PNG")
    with pytest.raises(ImageTooLarge):
        decode(data, PictureLimits(max_side=299))
    assert decode(data, PictureLimits(max_side=300)).shape == (40, 300, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_ten_pixels_are_too_few(kind: str) -> None:
    with pytest.raises(ImageTooSmall):
        decode(encoded(gradient(10, 10), kind))


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]))
def test_no_bytes_escape_the_tree_of_errors(data: bytes, magic: bytes) -> None:
    with pytest.raises(PictureError):
        decode(magic + data)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP"]), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4)
)
def test_damaged_files_decode_or_are_refused(kind: str, damage: list[tuple[float, int]]) -> None:
    data = bytearray(encoded(gradient(), kind))
    for where, value in damage:
        data[int(where * len(data))] = value
    try:
        picture = decode(bytes(data))
    except PictureError:
        return
    assert picture.ndim == 3


def png(width: int, height: int, rows: bytes, depth: int = 8, packed: bool = False) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    body = rows if packed else zlib.compress(rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
