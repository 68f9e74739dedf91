"""Face masks on real pictures through the whole pipeline, and sheets of heat maps to look at.

    python -m training.occlusion_pictures --data DATA --cache CACHE --out REPORT [--extractor fast]

Face Mask 12K's test folder (``DATA/mask_12k/Test/{WithMask,WithoutMask}``) goes through detector, landmarks and the
mask decoder. A picture in which no face is found counts as one in which no mask is found. The sheets show aligned
crops, the redder the surer that a cell is covered: masks found and missed, bare faces taken for masked.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from app.face.align import align
from app.face.engine import Engine
from app.face.faces import Face
from training.protocols import wilson
from training.sheets import sheet

FOLDERS: Final = {"WithMask": True, "WithoutMask": False}
A_ROW: Final = 10
A_SHEET: Final = 60


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """One picture: whether its person wears a mask, and its largest face, None where none was found."""

    worn: bool
    image: NDArray[np.uint8]
    face: Face | None

    @property
    def said(self) -> bool:
        return self.face is not None and self.face.occlusion is not None and self.face.occlusion.mask


def looked_at(engine: Engine, folder: Path) -> Iterator[Looked]:
    """Every picture of the two folders."""
    files = [(path, worn) for name, worn in FOLDERS.items() for path in sorted((folder / name).iterdir())]
    for path, worn in track(files, "face masks"):
        image = np.ascontiguousarray(np.asarray(cv2.imread(str(path)), np.uint8)[:, :, ::-1])
        (picture,) = engine.pictures([image], frozenset({"occlusion"}))
        yield Looked(worn, image, picture.faces[0] if picture.faces else None)


def figures(looks: Sequence[Looked]) -> dict[str, Any]:
    """Found and false alarms in percent with their 95 % intervals, faces not found."""
    told: dict[str, Any] = {}
    for what, worn in (("with a mask: said so", True), ("without: false alarms", False)):
        of = [one for one in looks if one.worn is worn]
        said = sum(one.said for one in of)
        interval = wilson(said, len(of))
        told[what] = {
            "pictures": len(of),
            "said": said,
            "%": round(100 * interval.rate, 2),
            "interval": [round(100 * interval.low, 2), round(100 * interval.high, 2)],
            "no face found": sum(one.face is None for one in of),
        }
    return told


def heat_map(crop: NDArray[np.uint8], cells: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The crop uint8 [s, s, 3] RGB, reddened by the chance [n, n] that each cell is covered."""
    chance = np.clip(cv2.resize(cells, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1)[:, :, None]
    red = np.array([220, 30, 30], np.float32)
    return np.asarray(np.rint((1 - 0.6 * chance) * crop + 0.6 * chance * red), np.uint8)


def shown(looks: Sequence[Looked], path: Path) -> None:
    """Up to ``A_SHEET`` of them with a face, the most covered first: each crop, and below it its heat map."""
    faces = [(one.image, one.face) for one in looks if one.face is not None and one.face.occlusion is not None]
    faces.sort(key=lambda pair: -_covered(pair[1]))
    rows = []
    for at in range(0, min(A_SHEET, len(faces)), A_ROW):
        crops = [(align(image, face.detection.landmarks), face) for image, face in faces[at : at + A_ROW]]
        rows.append([(crop, "") for crop, _ in crops])
        rows.append([(_heat(crop, face), f"{_covered(face):.0%} covered") for crop, face in crops])
    if rows:
        sheet(rows, path)


def _covered(face: Face) -> float:
    return face.occlusion.covered if face.occlusion is not None else 0.0


def _heat(crop: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    assert face.occlusion is not None
    return heat_map(crop, face.occlusion.cells)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in ("data", "cache", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--extractor", default="fast")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    looks = list(looked_at(Engine.load(args.cache, args.extractor), args.data / "mask_12k" / "Test"))
    report = figures(looks)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "face-masks.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    shown([one for one in looks if one.worn and one.said], args.out / "masks-found.png")
    shown([one for one in looks if one.worn and not one.said], args.out / "masks-missed.png")
    shown([one for one in looks if not one.worn and one.said], args.out / "false-alarms.png")
    shown([one for one in looks if not one.worn], args.out / "bare-most-covered.png")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
