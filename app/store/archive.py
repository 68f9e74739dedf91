"""The file of an exported collection: a plain tar that is written, read and checked one block at a time.

Members, in this order (docs/export.md is the format for others):

- ``collection.json``: ``Header``.
- ``000001.jsonl``, ``000001.npy`` and so on: a block. The first line says how many subjects and templates it holds,
  the sha256 of the vectors' member and that of the JSON member before (``previous``). Then a line a subject, each
  followed by a line for each of its templates. The vectors are float32 [templates, 2, width], in the order of the
  lines: the raw embedding, then the frontalized one.
- ``end.json``: the counts of all, and ``previous`` again.

So each JSON member vouches for all before it, and a file without its last member is not whole. With keys each member is
sealed for its name; digests are of what is inside.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import numpy as np
from numpy.typing import NDArray

from app.errors import BadArchive, SealError, SealKeyMissing
from app.seal import Keyring, sealed_under

FORMAT: Final = 1
_FIRST: Final = "0" * 64
_MOST: Final = 1 << 30
"""Bytes of one member: a block has some thousand templates."""


@dataclass(frozen=True, slots=True)
class Header:
    """``state`` names the state of the rows that was exported: only the same one is gone on with."""

    format: int
    collection: str
    model_id: str | None
    width: int
    state: str


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """``subjects``: pairs of a subject and its templates, as plain JSON values; ``vectors`` float32 [n, 2, width]."""

    subjects: list[tuple[dict[str, Any], list[dict[str, Any]]]]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Totals:
    subjects: int = 0
    templates: int = 0
    blocks: int = 0
    previous: str = _FIRST

    def after(self, block: Block, digest: str) -> Totals:
        more = sum(len(templates) for _, templates in block.subjects)
        return Totals(self.subjects + len(block.subjects), self.templates + more, self.blocks + 1, digest)


class Writer:
    """Writes ``<path>.part`` and gives it its name when ``finish`` is called.

    A part that an interrupted export of the same ``header`` left is gone on with: ``totals`` and ``last`` (its
    last subject, None at the start) say from where. Anything else that lies there is written over.
    """

    def __init__(self, path: Path, header: Header, seals: Keyring | None = None) -> None:
        self._seals = seals
        self._path, self._part = path, path.with_name(path.name + ".part")
        self.totals = Totals()
        self.last: dict[str, Any] | None = None
        self._file: BinaryIO = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        end = self._whole(header)
        self._file.seek(end)
        self._file.truncate()
        if end == 0:
            self.totals = Totals(previous=self._write("collection.json", _json(asdict(header))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def block(self, block: Block) -> None:
        """Append it; it is on the disk when this returns."""
        vectors = io.BytesIO()
        np.lib.format.write_array(vectors, block.vectors.astype("<f4"), version=(1, 0), allow_pickle=False)
        data = vectors.getvalue()
        count = Totals().after(block, "")
        head = {
            "subjects": count.subjects,
            "templates": count.templates,
            "vectors_sha256": hashlib.sha256(data).hexdigest(),
            "previous": self.totals.previous,
        }
        lines = [_json(head)]
        for subject, templates in block.subjects:
            lines += [_json({"subject": subject}), *(_json({"template": one}) for one in templates)]
        name = f"{self.totals.blocks + 1:06}"
        digest = self._write(f"{name}.jsonl", b"\n".join(lines) + b"\n")
        self._write(f"{name}.npy", data)
        self.totals = self.totals.after(block, digest)
        self._flush()

    def finish(self) -> Totals:
        """The file is whole and has its name."""
        self._write("end.json", _json(asdict(self.totals)))
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._flush()
        self._part.replace(self._path)
        return self.totals

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write(self, name: str, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        if self._seals is not None:
            data = self._seals.seal(data, _place(name))
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        padding = -len(data) % tarfile.BLOCKSIZE
        self._file.write(member.tobuf(tarfile.USTAR_FORMAT) + data + bytes(padding))
        return digest

    def _whole(self, header: Header) -> int:
        """Where the whole blocks of an earlier part of this export end; 0 where there is none."""
        end = 0
        try:
            reader = Reader(self._file, self._seals)
            if reader.header != header:
                return 0
            self.totals, end = reader.totals, reader.end
            for block in reader.blocks():
                self.totals, end = reader.totals, reader.end
                self.last = block.subjects[-1][0]
        except (BadArchive, SealError):  # the end is missing, of course
            pass
        return end


class Reader:
    """Reads a file and holds it against its own digests. Every method raises ``BadArchive``; of a sealed file
    ``SealKeyMissing``, ``SealBroken``."""

    def __init__(self, file: BinaryIO, seals: Keyring | None = None) -> None:
        self._file, self._seals = file, seals
        self._file.seek(0)
        self.end = 0
        data = self._member("collection.json")
        try:
            self.header = Header(**self._parsed(data))
        except TypeError as error:
            raise BadArchive("The file is no exported collection") from error
        if self.header.format != FORMAT:
            raise BadArchive(f"The file has format {self.header.format}, this version reads {FORMAT}")
        self.totals = Totals(previous=hashlib.sha256(data).hexdigest())

    def blocks(self) -> Iterator[Block]:
        """One after another; after the last the counts are held against those of the file."""
        while True:
            name = self._next_name()
            if name == "end.json":
                if self._parsed(self._member(name)) != asdict(self.totals):
                    raise BadArchive("The file's counts or digests do not add up")
                return
            yield self._block()

    def _block(self) -> Block:
        name = f"{self.totals.blocks + 1:06}"
        text, data = self._member(f"{name}.jsonl"), self._member(f"{name}.npy")
        head, *lines = [self._parsed(line) for line in text.splitlines()] or [{}]
        subjects: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        for line in lines:
            if "subject" in line:
                subjects.append((line["subject"], []))
            elif subjects and "template" in line:
                subjects[-1][1].append(line["template"])
            else:
                raise BadArchive(f"Block {name} is not well formed")
        try:
            vectors = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        except ValueError as error:
            raise BadArchive(f"The vectors of block {name} are not well formed") from error
        block = Block(subjects, vectors)
        count = Totals().after(block, "")
        said = (head.get("subjects"), head.get("templates"), head.get("vectors_sha256"), head.get("previous"))
        if said != (count.subjects, count.templates, hashlib.sha256(data).hexdigest(), self.totals.previous):
            raise BadArchive(f"Block {name} is damaged")
        if vectors.dtype != "<f4" or vectors.shape != (count.templates, 2, self.header.width):
            raise BadArchive(f"The vectors of block {name} have another shape")
        self.totals = self.totals.after(block, hashlib.sha256(text).hexdigest())
        return block

    def _next_name(self) -> str:
        start = self._file.tell()
        name = self._head().name
        self._file.seek(start)
        return name

    def _head(self) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(self._file.read(tarfile.BLOCKSIZE), "utf-8", "strict")
        except tarfile.HeaderError as error:
            raise BadArchive("The file ends early or is damaged") from error

    def _member(self, name: str) -> bytes:
        head = self._head()
        if head.name != name or not head.isreg() or not 0 <= head.size <= _MOST:
            raise BadArchive(f"{name} should come next in the file")
        data = self._file.read(head.size)
        padding = -head.size % tarfile.BLOCKSIZE
        if len(data) != head.size or self._file.read(padding) != bytes(padding):
            raise BadArchive("The file ends early or is damaged")
        self.end = self._file.tell()
        return self._opened(name, data)

    def _opened(self, name: str, data: bytes) -> bytes:
        if self._seals is not None and sealed_under(data) is None:
            raise BadArchive("The file is not sealed: read it without a key")
        if self._seals is None:
            if sealed_under(data) is not None:
                raise SealKeyMissing("The file is sealed: --key-file names the key that it was written with")
            return data
        return self._seals.open(data, _place(name))[0]

    @staticmethod
    def _parsed(data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadArchive("A line of the file is not JSON") from error
        if not isinstance(found, dict):
            raise BadArchive("A line of the file is no object")
        return found


def _place(name: str) -> str:
    return f"archive.{name}"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
