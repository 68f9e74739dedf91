"""Crop files of several data sets as one array, with identity and pose.

Rows are addressed by one global index. Identities are integers over all sets, -1 where unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNNAMED = frozenset({"utkface", "all_age_faces", "muxspace"})
"""Sets whose pictures carry no usable identity: they serve distillation only."""


@dataclass(frozen=True, slots=True, eq=False)
class CropStore:
    """``crops[s]`` uint8 [n_s, side, side, 3] memory maps; all other arrays run over every kept row."""

    crops: tuple[NDArray[np.uint8], ...]
    part: NDArray[np.int32]
    row: NDArray[np.int64]
    identity: NDArray[np.int64]
    yaw: NDArray[np.float32]
    pitch: NDArray[np.float32]
    roll: NDArray[np.float32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self.crops[self.part[index]][self.row[index]]

    @property
    def identities(self) -> int:
        """How many known people there are."""
        return int(self.identity.max(initial=-1)) + 1

    def gather(self, arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
        """One array over all kept rows from one array a set (cached embeddings, say)."""
        return np.concatenate([array[self.row[self.part == s]] for s, array in enumerate(arrays)])


def open_store(folder: Path, names: Sequence[str], leave_out: Mapping[str, Collection[str]] | None = None) -> CropStore:
    """Open ``folder/<name>.npy`` and ``.tsv`` for each name; rows whose path is in ``leave_out[name]`` are dropped."""
    crops, parts, rows, people, angles = [], [], [], [], []
    known: dict[str, int] = {}
    for s, name in enumerate(names):
        crops.append(np.load(folder / f"{name}.npy", mmap_mode="r"))
        dropped = frozenset((leave_out or {}).get(name, ()))
        named = _people(folder / f"{name}.people.tsv")
        for r, line in enumerate((folder / f"{name}.tsv").read_text(encoding="utf-8").splitlines()):
            path, yaw, pitch, roll = line.split("\t")
            if path in dropped:
                continue
            person = f"{name}/{named[path]}" if path in named else identity(name, path)
            people.append(-1 if person is None else known.setdefault(person, len(known)))
            parts.append(s)
            rows.append(r)
            angles.append((float(yaw), float(pitch), float(roll)))
    yaw_, pitch_, roll_ = np.array(angles, np.float32).T
    return CropStore(
        tuple(crops),
        np.array(parts, np.int32),
        np.array(rows, np.int64),
        np.array(people, np.int64),
        yaw_,
        pitch_,
        roll_,
        tuple(names),
    )


def _people(table: Path) -> dict[str, str]:
    """Path to person, for flat sets that keep identities in a table of their own."""
    if not table.exists():
        return {}
    return dict(line.split("\t") for line in table.read_text(encoding="utf-8").splitlines())


def identity(name: str, path: str) -> str | None:
    """Who is on a picture, as far as its set and path tell: a name that is unique over the sets, or nothing.

    A picture of a flat set has no folder, and so no identity, unless ``<set>.people.tsv`` names it.
    """
    if name in UNNAMED:
        return None
    folders = [f for f in Path(path).parts[:-1] if f not in {"train", "val", "test", "y", "frontal", "profile"}]
    return f"{name}/{folders[-1]}" if folders else None
