"""E's maps inside its third stage, of faces bare and covered, once, so that the mask decoder trains on arrays.

    python -m training.occlusion_maps --crops CROPS --labels LABELS --leave-out LEAKS --templates TEMPLATES \\
        --faces 32000 --parts 16 --out MAPS

One row a face: the bare picture first, then ``VARIANTS`` covered, half of them with face masks. Written in parts
of their own, so that training may begin with the first and take in the others as it is started again; what is there
already is left alone. Some of the faces are of people whom E never saw, under occluders of the test, too: held out of
the training, they calibrate it.
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

from app.errors import WeightsError
from app.face.align import CROP_SIZE
from app.face.extract import unit
from app.face.nets.edgenext import EdgeNeXt, WithMap
from app.face.nets.occlusion import FINE
from app.face.patterns import GRID, nearest_pattern
from app.face.runtime import FromPixels, run_with
from app.face.weights import SHIPPED, ModelCard, find_card, load_part
from training.data.cover import Frame, Occluder, paint
from training.data.covered_crops import frames
from training.data.mask_templates import read_templates
from training.data.occluders import TEST, TRAIN, draw, with_templates
from training.data.store import CropStore, open_store
from training.strangers import left_out_people

Rows = NDArray[np.int64]

Look = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Crops uint8 [1 + VARIANTS, 112, 112, 3] to unit embeddings [n, width] and the maps [n, c, 7, 7] at the tap."""

TAP: Final = 3
"""Blocks of the third stage that lie behind the maps; the mask decoder's network has these of its own."""
VARIANTS: Final = 1
SHARES: Final = {
    "vggface2_69": 0.02,
    "pins105": 0.02,
    "celeba_wild": 0.1,
    "lag": 0.04,
    "utkface": 0.5,
    "all_age_faces": 0.22,
    "muxspace": 0.1,
}
"""Which part of the faces each set gives: most to those where nearly every face is another person's. With three covers
on each of 15,000 faces, most of 1,200 people, the network learnt the people by heart, and strangers lost by it."""
STRANGERS: Final = {"vggface2_69": 0.25, "pins105": 0.65, "lag": 0.1}
"""The same for people whom E never saw."""
MORE_MASKS: Final = 2.0
"""How much more often than other trainings this one paints face masks."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Arrays over faces [n] and their pictures [v], the bare one first.

    ``maps``: parts float16 [n_i, v, c, 7, 7] that together are [n, v, c, 7, 7]; ``embeddings`` float32 [n, v, width],
    unit length, E's own; ``cells`` float16 [n, v, FINE, FINE], the covered part of each; ``pattern`` int64 [n, v];
    ``worn`` bool [n, v], a face mask; ``person`` int64 [n], unique where a set names nobody; ``held_out`` bool [n].
    """

    maps: tuple[NDArray[np.float16], ...]
    embeddings: NDArray[np.float32]
    cells: NDArray[np.float16]
    pattern: NDArray[np.int64]
    worn: NDArray[np.bool_]
    person: NDArray[np.int64]
    held_out: NDArray[np.bool_]

    def at(self, rows: Rows, pictures: Rows | int) -> NDArray[np.float32]:
        """The maps [n, c, 7, 7] of one of ``pictures`` for each of ``rows`` [n]."""
        which = np.broadcast_to(np.asarray(pictures), rows.shape)
        starts = np.cumsum([0, *(len(part) for part in self.maps)])
        out = np.empty((len(rows), *self.maps[0].shape[2:]), np.float32)
        for start, part in zip(starts, self.maps, strict=False):
            here = (rows >= start) & (rows < start + len(part))
            out[here] = part[rows[here] - start, which[here]]
        return out

    def save(self, folder: Path) -> None:
        """Whole or not at all, so that a reader beside a writer sees only parts that are finished."""
        partial = folder.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            value = getattr(self, name)
            np.save(partial / f"{name}.npy", np.concatenate(value) if name == "maps" else value)
        partial.replace(folder)

    @classmethod
    def read(cls, folder: Path) -> Maps:
        """Every part that is there, the maps as memory maps. Raises ``FileNotFoundError`` where there is none."""
        parts = sorted(folder.glob("part-??"))
        if not parts:
            raise FileNotFoundError(f"no parts in {folder}")
        arrays = {name: np.concatenate([np.load(part / f"{name}.npy") for part in parts]) for name in ARRAYS[1:]}
        arrays["person"] = np.unique(arrays["person"], return_inverse=True)[1].astype(np.int64)
        return cls(tuple(np.load(part / "maps.npy", mmap_mode="r") for part in parts), **arrays)


ARRAYS: Final = tuple(field.name for field in fields(Maps))


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
    """The maps of these ``rows``, none held out. ``axes`` by set and row of its crop file. People that have no name
    get numbers below 0, by their row."""
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
    people = np.where(store.identity[rows] < 0, -1 - rows, store.identity[rows])
    return Maps((np.stack(maps),), np.stack(embeddings), cells, pattern, worn, people, np.zeros(n, np.bool_))


def joined(kept: Maps, strangers: Maps, shift: int) -> Maps:
    """Both, the second held out; ``shift`` is above every number of the first one's people and keeps them apart."""
    arrays = {name: np.concatenate([getattr(kept, name), getattr(strangers, name)]) for name in ARRAYS[1:]}
    arrays["person"] = np.concatenate([kept.person, strangers.person + shift])
    arrays["held_out"] = np.arange(len(arrays["person"])) >= len(kept.person)
    return Maps((*kept.maps, *strangers.maps), **arrays)


def masks_more_often(occluders: Mapping[str, tuple[Occluder, float]]) -> dict[str, tuple[Occluder, float]]:
    """The same, face masks ``MORE_MASKS`` times as often."""
    return {
        name: (one, weight * MORE_MASKS if name.startswith("face mask") else weight)
        for name, (one, weight) in occluders.items()
    }


def look_with(card: ModelCard) -> Look:
    """The extractor of ``card`` on all pictures of a face at once, which takes less time. Raises ``WeightsError``."""
    network = load_part(card, "extractor")
    if not isinstance(network, EdgeNeXt):
        raise WeightsError(f"{card.name} shows no maps")
    shape = (1 + VARIANTS, card.input_size, card.input_size, 3)
    run = run_with("openvino", FromPixels(WithMap(network, TAP), card.mean, card.std), shape)

    def look(crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        embeddings, _, before = run.outputs(crops)
        return unit(embeddings), before

    return look


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--leave-out", type=Path, required=True)
    parser.add_argument("--templates", type=Path, help="folder of masks.cfg and its pictures")
    parser.add_argument("--model", default="fast", help="name or id of the model whose extractor it is for")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--faces", type=int, default=32_000)
    parser.add_argument("--strangers", type=int, default=3_000, help="faces more, of people whom E never saw")
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--first", type=int, default=0, help="part to begin with, so that two may work side by side")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    dropped = {name: (args.leave_out / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in SHARES}
    store = open_store(args.crops, list(SHARES), dropped)
    strangers = left_out_people(args.crops, args.leave_out, tuple(STRANGERS))
    look = look_with(find_card(args.model, [args.weights]))
    masks = read_templates(args.templates) if args.templates else {}
    train, test = with_templates(TRAIN, masks, test=False), with_templates(TEST, masks, test=True)
    everything = {**train, **{f"{name}, test": one for name, one in test.items()}}
    rng = np.random.default_rng(0)
    sources = [
        (people, rng.permutation(chosen_rows(people, shares, count, rng)), occluders)
        for people, shares, count, occluders in (
            (store, SHARES, args.faces, masks_more_often(train)),
            (strangers, STRANGERS, args.strangers, everything),
        )
    ]
    axes = [[frames(name, args.crops, args.labels) for name in people.names] for people, _, _ in sources]
    for part in np.roll(np.arange(args.parts), -args.first).tolist():
        place = args.out / f"part-{part:02d}"
        if place.exists():
            continue
        known, unknown = (
            make(people, rows[part :: args.parts], own, occluders, look, np.random.default_rng([1 + at, part]))
            for at, ((people, rows, occluders), own) in enumerate(zip(sources, axes, strict=True))
        )
        joined(known, unknown, len(store) + len(strangers)).save(place)
        print(f"{place}: {len(known.person)} faces and {len(unknown.person)} held out", flush=True)


if __name__ == "__main__":
    main()
