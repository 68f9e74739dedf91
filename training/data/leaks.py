"""People of a test set must not be in training: found by name, and by a teacher where names are missing.

A training identity is left out when its name is a test person's or when the mean of its embeddings is
close to a test person's mean; a single picture when it is itself that close, which also catches
wrong pictures in a right folder. The lists of paths stay beside the data; the repository keeps counts
and hashes (``splits.json``), so that a card can say which pictures a model saw.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.data.readers import READERS, Row
from training.embeddings import Embed, cached, onnx_extractor, unit

TEST_SETS: Final = ("cfp", "lfw", "mfr2", "lag")
"""LAG only with its held-out people; the others whole."""

TRAINING_SETS: Final = ("vggface2_69", "pins105", "celeba_wild", "lag", "utkface", "all_age_faces", "muxspace")

DISTRACTORS: Final = ("lfw", "utkface")
"""Sets that fill CFP's gallery: without CFP's people, and with one picture of each of their own."""

LAG_TEST_PEOPLE: Final = Path(__file__).with_name("lag_test_people.txt")
SPLITS: Final = Path(__file__).with_name("splits.json")
SAME_PERSON: Final = 0.5
"""Cosine of two means from which two identities count as one. For edgeface_xs even single pictures of
strangers reach 0.33 only once in 10,000 pairs."""

SAME_PICTURE: Final = 0.45
"""Cosine of a picture with a test person's mean from which it is left out. Below, strangers outnumber finds;
above, a few hundred strangers go too, which costs nothing."""


@dataclass(frozen=True, slots=True)
class Faces:
    """One set in the order of its crop file: rows, and unit embeddings float32 [n, width]."""

    name: str
    rows: tuple[Row, ...]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class People:
    """Test people: keys of their names, and unit mean embeddings float32 [p, width]."""

    keys: frozenset[str]
    means: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Boolean [n] masks over a set: by the person's name, by the person's mean, by the picture itself."""

    by_name: NDArray[np.bool_]
    by_mean: NDArray[np.bool_]
    by_picture: NDArray[np.bool_]

    @property
    def any(self) -> NDArray[np.bool_]:
        """Left out for whatever reason."""
        return self.by_name | self.by_mean | self.by_picture


def name_key(name: str) -> str:
    """A person's name without case, accents, spaces and punctuation: ``"Beyoncé K."`` and ``beyonce_k`` are one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(c for c in plain.lower() if c.isalpha())


def held_out(people: Iterable[str], count: int) -> list[str]:
    """``count`` people chosen by the SHA-256 of their names: fixed, whoever else is in the set; sorted."""
    chosen = sorted(set(people), key=lambda p: hashlib.sha256(p.encode()).hexdigest())[:count]
    return sorted(chosen)


def lag_test_people() -> frozenset[str]:
    """The 300 LAG people that no training may see."""
    return frozenset(LAG_TEST_PEOPLE.read_text(encoding="utf-8").split())


def means(embeddings: NDArray[np.float32], identities: Sequence[str | None]) -> tuple[list[str], NDArray[np.float32]]:
    """Sorted identities and the unit mean [p, width] of each; pictures without identity are passed over."""
    known = np.array([i is not None for i in identities])
    if not known.any():
        return [], np.zeros((0, embeddings.shape[1]), np.float32)
    people, index = np.unique([i for i in identities if i is not None], return_inverse=True)
    sums = np.zeros((len(people), embeddings.shape[1]), np.float32)
    np.add.at(sums, index, embeddings[known])
    return [str(p) for p in people], unit(sums)


def people_of(sets: Iterable[Faces]) -> People:
    """The people of test sets, each by name where it has one and always by its mean."""
    keys: set[str] = set()
    found = []
    for faces in sets:
        keys |= {name_key(row.name) for row in faces.rows if row.name}
        found.append(means(faces.embeddings, [row.identity for row in faces.rows])[1])
    return People(frozenset(keys - {""}), np.concatenate(found))


def closest(vectors: NDArray[np.float32], people: People, block: int = 2048) -> NDArray[np.float32]:
    """Highest cosine [n] of each row with any test person's mean."""
    parts = [(vectors[i : i + block] @ people.means.T).max(axis=1) for i in range(0, len(vectors), block)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def repeated(vectors: NDArray[np.float32], same_person: float = SAME_PERSON, block: int = 1024) -> NDArray[np.bool_]:
    """Pictures [n] that show somebody whom an earlier picture shows: without them a set has one picture a person."""
    seen = np.zeros(len(vectors), np.bool_)
    for start in range(0, len(vectors), block):
        stop = min(start + block, len(vectors))
        earlier = np.tril(vectors[start:stop] @ vectors[:stop].T >= same_person, start - 1)
        seen[start:stop] = earlier.any(axis=1)
    return seen


def leaking(
    faces: Faces, people: People, same_person: float = SAME_PERSON, same_picture: float = SAME_PICTURE
) -> Dropped:
    """Which rows of a training set show a test person. A person whose name or mean gives them away goes whole."""
    identities = [row.identity for row in faces.rows]
    by_name = np.array([bool(row.name) and name_key(row.name or "") in people.keys for row in faces.rows])
    named, mean = means(faces.embeddings, identities)
    near = {person for person, score in zip(named, closest(mean, people), strict=True) if score >= same_person}
    by_mean = np.array([identity in near for identity in identities])
    return Dropped(by_name, by_mean, closest(faces.embeddings, people) >= same_picture)


def digest(paths: Iterable[str]) -> str:
    """SHA-256 of the sorted paths, one a line."""
    return hashlib.sha256("".join(f"{p}\n" for p in sorted(paths)).encode()).hexdigest()


def crop_paths(crops: Path, name: str) -> list[str]:
    """Paths of a crop file's rows, in order."""
    lines = (crops / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t", 1)[0] for line in lines]


def load(name: str, data: Path, crops: Path, cache: Path, extractor: str, embed: Embed) -> Faces:
    """A prepared set with the embeddings of ``extractor``, computed where the cache has none."""
    parse = READERS[name].open(data / name)
    rows = tuple(parse(path) or Row(path) for path in crop_paths(crops, name))
    return Faces(name, rows, cached(crops / f"{name}.npy", cache, extractor, embed))


def only(faces: Faces, keep: NDArray[np.bool_]) -> Faces:
    """The rows of ``faces`` where ``keep`` [n] holds."""
    rows = tuple(row for row, wanted in zip(faces.rows, keep, strict=True) if wanted)
    return Faces(faces.name, rows, faces.embeddings[keep])


def write_list(faces: Faces, away: NDArray[np.bool_], path: Path) -> int:
    """Write the paths of the rows left out, one a line; answer how many."""
    gone = [row.path for row, out in zip(faces.rows, away, strict=True) if out]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{one}\n" for one in gone), encoding="utf-8")
    return len(gone)


def splits(training: Iterable[Faces], people: People, out: Path) -> dict[str, dict[str, object]]:
    """Write ``out/<set>.txt`` (paths left out) for each training set; answer counts and hashes of what is kept."""
    table: dict[str, dict[str, object]] = {}
    for faces in training:
        dropped = leaking(faces, people)
        kept = [row for row, away in zip(faces.rows, dropped.any, strict=True) if not away]
        gone = write_list(faces, dropped.any, out / f"{faces.name}.txt")
        table[faces.name] = {
            "rows": len(faces.rows),
            "kept": len(kept),
            "dropped": gone,
            "dropped_by_name": int(dropped.by_name.sum()),
            "dropped_by_mean": int(dropped.by_mean.sum()),
            "dropped_by_picture": int(dropped.by_picture.sum()),
            "people": len({row.identity for row in faces.rows} - {None}),
            "people_kept": len({row.identity for row in kept} - {None}),
            "kept_sha256": digest(row.path for row in kept),
        }
    return table


def main(argv: Sequence[str] | None = None) -> None:
    """``python -m training.data.leaks``: lists of what training must leave out, and ``splits.json``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder a set")
    parser.add_argument("--crops", type=Path, required=True, help="folder of <set>.npy and <set>.tsv")
    parser.add_argument("--extractor", type=Path, required=True, help="ONNX teacher that compares people")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the teacher's embeddings")
    parser.add_argument("--out", type=Path, required=True, help="folder for the lists of paths left out")
    args = parser.parse_args(argv)
    embed = onnx_extractor(args.extractor)
    name = args.extractor.stem

    def read(one: str) -> Faces:
        return load(one, args.data, args.crops, args.cache, name, embed)

    lag = read("lag")
    if not LAG_TEST_PEOPLE.exists():
        chosen = held_out((row.identity or "" for row in lag.rows), 300)
        LAG_TEST_PEOPLE.write_text("".join(f"{p}\n" for p in chosen), encoding="utf-8")
    held = lag_test_people()
    lag_test = only(lag, np.array([row.identity in held for row in lag.rows]))
    cfp = people_of([read("cfp")])
    for one in DISTRACTORS:
        faces = read(one)
        again = repeated(faces.embeddings)
        write_list(faces, leaking(faces, cfp).any | again, args.out / "distractors" / f"{one}.txt")
    people = people_of([read(s) if s != "lag" else lag_test for s in TEST_SETS])
    table = splits((read(s) for s in TRAINING_SETS), people, args.out)
    about = {
        "teacher": name,
        "same_person": SAME_PERSON,
        "same_picture": SAME_PICTURE,
        "test_people": len(people.means),
        "sets": table,
    }
    SPLITS.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(about, indent=2))


if __name__ == "__main__":
    main()
