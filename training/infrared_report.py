"""What the infrared network is worth on simulated infrared: LFW View 2, one side seen by the test camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from training.benchmarks import Verified, verify
from training.cross_age_report import Test
from training.data.crops import SIDE
from training.data.near_infrared import TEST, Camera, grey, near_infrared
from training.embeddings import CENTRE, Embed
from training.sheets import sheet

SEED = 850
"""Of the simulated test pictures, each drawn by its own row: the same on every run."""

Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]
"""A crop [112, 112, 3] and its row to what a camera sees of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Rows of an LFW test that stand on the right of a pair, where the infrared probe is."""

    test: Test
    right: NDArray[np.int64]

    @classmethod
    def of(cls, test: Test) -> Sides:
        return cls(test, np.unique(test.pairs.right))

    def changed(self, change: Change) -> NDArray[np.uint8]:
        """Crops [m, 112, 112, 3] of the right side as ``change`` makes them."""
        pictures = np.load(self.test.crops, mmap_mode="r")
        assert pictures.shape[1] == SIDE
        rows = self.test.rows[self.right].tolist()
        return np.stack([change(np.ascontiguousarray(pictures[row][CENTRE, CENTRE]), row) for row in rows])

    def verified(self, gallery: NDArray[np.float32], probes: NDArray[np.float32]) -> Verified:
        """Ten folds: the left side from ``gallery`` [n, width], the right from ``probes`` [m, width]."""
        pairs = self.test.pairs
        scores = np.einsum("ij,ij->i", gallery[pairs.left], probes[np.searchsorted(self.right, pairs.right)])
        return verify(pairs, scores.astype(np.float32))


def simulated(camera: Camera = TEST) -> Change:
    """Near infrared, the draw of each picture fixed by its row."""
    return lambda crop, row: near_infrared(crop, camera, np.random.default_rng((SEED, row)))


def without_colour(crop: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
    """A grey picture, not infrared."""
    return grey(crop)


def table(
    sides: Sides, gallery: NDArray[np.float32], visible: Embed, infrared: Mapping[str, Embed]
) -> tuple[Table, dict[str, dict[str, float]], dict[str, Verified]]:
    """Accuracy and EER, a row a way: visible against visible; infrared fed to the visible network; each network of
    ``infrared``; and the same for grey pictures. Everything infrared is simulated."""
    probes, greys = sides.changed(simulated()), sides.changed(without_colour)
    found = {
        "visible - visible": sides.verified(gallery, gallery[sides.right]),
        "infrared (simulated) - visible, visible network": sides.verified(gallery, visible(probes)),
        "grey - visible, visible network": sides.verified(gallery, visible(greys)),
    }
    for name, embed in infrared.items():
        found[f"infrared (simulated) - visible, {name}"] = sides.verified(gallery, embed(probes))
        found[f"grey - visible, {name}"] = sides.verified(gallery, embed(greys))
    shown = Table(title="LFW View 2, right side of each pair changed, % (infrared is simulated)", title_justify="left")
    for column in ("probe - gallery", "accuracy", "equal error rate", "TPR at FPR 0.1 %", "errors of 6,000"):
        shown.add_column(column)
    numbers: dict[str, dict[str, float]] = {}
    for name, one in found.items():
        errors = round((1 - one.folded.mean) * len(one.scores))
        row = {"accuracy": 100 * one.folded.mean, "EER": 100 * one.eer, "TPR@0.1 %": 100 * one.tpr_1e3}
        numbers[name] = {key: round(value, 2) for key, value in row.items()} | {"errors": errors}
        shown.add_row(name, *(f"{value:.2f}" for value in row.values()), str(errors))
    return shown, numbers, found


def failures(sides: Sides, found: Verified, out: Path, most: int = 16) -> Path:
    """A sheet of the mated pairs with the lowest scores and the non-mated with the highest, as the cameras saw them."""
    pictures, camera = np.load(sides.test.crops, mmap_mode="r"), simulated()
    order = np.argsort(np.where(found.pairs.mated, found.scores, -found.scores), kind="stable")
    cells = []
    for mated in (True, False):
        for i in [i for i in order if found.pairs.mated[i] == mated][:most]:
            left, right = sides.test.rows[[found.pairs.left[i], found.pairs.right[i]]].tolist()
            probe = camera(np.ascontiguousarray(pictures[right][CENTRE, CENTRE]), right)
            kind = "same" if mated else "two people"
            cells += [(np.asarray(pictures[left][CENTRE, CENTRE]), kind), (probe, f"{found.scores[i]:.2f}")]
    path = out / "infrared-simulated.png"
    sheet([cells[at : at + 8] for at in range(0, len(cells), 8)], path)
    return path


def examples(sides: Sides, cameras: Mapping[str, Camera], out: Path, number: int = 8) -> Path:
    """A sheet of pictures beside what each simulated camera sees of them."""
    pictures = np.load(sides.test.crops, mmap_mode="r")
    rows = sides.test.rows[:: len(sides.test.rows) // number][:number].tolist()
    crops = [np.ascontiguousarray(pictures[row][CENTRE, CENTRE]) for row in rows]
    lines = [[(crop, "visible") for crop in crops]]
    for name, camera in cameras.items():
        change = partial(simulated(camera))
        lines.append([(change(crop, row), name) for crop, row in zip(crops, rows, strict=True)])
    path = out / "near-infrared-examples.png"
    sheet(lines, path)
    return path
