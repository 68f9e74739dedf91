"""A world where the answers are known: paths, pair lists and embeddings of sets that nobody photographed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training import benchmarks
from training.benchmarks import Embedded
from training.embeddings import unit


def world(name: str, paths: Sequence[str], noise: float, width: int = 48, seed: int = 3) -> Embedded:
    """A person is a direction; a picture is the person's direction and noise, three times as much of it at profile."""
    rng = np.random.default_rng(seed)
    people = benchmarks.people_of(paths)
    centres = rng.normal(size=(people.max() + 1, width))
    turned = np.array(["profile" in path for path in paths])
    spread = noise * np.where(turned, 3, 1)[:, None] * rng.normal(size=(len(paths), width))
    yaw = np.where(turned, rng.choice([-40, 50, 70], len(paths)), 0).astype(np.float32)
    return Embedded(name, tuple(paths), unit(centres[people] + spread), yaw)


def cfp_paths(people: int) -> list[str]:
    kinds = [("frontal", 10), ("profile", 4)]
    return [
        f"train/{p:03d}/{kind}/{n:02d}.jpg" for p in range(1, people + 1) for kind, k in kinds for n in range(1, k + 1)
    ]


def lfw_paths(people: int) -> list[str]:
    return [f"P{i:03d}/P{i:03d}_{n:04d}.jpg" for i in range(people) for n in (1, 2)]


def write_cfp_protocol(folder: Path, people: int) -> Path:
    """Ten folds of ``people / 10`` people each; the first frontal with the second, or with the first profile."""
    for letter, kind, count in (("F", "frontal", 10), ("P", "profile", 4)):
        lines = [
            f"../Data/Images/{p:03d}/{kind}/{n:02d}.jpg" for p in range(1, people + 1) for n in range(1, count + 1)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        numbered = "".join(f"{i} {line}\n" for i, line in enumerate(lines, 1))
        (folder / f"Pair_list_{letter}.txt").write_text(numbered, encoding="utf-8")
    size = people // 10
    for kind, count, partner in (("FF", 10, 2), ("FP", 4, 1)):
        for fold in range(10):
            inside = range(fold * size, (fold + 1) * size)
            here = folder / "Split" / kind / f"{fold + 1:02d}"
            here.mkdir(parents=True)
            same = [f"{p * 10 + 1},{p * count + partner}" for p in inside]
            diff = [f"{p * 10 + 1},{((p + 1 - inside[0]) % size + inside[0]) * count + partner}" for p in inside]
            (here / "same.txt").write_text("\n".join(same), encoding="utf-8")
            (here / "diff.txt").write_text("\n".join(diff), encoding="utf-8")
    return folder


def write_lfw_pairs(file: Path, folds: int = 10, each: int = 4) -> Path:
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        lines += [f"P{fold * each + i:03d}\t1\t2" for i in range(each)]
        lines += [f"P{fold * each + i:03d}\t1\tP{fold * each + (i + 1) % each:03d}\t2" for i in range(each)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
