"""E's maps before its last stage, of faces bare and covered, once, so that the mask decoder trains on arrays.

    python -m training.occlusion_maps --crops CROPS --labels LABELS --leave-out LEAKS --templates TEMPLATES --out MAPS

One row a face: the bare picture first, then ``VARIANTS`` covered ones. A sixth of the faces is of people whom E
never saw, under occluders of the test, too: held out of the training, they calibrate it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import CROP_SIZE
from app.face.extract import load_extractor
from app.face.nets.occlusion import FINE
from app.face.patterns import GRID, nearest_pattern
from app.face.weights import SHIPPED, find_card
from training.data.covers import frames
from training.data.occluders import TEST, TRAIN, Frame, Occluder, draw, paint, read_templates, with_templates
from training.data.store import CropStore, open_store
from training.strangers import left_out_people

Rows = NDArray[np.int64]

Look = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Crops uint8 [n, 112, 112, 3] to unit embeddings [n, width] and the maps [n, c, 7, 7] before the last stage."""

VARIANTS: Final = 2
SHARES: Final = {
    "vggface2_69": 0.3,
    "pins105": 0.25,
    "celeba_wild": 0.15,
    "lag": 0.05,
    "utkface": 0.15,
    "all_age_faces": 0.1,
}
"""Which part of the faces each set gives."""
STRANGERS: Final = {"vggface2_69": 0.25, "pins105": 0.65, "lag": 0.1}
"""The same for people whom E never saw."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Arrays over faces [n] and their pictures [v], the bare one first.

    ``maps`` float16 [n, v, c, 7, 7]; ``embeddings`` float32 [n, v, width], unit length, E's own; ``cells``
    float16 [n, v, FINE, FINE], the covered part of each; ``pattern`` int64 [n, v]; ``worn`` bool [n, v], a face
    mask; ``person`` int64 [n], unique where a set names nobody; ``held_out`` bool [n].
    """

    maps: NDArray[np.float16]
    embeddings: NDArray[np.float32]
    cells: NDArray[np.float16]
    pattern: NDArray[np.int64]
    worn: NDArray[np.bool_]
    person: NDArray[np.int64]
    held_out: NDArray[np.bool_]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))

    @classmethod
    def read(cls, folder: Path) -> Maps:
        return cls(**{field.name: np.load(folder / f"{field.name}.npy") for field in fields(cls)})


def truth(covered: NDArray[np.bool_]) -> tuple[NDArray[np.float16], int]:
    """The covered part of each fine cell, and the pattern, of covered pixels [112, 112]."""
    fine = covered.reshape(FINE, CROP_SIZE // FINE, FINE, CROP_SIZE // FINE).mean(axis=(1, 3))
    return fine.astype(np.float16), nearest_pattern(coarse(covered))


def coarse(covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The covered part of each cell of the patterns' grid, whose cells are no whole number of pixels."""
    edges = np.linspace(0, CROP_SIZE, GRID + 1)
    x = np.arange(CROP_SIZE)
    share = np.clip(np.minimum(x + 1, edges[1:, None]) - np.maximum(x, edges[:-1, None]), 0, None)
    return np.asarray(share @ covered @ share.T / (edges[1] ** 2))


def standard(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The 112 crop within one of 128 pixels."""
    edge = (crop.shape[0] - CROP_SIZE) // 2
    return np.ascontiguousarray(crop[edge : edge + CROP_SIZE, edge : edge + CROP_SIZE])


def chosen_rows(store: CropStore, shares: Mapping[str, float], count: int, rng: np.random.Generator) -> Rows:
    """About ``count`` rows of the store, each set giving its share or what it has."""
    rows = []
    for part, name in enumerate(store.names):
        there = np.flatnonzero(store.part == part)
        rows.append(rng.choice(there, min(len(there), round(shares[name] * count)), replace=False))
    return np.concatenate(rows)


def make(
    store: CropStore,
    rows: Rows,
    axes: Sequence[Sequence[Frame]],
    occluders: Mapping[str, tuple[Occluder, float]],
    look: Look,
    rng: np.random.Generator,
) -> Maps:
    """The maps of these ``rows``, none held out. ``axes`` by set and row of its crop file."""
    n, v = len(rows), 1 + VARIANTS
    maps, embeddings = [], []
    cells = np.zeros((n, v, FINE, FINE), np.float16)
    pattern, worn = np.zeros((n, v), np.int64), np.zeros((n, v), np.bool_)
    for i, row in enumerate(track(rows, "maps")):
        crop = standard(store[row])
        other = standard(store[int(rng.integers(len(store)))])
        pictures = [crop]
        for j in range(1, v):
            _, cover = draw(occluders, axes[store.part[row]][store.row[row]], other, rng)
            painted, covered = paint(crop, cover)
            pictures.append(painted)
            cells[i, j], pattern[i, j] = truth(covered)
            worn[i, j] = cover.is_mask
        own, before = look(np.stack(pictures))
        maps.append(before.astype(np.float16))
        embeddings.append(own)
    return Maps(np.stack(maps), np.stack(embeddings), cells, pattern, worn, store.identity[rows], np.zeros(n, np.bool_))


def joined(kept: Maps, strangers: Maps) -> Maps:
    """Both, the second held out, people of one never those of the other, nameless ones each a person of its own."""
    shift = int(kept.person.max(initial=-1)) + 1
    person = np.concatenate([kept.person, np.where(strangers.person < 0, -1, strangers.person + shift)])
    alone = np.where(person < 0, -1 - np.arange(len(person)), person)
    arrays = {
        field.name: np.concatenate([getattr(kept, field.name), getattr(strangers, field.name)])
        for field in fields(Maps)
    }
    arrays["person"] = np.unique(alone, return_inverse=True)[1].astype(np.int64)
    arrays["held_out"] = np.arange(len(person)) >= len(kept.person)
    return Maps(**arrays)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--leave-out", type=Path, required=True)
    parser.add_argument("--templates", type=Path, help="folder of masks.cfg and its pictures")
    parser.add_argument("--model", default="fast", help="name or id of the model whose extractor it is for")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    dropped = {name: (args.leave_out / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in SHARES}
    store = open_store(args.crops, list(SHARES), dropped)
    strangers = left_out_people(args.crops, args.leave_out, tuple(STRANGERS))
    extractor = load_extractor(find_card(args.model, [args.weights]))

    def look(crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        embeddings, _, before = extractor.stages(crops)
        return embeddings, before

    masks = read_templates(args.templates) if args.templates else {}
    train, test = with_templates(TRAIN, masks, test=False), with_templates(TEST, masks, test=True)
    rng = np.random.default_rng(0)
    parts = []
    for people, shares, count, occluders in (
        (store, SHARES, args.faces, train),
        (strangers, STRANGERS, args.faces // 5, {**train, **{f"{name}, test": one for name, one in test.items()}}),
    ):
        axes = [frames(name, args.crops, args.labels) for name in people.names]
        parts.append(make(people, chosen_rows(people, shares, count, rng), axes, occluders, look, rng))
    made = joined(*parts)
    made.save(args.out)
    print(f"{len(made.person)} faces, {int(made.held_out.sum())} held out, {VARIANTS} covered pictures each")


if __name__ == "__main__":
    main()
