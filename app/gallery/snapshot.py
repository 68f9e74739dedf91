"""A gallery in one file, so that a restart reads instead of rebuilding. Rows remain the truth.

The file is a line of JSON, numpy arrays one after another (``numpy.lib.format``, never pickle) and the
sha256 of all before it. It is written beside its final name, flushed to the disk and renamed: after a crash
at any moment the name holds a whole snapshot, the old or the new. Of removed rows only the ids are written:
their vectors and codes are zeros.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError, SealError
from app.gallery.partition import State
from app.gallery.sealed_file import CHUNK, SealedReader, SealedWriter
from app.gallery.segment import Coder, Segment
from app.gallery.tail import Tail
from app.seal import Keyring

_FORMAT: Final = 1
_DIGEST: Final = 32


def fingerprint(templates: NDArray[np.int64], subjects: NDArray[np.int64]) -> int:
    """A number that a set of (template, subject) pairs [n] has whatever their order; sets add up modulo 2^64.

    For holding an index against its rows, not against an adversary (splitmix64's finalizer).
    """
    mixed = _mix(_mix(templates.astype(np.uint64)) + subjects.astype(np.uint64))
    return int(np.add.reduce(mixed, dtype=np.uint64)) if len(mixed) else 0


def save(path: Path, width: int, change: int, states: dict[int, State], seals: Keyring | None = None) -> None:
    """Write ``states`` by collection as the snapshot at ``change``, sealed where there are keys.

    Raises ``GalleryError``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    try:
        with fresh.open("wb") as file:
            sealed = SealedWriter(file, seals) if seals is not None else None
            out = _Hashed(sealed or file)
            sizes = [[collection, len(state.segments)] for collection, state in states.items()]
            head = {"format": _FORMAT, "width": width, "change": change, "faiss": faiss.__version__}
            out.write(json.dumps(head | {"collections": sizes}).encode() + b"\n")
            for state in states.values():
                _write_state(out, state)
            out.write(out.digest())
            if sealed is not None:
                sealed.finish()
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise GalleryError("The snapshot cannot be written") from error


def load(path: Path, width: int, seals: Keyring | None = None) -> tuple[int, dict[int, State]] | None:
    """The change number and states of a snapshot; None where there is none that can be trusted.

    The digest is checked before anything is parsed. Another FAISS may lay out codes differently: not trusted. Nor is
    a plain one where there are keys.
    """
    try:
        with path.open("rb") as found:
            file: BinaryIO = found if seals is None else io.BufferedReader(SealedReader(found, seals), CHUNK)
            if not _is_whole(file):
                return None
            head = json.loads(file.readline())
            if (head["format"], head["width"], head["faiss"]) != (_FORMAT, width, faiss.__version__):
                return None
            return int(head["change"]), {int(c): _read_state(file, segments) for c, segments in head["collections"]}
    except (OSError, ValueError, KeyError, SealError):
        return None


def _is_whole(file: BinaryIO) -> bool:
    left = file.seek(0, os.SEEK_END) - _DIGEST
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (part := file.read(min(left, 1 << 20))):
        digest.update(part)
        left -= len(part)
    whole = file.read() == digest.digest()
    file.seek(0)
    return whole


class _Hashed:
    """A file to write to that knows the digest of what went through it."""

    def __init__(self, file: BinaryIO | SealedWriter) -> None:
        self._file, self._hash = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def digest(self) -> bytes:
        return self._hash.digest()


def _write(out: _Hashed, array: NDArray[Any]) -> None:
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=False)


def _read(file: BinaryIO) -> NDArray[Any]:
    return np.lib.format.read_array(file, allow_pickle=False)


def _write_state(out: _Hashed, state: State) -> None:
    for segment in state.segments:
        dead = segment.died <= state.epoch
        _write(out, segment.templates)
        _write(out, segment.subjects)
        _write(out, dead)
        _write(out, _without(segment.vectors, dead))
        _write(out, segment.coder.rotation)
        _write(out, segment.coder.mean)
        _write(out, np.array(segment.coder.gain))
        _write(out, _packed(segment.codes, np.flatnonzero(dead)))
    alive = np.flatnonzero(state.tail.died[: state.size] > state.epoch)
    _write(out, state.tail.templates[alive])
    _write(out, state.tail.subjects[alive])
    _write(out, state.tail.vectors[alive])


def _read_state(file: BinaryIO, segments: int) -> State:
    sealed = tuple(_read_segment(file) for _ in range(segments))
    templates, subjects, vectors = _read(file), _read(file), _read(file)
    tail = Tail(vectors.shape[1], len(templates))
    tail.write(0, templates, subjects, vectors)
    return State(0, sealed, tail, len(templates))


def _read_segment(file: BinaryIO) -> Segment:
    templates, subjects, dead, vectors = _read(file), _read(file), _read(file), _read(file)
    coder = Coder(_read(file), _read(file), float(_read(file)))
    codes: Any = faiss.deserialize_index(_read(file))
    segment = Segment(vectors, templates, subjects, coder, codes)
    segment.bury(np.flatnonzero(dead), np.zeros(int(dead.sum()), np.int64))
    return segment


def _without(vectors: NDArray[np.float16], dead: NDArray[np.bool_]) -> NDArray[np.float16]:
    if not dead.any():
        return vectors
    kept = vectors.copy()
    kept[dead] = 0
    return kept


def _packed(codes: faiss.IndexPQFastScan, dead: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The quantizer with its codes as bytes, those of dead rows zero."""
    copy: Any = codes
    if len(dead):
        copy = faiss.clone_index(codes)
        packer, nothing = copy.get_CodePacker(), np.zeros(copy.code_size, np.uint8)
        blocks = faiss.rev_swig_ptr(copy.codes.data(), copy.codes.size()).reshape(-1, packer.block_size)
        for row in dead.tolist():
            at = row // packer.nvec
            packer.pack_1(nothing, row % packer.nvec, blocks[at : at + 1])
    return np.asarray(faiss.serialize_index(copy))


def _flush_folder(folder: Path) -> None:
    """Make a rename last: the folder is a file of its own. Windows cannot, and does not need it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed
