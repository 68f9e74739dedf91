"""A file of ready embeddings, read some thousand rows at a time however large it is.

Either ``.npy`` [n, width] with a text file beside it, a subject id a line; or ``.npz`` with the members
``embeddings`` [n, width] and ``subjects`` [n] (strings). float16, float32 or float64, rows in C order.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.errors import BadEmbeddings

MAX_WIDTH: Final = 16_384
"""Numbers of a row, and characters of an id: a small packed file may claim billions, and would unpack to them."""
MAX_ID: Final = 1_024

_HEADERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """``subjects`` [n], as they stand there, and ``vectors`` float32 [n, width] of unit length; ``first``: how many
    rows come before."""

    first: int
    subjects: list[str]
    vectors: NDArray[np.float32]


class EmbeddingFile:
    """Every method raises ``BadEmbeddings``, which names the row."""

    def __init__(self, path: Path, subjects: Path | None = None) -> None:
        """``subjects``: the text file, for ``.npy`` only."""
        self._path, self._subjects = path, subjects
        if (path.suffix == ".npz") is not (subjects is None):
            raise BadEmbeddings("A .npy file needs a file of subject ids, an .npz file has them inside")
        with ExitStack() as stack:
            self.rows, self.width = _shape(self._open(stack, "embeddings"))[:2]

    def batches(self, size: int) -> Iterator[Rows]:
        """All rows in their order, ``size`` at a time."""
        with ExitStack() as stack:
            stream = self._open(stack, "embeddings")
            rows, width, kind = _shape(stream)
            names = self._names(stack, rows, size)
            for first in range(0, rows, size):
                number = min(size, rows - first)
                own = list(islice(names, number))
                if len(own) < number:
                    raise BadEmbeddings(f"{rows} embeddings, but {first + len(own)} subject ids")
                yield Rows(first, own, _unit(_read(stream, number, kind, (number, width)), first))
            if next(names, None) is not None:
                raise BadEmbeddings(f"{rows} embeddings, but more subject ids")

    def _open(self, stack: ExitStack, member: str) -> IO[bytes]:
        try:
            if self._subjects is not None:
                return stack.enter_context(self._path.open("rb"))
            return stack.enter_context(stack.enter_context(zipfile.ZipFile(self._path)).open(f"{member}.npy"))
        except (zipfile.BadZipFile, KeyError, NotImplementedError) as error:
            raise BadEmbeddings(f"The file is no .npz with the member {member!r}") from error

    def _names(self, stack: ExitStack, rows: int, size: int) -> Iterator[str]:
        if self._subjects is not None:
            lines = stack.enter_context(self._subjects.open(encoding="utf-8", errors="replace"))
            return (line.rstrip("\r\n") for line in lines)
        stream = self._open(stack, "subjects")
        shape, _, kind = _header(stream)
        if len(shape) != 1 or kind.kind != "U" or kind.itemsize > 4 * MAX_ID:
            raise BadEmbeddings(f"The member 'subjects' is no array of strings [n] of at most {MAX_ID} characters")
        counts = (min(size, shape[0] - first) for first in range(0, shape[0], size))
        return (str(name) for count in counts for name in _read(stream, count, kind, (count,)))


def _shape(stream: IO[bytes]) -> tuple[int, int, np.dtype[Any]]:
    shape, by_column, kind = _header(stream)
    if len(shape) != 2 or by_column or kind.kind != "f" or kind.itemsize > 8 or not 0 < shape[1] <= MAX_WIDTH:
        raise BadEmbeddings(
            f"The embeddings are no array [n, width {MAX_WIDTH} at most] of float16, float32 or float64 in C order"
        )
    return shape[0], shape[1], kind


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        shape, by_column, kind = _HEADERS[np.lib.format.read_magic(stream)](stream)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadEmbeddings("The file is not in NumPy's format, version 1 or 2") from error
    return shape, by_column, kind


def _read(stream: IO[bytes], number: int, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    size = kind.itemsize * int(np.prod(shape))
    try:
        data = stream.read(size)
    except (zipfile.BadZipFile, EOFError) as error:
        raise BadEmbeddings("The file is damaged") from error
    if len(data) != size:
        raise BadEmbeddings("The file ends early")
    return np.frombuffer(data, kind).reshape(shape)


def _unit(vectors: NDArray[Any], first: int) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(wrong):
        raise BadEmbeddings(f"Row {first + int(wrong[0]) + 1}: the embedding has no direction")
    return (vectors / lengths).astype(np.float32)
