"""Public data sets to aligned crops with identity, pose and age: the first step of any training.

    python -m training.data.prepare --data DIR --labels DIR --out DIR [SET ...]

For each set: ``<set>.npy`` (crops), ``<set>.tsv`` (path, yaw, pitch, roll, in the order of the crops), and, where the
set's layout tells them, ``<set>.people.tsv`` (path, identity) and ``<set>.ages.tsv`` (path, years). A set that is
finished is left alone, one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.data.crops import prepare
from training.data.readers import READERS, DataSet


def describe(data_set: DataSet, pictures: Path, out: Path) -> int:
    """Write what the layout tells of the prepared set's pictures; answer the number of people it knows."""
    parse = data_set.open(pictures)
    lines = (out / f"{data_set.name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [row for line in lines if (row := parse(line.split("\t", 1)[0])) is not None]
    people = [(row.path, row.identity) for row in rows if row.identity is not None]
    ages = [(row.path, str(row.age)) for row in rows if row.age is not None]
    _table(out / f"{data_set.name}.people.tsv", people)
    _table(out / f"{data_set.name}.ages.tsv", ages)
    return len({identity for _, identity in people})


def _table(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help=f"some of {', '.join(READERS)}; default: all that have labels")
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder of pictures a set")
    parser.add_argument("--labels", type=Path, required=True, help="folder of <set>.tsv.xz with landmarks and pose")
    parser.add_argument("--out", type=Path, required=True, help="folder for the crops")
    parser.add_argument("--workers", type=int, default=2, help="processes that read pictures")
    args = parser.parse_args(argv)
    names = args.sets or [s for s in READERS if (args.labels / f"{s}.tsv.xz").exists() and (args.data / s).exists()]
    if unknown := set(names) - set(READERS):
        parser.error(f"no reader for {', '.join(sorted(unknown))}")
    for name in names:
        pictures = args.data / name
        count = prepare(name, pictures, args.labels / f"{name}.tsv.xz", args.out, args.workers)
        people = describe(READERS[name], pictures, args.out)
        print(f"{name}: {count:,} crops" + (f" of {people:,} people" if people else ""))


if __name__ == "__main__":
    main()
