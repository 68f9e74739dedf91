"""A gallery in its own space, and its snapshot sealed: the answers are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import SealBroken, SealKeyMissing
from app.gallery.faiss import FaissGallery
from app.gallery.sealed_file import CHUNK, SealedReader, SealedWriter
from app.gallery.turns import Turns, rotation
from app.seal import Keyring

RING, OTHER = Keyring([b"a" * 32]), Keyring([b"b" * 32])
WIDTH = 24


def unit(count: int, width: int = WIDTH, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(2, 64), st.binary(min_size=32, max_size=32))
@settings(max_examples=20)
def test_a_rotation_keeps_every_cosine(width: int, seed: bytes) -> None:
    matrix = rotation(width, seed)
    assert np.allclose(matrix @ matrix.T, np.eye(width), atol=1e-5)
    vectors = unit(20, width)
    turned = vectors @ matrix
    assert np.allclose(turned @ turned.T, vectors @ vectors.T, atol=1e-5)


def test_two_collections_cannot_be_laid_side_by_side() -> None:
    turns, vectors = Turns(128, b"seed"), unit(200, 128)
    one, two = turns.turn(1, vectors), turns.turn(2, vectors)
    assert np.array_equal(one, turns.turn(1, vectors))
    same = np.abs((one * two).sum(axis=1))
    strangers = np.abs((one * np.roll(two, 1, axis=0)).sum(axis=1))
    # A person's own two vectors are as far apart as those of strangers: both like random directions.
    assert abs(same.mean() - strangers.mean()) < 0.02
    assert same.max() < 0.5


def test_the_answers_are_those_of_a_plain_gallery() -> None:
    vectors, ids = unit(500), np.arange(500, dtype=np.int64)
    plain, sealed = FaissGallery(WIDTH), FaissGallery(WIDTH, seals=RING)
    for gallery in (plain, sealed):
        gallery.add(7, ids, ids // 5, vectors)
    queries = unit(20, seed=1)
    for one, two in zip(plain.search(7, queries, 5), sealed.search(7, queries, 5), strict=True):
        assert [hit.subject for hit in one] == [hit.subject for hit in two]
        assert np.allclose([hit.score for hit in one], [hit.score for hit in two], atol=2e-3)
    plain.close()
    sealed.close()


def test_a_sealed_snapshot_opens_with_its_key_only(tmp_path: Path) -> None:
    path, vectors, ids = tmp_path / "a.snapshot", unit(300), np.arange(300, dtype=np.int64)
    gallery = FaissGallery(WIDTH, seals=RING)
    gallery.add(7, ids, ids, vectors)
    gallery.save(path, 3)
    gallery.close()
    whole = path.read_bytes()
    halves = vectors.astype(np.float16)
    assert not any(row.tobytes() in whole for row in (*vectors[:50], *halves[:50]))
    for keys, change in ((RING, 3), (Keyring([b"c" * 32, b"a" * 32]), 3), (OTHER, None), (None, None)):
        again = FaissGallery(WIDTH, seals=keys)
        assert again.restore(path) == change
        again.close()
    for at in (len(whole) // 2, len(whole) - 1, 30):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        again = FaissGallery(WIDTH, seals=RING)
        assert again.restore(path) is None
        again.close()


def test_a_plain_snapshot_is_not_trusted_where_there_are_keys(tmp_path: Path) -> None:
    path, ids = tmp_path / "a.snapshot", np.arange(10, dtype=np.int64)
    gallery, sealed = FaissGallery(WIDTH), FaissGallery(WIDTH, seals=RING)
    gallery.add(7, ids, ids, unit(10))
    gallery.save(path, 3)
    assert sealed.restore(path) is None
    gallery.close()
    sealed.close()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17])
def test_sealed_files_of_every_length(tmp_path: Path, size: int) -> None:
    path, data = tmp_path / "sealed", np.random.default_rng(size).bytes(size)
    with path.open("wb") as file:
        writer = SealedWriter(file, RING)
        for at in range(0, size, 700_001):
            writer.write(data[at : at + 700_001])
        writer.finish()
    with path.open("rb") as file:
        reader = SealedReader(file, RING)
        assert reader.read() == data
        for at in {0, size // 2, max(0, size - 3)}:
            reader.seek(at)
            assert reader.read(10) == data[at : at + 10][: max(0, CHUNK - at % CHUNK)]
    with path.open("rb") as file, pytest.raises(SealKeyMissing):
        SealedReader(file, OTHER)


def test_chunks_cannot_be_left_out_moved_or_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "sealed"
    with path.open("wb") as file:
        writer = SealedWriter(file, RING)
        writer.write(b"x" * (3 * CHUNK))
        writer.finish()
    whole, head, step = path.read_bytes(), 64, CHUNK + 16
    first, second, third = (whole[head + n * step : head + (n + 1) * step] for n in range(3))
    for wrong in ([first, second], [first, third], [second, first, third], [first, third, second], []):
        path.write_bytes(whole[:head] + b"".join(wrong))
        with path.open("rb") as file, pytest.raises(SealBroken):
            SealedReader(file, RING).read()
