"""A gallery that is killed at random moments, and its rows: ``python -m tests.gallery.crash --points 500``.

A child changes rows and gallery and writes snapshots, all the time. It is killed (SIGKILL) at a random
moment. Then the gallery is restored from what lies on the disk and followed up from the rows: it must hold
what the rows hold, no more and no less, and every change that was acknowledged.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import signal
import struct
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.gallery.faiss import FaissGallery
from app.gallery.tail import as_stored
from app.gallery.tiers import Tiers
from tests.gallery.model import PlainGallery, random_units

WIDTH = 8
TIERS = Tiers(exact_below=32, seal_at=32, largest=512, most_segments=6)
ROW = struct.Struct("<qqq")  # template, subject (0: removed), seed of the vectors; one row a change
NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One row of the file: templates that went, then templates that came."""

    number: int
    removed: NDArray[np.int64]
    templates: NDArray[np.int64]
    subjects: NDArray[np.int64]
    vectors: NDArray[np.float32]


def catch_up(gallery: FaissGallery | PlainGallery, changes: Iterable[Change], applied: int) -> int:
    """Apply the changes behind ``applied`` and answer the last number."""
    for change in changes:
        if change.number > applied:
            gallery.remove(1, change.removed)
            gallery.add(1, change.templates, change.subjects, change.vectors)
            applied = change.number
    return applied


def changes(rows: bytes) -> Iterator[Change]:
    """The rows as changes of eight templates each; half a row at the end was never committed."""
    for number, (first, subject, seed) in enumerate(ROW.iter_unpack(rows[: len(rows) // ROW.size * ROW.size]), 1):
        ids = np.arange(first, first + 8)
        if subject:
            vectors = as_stored(random_units(seed, 8, WIDTH))
            yield Change(number, NONE, ids, np.full(8, subject), vectors)
        else:
            yield Change(number, ids, NONE, NONE, np.zeros((0, WIDTH), np.float32))


def restored(folder: Path, rows: bytes) -> tuple[FaissGallery, int]:
    gallery = FaissGallery(WIDTH, TIERS)
    applied = gallery.restore(folder / "gallery.snapshot") or 0
    return gallery, catch_up(gallery, changes(rows), applied)


def live(folder: Path, seed: int, acknowledged: int) -> None:
    """Change, commit, index, acknowledge, for ever; a second thread writes snapshots."""
    rng = random.Random(seed)
    path = folder / "rows"
    rows = path.read_bytes()
    gallery, applied = restored(folder, rows)
    done = [applied]

    def keep() -> None:
        try:
            while True:
                gallery.save(folder / "gallery.snapshot", done[0])
        finally:
            os._exit(1)  # the parent finds the pipe closed

    threading.Thread(target=keep, daemon=True).start()
    with path.open("r+b", buffering=0) as file:
        file.truncate(len(rows) // ROW.size * ROW.size)
        file.seek(0, os.SEEK_END)
        while True:
            row = ROW.pack(rng.randrange(60) * 8, rng.choice((0, 1, 2, 3)), rng.randrange(1 << 30))
            file.write(row)
            os.fsync(file.fileno())
            change = next(changes(row))
            if len(change.removed):
                gallery.remove(1, change.removed)
            else:
                gallery.add(1, change.templates, change.subjects, change.vectors)
            done[0] += 1
            os.write(acknowledged, struct.pack("<q", done[0]))


def kill_once(folder: Path, rng: random.Random) -> int:
    """Let a child live for a random number of changes and a moment; answer the last change it acknowledged."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        live(folder, rng.randrange(1 << 30), tell)
    os.close(tell)
    last = 0
    for _ in range(rng.randrange(1, 40)):
        last = struct.unpack("<q", os.read(told, 8))[0]
    select.select([], [], [], rng.random() * 0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while rest := os.read(told, 8):
        last = struct.unpack("<q", rest)[0]
    os.close(told)
    return last


def check(folder: Path, acknowledged: int) -> None:
    """Raises ``AssertionError`` where the gallery and the rows disagree."""
    rows = (folder / "rows").read_bytes()
    model = PlainGallery()
    assert catch_up(model, changes(rows), 0) >= acknowledged, "an acknowledged change is lost"
    gallery, _ = restored(folder, rows)
    probes = as_stored(random_units(1, 5, WIDTH))
    assert gallery.count(1) == model.count(1)
    assert gallery.search(1, probes, 100) == model.search(1, probes, 100)
    held = {hit.template for hit in gallery.search(1, probes, 1)[0]}
    assert held <= set(model.rows.get(1, {}))
    templates, subjects = gallery._partitions[1].ids() if gallery.count(1) else (NONE, NONE)
    assert dict(zip(templates.tolist(), subjects.tolist(), strict=True)) == {
        template: subject for template, (subject, _) in model.rows.get(1, {}).items()
    }
    gallery.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows").touch()
        used = 0
        for _ in range(arguments.points):
            check(folder, kill_once(folder, rng))
            used += FaissGallery(WIDTH, TIERS).restore(folder / "gallery.snapshot") is not None
    assert used > arguments.points // 2, f"only {used} of {arguments.points} kills left a snapshot to test"
    print(f"{arguments.points} kills, {used} of them beside a snapshot: nothing lost, nothing back")


if __name__ == "__main__":
    main()
