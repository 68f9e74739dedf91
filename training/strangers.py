"""People whom no training saw: those left out because a test set has them, on other pictures than the test's.

What is chosen or calibrated after training is chosen on them. Their sets hold mistakes, a person under two names or a
picture of somebody else in a folder, and a single such pair counts for much where one comparison in a million may pass:
``told_apart`` takes them out by a teacher's view.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import track
from torch import nn

from training.branch import pixels
from training.data.augment import PLAIN, augment
from training.data.leaks import SAME_PERSON
from training.data.store import CropStore, open_store
from training.embeddings import unit
from training.frontalization import Features

NAMED: Final = ("pins105", "vggface2_69", "lag")
"""Sets whose people have names."""

NOT_THE_SAME: Final = 0.4
"""Two people whose mean embeddings by the teacher are less alike than this are surely two."""


def embed_store(network: nn.Module, store: CropStore, batch: int = 64) -> NDArray[np.float32]:
    """Unit embeddings [rows, m] of the plain crops of every kept row, on the CPU in float32."""
    out = []
    with torch.inference_mode():
        for start in track(range(0, len(store), batch), "embedding"):
            rows = range(start, min(start + batch, len(store)))
            crops = np.stack([augment(store[i], PLAIN, np.random.default_rng(0))[0] for i in rows])
            out.append(F.normalize(network(pixels(crops, torch.device("cpu")))).numpy())
    return np.concatenate(out)


def left_out_people(crops: Path, left_out: Path, sets: Sequence[str] = NAMED) -> CropStore:
    """The pictures of people whom training never saw, from the sets where people have names."""
    dropped = {name: set((left_out / f"{name}.txt").read_text(encoding="utf-8").splitlines()) for name in sets}
    kept = {}
    for name in sets:
        lines = (crops / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        kept[name] = [path for path in (line.split("\t")[0] for line in lines) if path not in dropped[name]]
    return open_store(crops, sets, kept)


def what_teacher_says(store: CropStore, cache: Path, teacher: str = "edgeface_xs") -> NDArray[np.float32]:
    """The teacher's unit embeddings [rows, m] of every kept row, from the folder of ``training.targets``."""
    rows = store.gather([np.load(cache / f"{name}_{teacher}.npy", mmap_mode="r") for name in store.names])
    return unit(np.asarray(rows, np.float32))


def told_apart(said: NDArray[np.float32], people: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Who is who, by the teacher: people [rows] with those of two names joined, and which rows [rows] to believe.

    People whose mean embeddings reach ``SAME_PERSON`` are one. A picture that is closer to somebody else's mean than to
    its own, or that close to it, is not believed.
    """
    likeness = np.triu(_means(said, people) @ _means(said, people).T, 1)
    first = np.arange(len(likeness))
    for one, other in zip(*np.nonzero(likeness >= SAME_PERSON), strict=True):
        first[first == first[other]] = first[one]
    joined = np.unique(first[people], return_inverse=True)[1].astype(np.int64)
    nearness = said @ _means(said, joined).T
    own = nearness[np.arange(len(joined)), joined].copy()
    nearness[np.arange(len(joined)), joined] = -1
    other = nearness.max(axis=1, initial=-1)
    return joined, np.asarray((other < own) & (other < SAME_PERSON))


def without_profile_test(
    store: CropStore, vectors: NDArray[np.float32], cache: Path, crops: Path, teacher: str = "edgeface_xs"
) -> Features:
    """Of people left out of training those who are not CFP's either, by the teacher's view of them.

    CFP measures profiles, so nothing may be chosen on its people: whoever comes within a cosine of 0.4 of one goes.
    """
    paths = [line.split("\t")[0] for line in (crops / "cfp.tsv").read_text(encoding="utf-8").splitlines()]
    _, people = np.unique([path.split("/")[1] for path in paths], return_inverse=True)
    theirs = _means(np.load(cache / f"cfp_{teacher}.npy"), people)
    rows = store.gather([np.load(cache / f"{name}_{teacher}.npy", mmap_mode="r") for name in store.names])
    nearest = (_means(rows, store.identity) @ theirs.T).max(axis=1)
    kept = (nearest < NOT_THE_SAME)[store.identity]
    return Features(vectors[kept], store.identity[kept], store.yaw[kept])


def _means(vectors: NDArray[np.generic], people: NDArray[np.integer]) -> NDArray[np.float32]:
    sums = np.zeros((int(people.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, people, unit(np.asarray(vectors, np.float32)))
    return unit(sums)
