"""What cross-age training learns from: E's maps of faces whose age, or whose person, or both are known.

UTKFace and All-Age-Faces tell ages and no people; LAG and the celebrity sets tell people, and of LAG which picture
is the young one. Every picture belongs to one part, by a hash of its path that no run can change: training,
calibration, or the test. Of LAG the 300 people of ``data/lag_test_people.txt`` are the test; the others whom E was
not to see because LFW or CFP have them are for calibration alone: they choose, and teach nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from training.data.leaks import crop_paths, lag_test_people
from training.data.readers import READERS, Row, lag_is_young
from training.maps import MapOf, cached_maps

Part = Literal["train", "calibrate", "test"]

AGED: Final = ("utkface", "all_age_faces")
PEOPLED: Final = ("lag", "celeba_wild", "pins105", "vggface2_69")

A_PERSON: Final = 20
"""At most so many pictures of a person of the celebrity sets: 62 people have 350 each."""

OLDEST: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One set. ``maps`` float16 [n, channels, h, w]; ``age`` float32 [n] in years, NaN where unknown; ``young``
    bool [n] by LAG's word; ``people`` None or unique over all sets; ``parts`` a part a picture."""

    name: str
    rows: NDArray[np.int64]
    paths: tuple[str, ...]
    maps: NDArray[np.float16]
    age: NDArray[np.float32]
    group: tuple[str | None, ...]
    people: tuple[str | None, ...]
    young: NDArray[np.bool_]
    parts: NDArray[np.str_]

    def where(self, part: Part) -> NDArray[np.int64]:
        """Places in this set of the pictures of one part."""
        return np.flatnonzero(self.parts == part)


@dataclass(frozen=True, slots=True)
class Folders:
    """``crops`` and ``left_out`` as ``training.data.prepare`` and ``training.data.leaks`` wrote them; ``cache`` ours.

    ``share`` 0-1 of the pictures with ages are used, chosen by hash, for a machine that has little time.
    """

    data: Path
    crops: Path
    left_out: Path
    cache: Path
    extractor: str
    maps: Callable[[], MapOf]
    share: float = 1.0


def drawn(path: str, salt: str) -> float:
    """A number 0-1 that depends on the path alone."""
    return int.from_bytes(hashlib.sha256(f"{salt}/{path}".encode()).digest()[:6]) / 2**48


def part_of(path: str) -> Part:
    """80 % training, 10 % calibration, 10 % test."""
    place = drawn(path, "part")
    return "train" if place < 0.8 else "calibrate" if place < 0.9 else "test"


def load(name: str, folders: Folders) -> Faces:
    """One set's usable pictures with their maps."""
    parse = READERS[name].open(folders.data / name)
    rows = [(i, parse(path) or Row(path)) for i, path in enumerate(crop_paths(folders.crops, name))]
    gone = frozenset((folders.left_out / f"{name}.txt").read_text(encoding="utf-8").splitlines())
    kept = list(_chosen(name, rows, gone, folders.share))
    index = np.array([i for i, _ in kept], np.int64)
    maps = cached_maps(folders.crops / f"{name}.npy", folders.cache, folders.extractor, folders.maps, index)
    paths = tuple(row.path for _, row in kept)
    known = [np.nan if row.age is None else float(row.age) for _, row in kept]
    return Faces(
        name,
        index,
        paths,
        maps,
        np.array(known, np.float32),
        tuple(row.group for _, row in kept),
        tuple(None if row.identity is None else f"{name}/{row.identity}" for _, row in kept),
        np.array([name == "lag" and lag_is_young(path) for path in paths], np.bool_),
        np.array([_part(name, row, gone, lag_test_people()) for _, row in kept]),
    )


def _part(name: str, row: Row, gone: frozenset[str], held: frozenset[str]) -> Part:
    if name == "lag":
        return "test" if row.identity in held else "calibrate" if row.path in gone else "train"
    return part_of(row.path) if name in AGED else "train"


def _chosen(
    name: str, rows: Sequence[tuple[int, Row]], gone: frozenset[str], share: float
) -> Iterator[tuple[int, Row]]:
    taken: dict[str | None, int] = {}
    for i, row in sorted(rows, key=lambda one: drawn(one[1].path, "order")):
        if name in AGED:
            usable = row.path not in gone and row.age is not None and row.age <= OLDEST
            if usable and drawn(row.path, "share") < share:
                yield i, row
        elif name == "lag":
            yield i, row
        elif row.path not in gone and taken.get(row.identity, 0) < A_PERSON:
            taken[row.identity] = taken.get(row.identity, 0) + 1
            yield i, row
