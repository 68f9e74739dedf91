"""What a separation of age and identity is worth: recognition across years beside E, and ages against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from training.ages import Faces
from training.benchmarks import Pairs, cfp_pairs, lag_pairs, named_pairs, scores_of, verify
from training.data.leaks import crop_paths, lag_test_people
from training.sheets import sheet

Embed = Callable[[NDArray[np.float16]], NDArray[np.float32]]
"""E's maps [n, channels, h, w] to unit vectors [n, width]."""


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """Pairs over rows of a crop file, and E's maps of those rows."""

    crops: Path
    rows: NDArray[np.int64]
    pairs: Pairs
    maps: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Figures:
    """Fractions."""

    accuracy: float
    eer: float


def lag_test(lag: Faces, crops: Path) -> Test:
    """The 300 people held out: all young-adult pairs of each, and as many of two people."""
    return Test(crops / "lag.npy", lag.rows, lag_pairs(lag.paths, lag_test_people()), lag.maps)


def lfw_test(crops: Path, listing: Path, maps: Callable[[str, NDArray[np.int64]], NDArray[np.float16]]) -> Test:
    """View 2; only the pictures that its pairs name are looked at."""
    paths = crop_paths(crops, "lfw")
    whole = named_pairs("LFW", listing, paths)
    rows = np.unique(np.concatenate([whole.left, whole.right]))
    pairs = Pairs(
        "LFW", np.searchsorted(rows, whole.left), np.searchsorted(rows, whole.right), whole.mated, whole.folds
    )
    return Test(crops / "lfw.npy", rows, pairs, maps("lfw", rows))


def cfp_tests(crops: Path, protocol: Path, maps: Callable[[str, NDArray[np.int64]], NDArray[np.float16]]) -> list[Test]:
    """CFP-FF and CFP-FP."""
    paths = crop_paths(crops, "cfp")
    rows = np.arange(len(paths))
    found = maps("cfp", rows)
    return [Test(crops / "cfp.npy", rows, cfp_pairs(kind, protocol, paths), found) for kind in ("FF", "FP")]


def figures(test: Test, embed: Embed) -> Figures:
    found = verify(test.pairs, scores_of(test.pairs, embed(test.maps)))
    return Figures(found.folded.mean, found.eer)


def recognition_table(tests: Iterable[Test], ways: Mapping[str, Embed]) -> tuple[Table, dict[str, dict[str, float]]]:
    """Accuracy and EER in percent: a row a test, a column a way of embedding. Also as plain numbers."""
    table = Table(title="Recognition, accuracy / equal error rate, %", title_justify="left")
    table.add_column("test")
    for name in ways:
        table.add_column(name)
    numbers: dict[str, dict[str, float]] = {}
    for test in tests:
        found = {name: figures(test, embed) for name, embed in ways.items()}
        cells = [f"{100 * one.accuracy:.2f} / {100 * one.eer:.2f}" for one in found.values()]
        table.add_row(f"{test.pairs.name} ({len(test.pairs.mated)} pairs)", *cells)
        for name, one in found.items():
            row = numbers.setdefault(name, {})
            row[f"{test.pairs.name} accuracy"] = round(100 * one.accuracy, 2)
            row[f"{test.pairs.name} EER"] = round(100 * one.eer, 2)
    return table, numbers


@dataclass(frozen=True, slots=True, eq=False)
class Aged:
    """Faces of known age: ``true`` float32 [n], ``told`` [n, 3] (years, low, high), their set, group and path."""

    true: NDArray[np.float32]
    told: NDArray[np.float32]
    name: NDArray[np.str_]
    group: NDArray[np.str_]
    row: NDArray[np.int64]

    @property
    def error(self) -> NDArray[np.float32]:
        """Absolute, in years [n]."""
        return np.abs(self.told[:, 0] - self.true)

    @property
    def held(self) -> NDArray[np.bool_]:
        """Whether the interval holds the age [n]."""
        return np.asarray((self.true >= self.told[:, 1]) & (self.true <= self.told[:, 2]))


def aged(sets: Iterable[Faces], tell: Callable[[NDArray[np.float16]], NDArray[np.float32]]) -> Aged:
    """The test pictures of sets with ages, told by ``tell`` (maps to years, low, high)."""
    kept = [(faces, faces.where("test")) for faces in sets]
    return Aged(
        np.concatenate([faces.age[at] for faces, at in kept]),
        np.concatenate([tell(faces.maps[at]) for faces, at in kept]),
        np.concatenate([np.full(len(at), faces.name) for faces, at in kept]),
        np.concatenate([[faces.group[i] or "not said" for i in at.tolist()] for faces, at in kept]),
        np.concatenate([faces.rows[at] for faces, at in kept]),
    )


def age_table(columns: Mapping[str, Aged]) -> tuple[Table, dict[str, dict[str, float]]]:
    """Mean absolute error in years and coverage of the interval: by set, decade and group."""
    some = next(iter(columns.values()))
    decade = np.array([f"{int(age) // 10 * 10:02d} to {int(age) // 10 * 10 + 9}" for age in some.true])
    cuts: dict[str, NDArray[np.bool_]] = {"all": np.ones(len(some.true), np.bool_)}
    for labels in (some.name, decade, some.group):
        cuts |= {str(label): labels == label for label in np.unique(labels)}
    table = Table(title="Age: mean absolute error in years, share held by the interval", title_justify="left")
    table.add_column("faces")
    table.add_column("number")
    for name in columns:
        table.add_column(name)
    numbers: dict[str, dict[str, float]] = {}
    for label, cut in cuts.items():
        cells = []
        for name, one in columns.items():
            error, held = float(one.error[cut].mean()), float(one.held[cut].mean())
            cells.append(f"{error:.2f} years, {100 * held:.0f} %")
            numbers.setdefault(name, {})[label] = round(error, 2)
            numbers[name][f"{label}, held %"] = round(100 * held, 1)
        table.add_row(label, str(int(cut.sum())), *cells)
    return table, numbers


def failures(test: Test, embed: Embed, ages: Aged, crops: Path, out: Path, most: int = 32) -> list[Path]:
    """Two sheets: mated pairs across years with the lowest scores and non-mated with the highest; the worst ages."""
    scores = scores_of(test.pairs, embed(test.maps))
    pictures = np.load(test.crops, mmap_mode="r")
    order = np.argsort(np.where(test.pairs.mated, scores, -scores), kind="stable")
    worst = [
        *[i for i in order if test.pairs.mated[i]][: most // 2],
        *[i for i in order if not test.pairs.mated[i]][: most // 2],
    ]
    cells = []
    for i in worst:
        ends = test.rows[[test.pairs.left[i], test.pairs.right[i]]]
        kind = "same" if test.pairs.mated[i] else "two people"
        cells += [(np.asarray(pictures[ends[0]]), kind), (np.asarray(pictures[ends[1]]), f"{scores[i]:.2f}")]
    pairs = out / "across-years.png"
    sheet([cells[at : at + 8] for at in range(0, len(cells), 8)], pairs)
    furthest = np.argsort(-ages.error)[:most]
    captioned = [
        (
            np.asarray(np.load(crops / f"{ages.name[i]}.npy", mmap_mode="r")[ages.row[i]]),
            f"{ages.true[i]:.0f}: {ages.told[i, 0]:.0f} ({ages.told[i, 1]:.0f}-{ages.told[i, 2]:.0f})",
        )
        for i in furthest
    ]
    sheet([captioned[at : at + 8] for at in range(0, most, 8)], out / "ages.png")
    return [pairs, out / "ages.png"]
