from __future__ import annotations

import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BadEmbeddings
from app.store.embedding_file import EmbeddingFile

RNG = np.random.default_rng(0)


def npy(folder: Path, vectors: Any, names: list[str]) -> EmbeddingFile:
    np.save(folder / "a.npy", vectors)
    (folder / "ids.txt").write_text("".join(f"{name}\n" for name in names))
    return EmbeddingFile(folder / "a.npy", folder / "ids.txt")


def npz(folder: Path, vectors: Any, names: list[str], save: Callable[..., None] = np.savez) -> EmbeddingFile:
    save(folder / "a.npz", embeddings=vectors, subjects=np.array(names, "U8"))
    return EmbeddingFile(folder / "a.npz")


def compressed(folder: Path, vectors: Any, names: list[str]) -> EmbeddingFile:
    return npz(folder, vectors, names, np.savez_compressed)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(0, 9),
    size=st.integers(1, 10),
    kind=st.sampled_from(["<f2", "<f4", ">f4", "<f8"]),
    make=st.sampled_from([npy, npz, compressed]),
)
def test_rows_come_back_as_unit_vectors_in_their_order(rows: int, size: int, kind: str, make: Any) -> None:
    vectors = RNG.normal(size=(rows, 3)).astype(kind)
    names = [f"id-{row}" for row in range(rows)]
    with tempfile.TemporaryDirectory() as name:
        found = make(Path(name), vectors, names)
        parts = list(found.batches(size))
    assert (found.rows, found.width) == (rows, 3)
    assert [one for part in parts for one in part.subjects] == names
    assert [part.first for part in parts] == list(range(0, rows, size))
    for part in parts:
        own = vectors[part.first : part.first + size].astype(np.float64)
        assert part.vectors.dtype == np.float32
        assert np.allclose(part.vectors, own / np.linalg.norm(own, axis=1, keepdims=True), atol=1e-6)


GOOD = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    ("vectors", "names", "reason"),
    [
        (GOOD, "abc", "4 embeddings, but 3 subject ids"),
        (GOOD, "abcde", "more subject ids"),
        (GOOD * [[1], [1], [0], [1]], "abcd", "Row 3: the embedding has no direction"),
        (GOOD * [[1], [np.nan], [1], [1]], "abcd", "Row 2"),
        (GOOD.astype(np.int64), "abcd", "no array"),
        (GOOD[0], "abcd", "no array"),
        (np.asfortranarray(GOOD), "abcd", "no array"),
        (np.array([["a"]], object), "a", "no array"),
    ],
)
@pytest.mark.parametrize("make", [npy, npz])
def test_what_cannot_be_enrolled_is_named(make: Any, vectors: Any, names: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadEmbeddings, match=reason):
        list(make(tmp_path, vectors, list(names)).batches(2))


def test_files_that_are_none(tmp_path: Path) -> None:
    found = npy(tmp_path, GOOD, list("abcd"))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-1])
    with pytest.raises(BadEmbeddings, match="ends early"):
        list(found.batches(3))
    (tmp_path / "a.npy").write_bytes(b"hello")
    with pytest.raises(BadEmbeddings, match="NumPy"):
        EmbeddingFile(tmp_path / "a.npy", tmp_path / "ids.txt")
    (tmp_path / "a.npz").write_bytes(whole)
    with pytest.raises(BadEmbeddings, match=r"no \.npz"):
        EmbeddingFile(tmp_path / "a.npz")
    with pytest.raises(BadEmbeddings, match="has them inside"):
        EmbeddingFile(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", embeddings=GOOD)
    with pytest.raises(BadEmbeddings, match="'subjects'"):
        list(EmbeddingFile(tmp_path / "b.npz").batches(2))


def test_a_damaged_npz_is_refused(tmp_path: Path) -> None:
    found = npz(tmp_path, RNG.normal(size=(100, 3)), ["a"] * 100)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[400] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(BadEmbeddings):
        list(found.batches(1000))


def header(shape: tuple[int, ...], kind: str) -> bytes:
    """What begins an array of that shape in NumPy's format, whatever follows."""
    file = BytesIO()
    told = {"shape": shape, "fortran_order": False, "descr": kind}
    np.lib.format.write_array_header_1_0(file, told)
    return file.getvalue()


@pytest.mark.parametrize(
    ("embeddings", "subjects"),
    [(((1, 1 << 27), "<f8"), ((1,), "<U8")), (((1, 4), "<f4"), ((1,), f"<U{1 << 27}"))],
    ids=["a row of a gigabyte", "an id of half a gigabyte"],
)
def test_a_packed_file_that_unpacks_to_gigabytes_costs_no_memory(
    embeddings: tuple[tuple[int, ...], str], subjects: tuple[tuple[int, ...], str], tmp_path: Path
) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, told in (("embeddings", embeddings), ("subjects", subjects)):
            with packed.open(f"{name}.npy", "w") as member:
                member.write(header(*told))
                for _ in range(64):
                    member.write(b"\1" * (1 << 20))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(BadEmbeddings, match="at most"):
        list(EmbeddingFile(path).batches(1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
