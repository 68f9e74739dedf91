"""What several teachers say together, computed once: the targets of distillation.

    python -m training.targets --crops DIR --out DIR --teacher NAME=FILE.onnx[:STD] ... [--sets ...]

writes ``OUT/<set>_<teacher>.npy``, float16 [n, width] unit embeddings of the plain crops, and
``OUT/<set>_<teacher>_flip.npy`` of the mirrored ones; a file that is there is left alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import CROP_SIZE
from training.data.store import CropStore
from training.teachers import Teacher, TeacherSpec


def embed_set(crops: NDArray[np.uint8], teacher: Teacher, mirrored: bool, title: str = "") -> NDArray[np.float16]:
    """Unit embeddings [n, width] of the centre crops of uint8 [n, side, side, 3]."""
    edge = (crops.shape[1] - CROP_SIZE) // 2
    parts = []
    for start in track(range(0, len(crops), 32), description=title):
        part = np.asarray(crops[start : start + 32, edge : edge + CROP_SIZE, edge : edge + CROP_SIZE])
        parts.append(teacher(np.ascontiguousarray(part[:, :, ::-1]) if mirrored else part)[0].astype(np.float16))
    return np.concatenate(parts)


def joint_targets(
    folder: Path, store: CropStore, teachers: Iterable[str], mirrored: bool = True
) -> NDArray[np.float16]:
    """All teachers' embeddings side by side: unit rows float16 [rows, m], whose cosine is the mean of theirs.

    Each teacher's embeddings of a picture and, with ``mirrored`` and where they were made, of its mirror image are
    averaged first, which no side can tell apart afterwards.
    """
    columns = []
    for teacher in teachers:
        plain = [np.load(folder / f"{name}_{teacher}.npy", mmap_mode="r") for name in store.names]
        vectors = np.asarray(store.gather(plain), np.float32)
        flips = [folder / f"{name}_{teacher}_flip.npy" for name in store.names]
        if mirrored and all(path.exists() for path in flips):
            images = store.gather([np.load(path, mmap_mode="r") for path in flips])
            vectors = vectors + np.asarray(images, np.float32)
        columns.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return np.concatenate(columns, axis=1).astype(np.float16) / np.float16(np.sqrt(len(columns)))


def principal_directions(wide: NDArray[np.float16], width: int, sample: int = 20_000) -> NDArray[np.float32]:
    """The projection [m, width] of unit rows [n, m] that keeps their cosines best, from an even sample of rows.

    The leading right singular vectors, uncentred because cosines are.
    """
    rows = wide[:: max(1, len(wide) // sample)].astype(np.float32)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return np.asarray(vectors[:, np.argsort(values)[::-1][:width]], np.float32)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher", action="append", required=True, help="NAME=FILE.onnx, or NAME=FILE.onnx:STD")
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--no-mirror", action="store_true", help="leave the mirrored pictures out: half the time")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for teacher_argument in args.teacher:
        name, _, rest = teacher_argument.partition("=")
        file, _, std = rest.partition(":")
        teacher = Teacher(TeacherSpec(Path(file), std=float(std or 127.5)))
        for set_name in args.sets:
            crops = np.load(args.crops / f"{set_name}.npy", mmap_mode="r")
            for mirrored in (False,) if args.no_mirror else (False, True):
                path = args.out / f"{set_name}_{name}{'_flip' if mirrored else ''}.npy"
                if not path.exists():
                    partial = path.with_suffix(".part.npy")
                    np.save(partial, embed_set(crops, teacher, mirrored, path.stem))
                    partial.replace(path)


if __name__ == "__main__":
    main()
