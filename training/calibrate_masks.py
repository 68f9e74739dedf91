"""From which chance on a face mask counts as worn: chosen on real photographs, apart from the test's.

    python -m training.calibrate_masks --data DATA --labels LABELS --cache CACHE \\
        --card app/weights/occlusion --out REPORT

The threshold is that at which ``ALARMS`` of the bare faces of Face Mask 12K are taken for masked. Chosen on its folders
``Train`` and ``Validation``; reported on ``Test`` and on those of RWMFD's people whom a hash holds back. Painted masks
say little about it: a network is surer of what it was taught with than of real cloth. The threshold goes into the card.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import roc_auc_score

from app.face.align import align
from app.face.engine import Engine
from app.face.extract import NetworkExtractor, load_extractor
from app.face.nets.occlusion import OcclusionNet
from app.face.occlusion import tap_of
from app.face.weights import CARD, SHIPPED, find_card, load_part, read_card, write_card
from training.data.crops import read_labels
from training.occlusion_card import answers
from training.protocols import threshold_at, wilson

Crops = NDArray[np.uint8]
Chances = NDArray[np.float32]

ALARMS: Final = 0.01
ALL: Final = 10_000
WHAT: Final = "face masks on photographs"


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Chances that a mask is worn: of faces that wear one [n], and of bare ones [m]."""

    masked: Chances
    bare: Chances


def held_back(name: str) -> bool:
    """Whether a person or a picture of this name is one of the half that only reports."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def chosen(paths: Sequence[Path], count: int) -> list[Path]:
    """``count`` of them by a hash of their names, so that the choice hangs on nothing else."""
    return sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())[:count]


def worn_from(bare: Chances, alarms: float = ALARMS) -> float:
    """The lowest chance, rounded up to four digits, that at most ``alarms`` of the bare faces [n] reach."""
    return float(np.ceil(threshold_at(bare, alarms) * 1e4 - 1e-3) / 1e4)


def told(faces: Faces, worn: float) -> dict[str, Any]:
    """Masks found and false alarms at a threshold, in percent with their 95 % intervals, and the AUC."""
    both = np.concatenate([faces.masked, faces.bare])
    figures: dict[str, Any] = {"AUC": round(float(roc_auc_score(np.arange(len(both)) < len(faces.masked), both)), 4)}
    for what, chances in (("masks found", faces.masked), ("false alarms", faces.bare)):
        interval = wilson(int((chances >= worn).sum()), len(chances))
        figures[what] = {
            "faces": len(chances),
            "%": round(100 * interval.rate, 2),
            "interval": [round(100 * interval.low, 2), round(100 * interval.high, 2)],
        }
    return figures


def faces_of(engine: Engine, paths: Sequence[Path]) -> Iterator[Crops]:
    """The aligned crop of the largest face of each picture; where none is found, nothing."""
    for path in track(paths, "finding faces"):
        image = np.ascontiguousarray(np.asarray(cv2.imread(str(path)), np.uint8)[:, :, ::-1])
        faces = engine.pictures([image])[0].faces
        if faces:
            yield align(image, faces[0].detection.landmarks)


def kept(path: Path, made: Callable[[], Iterator[Crops]]) -> Crops:
    """What ``made`` gives as one array, from ``path`` where it was made before: faces are found once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack(list(made())))
    return np.asarray(np.load(path))


def labelled(data: Path, labels: Path, back: bool) -> Iterator[Crops]:
    """RWMFD's masked faces, of people who are ``held_back`` or of the others, by their labelled points."""
    for face in read_labels(labels / "rwmfd.tsv.xz"):
        if held_back(face.path.split("/")[0]) is back:
            image = np.asarray(cv2.imread(str(data / "rwmfd" / face.path)), np.uint8)
            yield align(np.ascontiguousarray(image[:, :, ::-1]), face.landmarks)


def chances(extractor: NetworkExtractor, network: OcclusionNet, crops: Crops) -> Chances:
    """The chance [n] of each of the ``crops`` [n, 112, 112, 3] that a face mask is worn."""
    embeddings, _, maps = extractor.stages(crops)
    return answers(network, None, embeddings, maps).worn


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in ("data", "labels", "cache", "card", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--found", type=Path, required=True, help="folder where the faces found are kept")
    parser.add_argument("--model", default="fast", help="the model whose extractor the card fits")
    parser.add_argument("--pictures", type=int, default=1500, help="with a mask, and as many without, to choose on")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    card, raw = read_card(args.card), json.loads((args.card / CARD).read_text(encoding="utf-8"))
    network = load_part(card, "estimator")
    assert isinstance(network, OcclusionNet)
    extractor = load_extractor(find_card(args.model, [SHIPPED]), tap=tap_of(card))
    engine = Engine.load(args.cache, args.model)

    def folder(kind: str, parts: Sequence[str], count: int) -> Chances:
        paths = [path for part in parts for path in (args.data / "mask_12k" / part / kind).iterdir()]
        some = chosen(paths, count)
        crops = kept(args.found / f"{kind}-{'-'.join(parts)}-{len(some)}.npy", lambda: faces_of(engine, some))
        return chances(extractor, network, crops)

    def people(back: bool) -> Chances:
        return chances(extractor, network, np.stack(list(labelled(args.data, args.labels, back))))

    apart, test = ("Train", "Validation"), ("Test",)
    known = Faces(folder("WithMask", apart, args.pictures), folder("WithoutMask", apart, args.pictures))
    unseen = Faces(folder("WithMask", test, ALL), folder("WithoutMask", test, ALL))
    here, there = people(back=False), people(back=True)
    worn = worn_from(known.bare)
    about = {
        "what": WHAT,
        "Face Mask 12K, Train and Validation: chosen on": told(known, worn),
        "Face Mask 12K, Test": told(unseen, worn),
        "RWMFD, half": told(Faces(here, known.bare), worn)["masks found"],
        "RWMFD, the half held back": told(Faces(there, unseen.bare), worn)["masks found"],
    }
    others = [
        {"alarms": alarms, "worn": worn_from(known.bare, alarms), **told(unseen, worn_from(known.bare, alarms))}
        for alarms in (0.005, ALARMS, 0.02)
    ]
    before = [one for one in raw["metrics"] if one.get("what") != WHAT]
    written = write_card(
        args.card, {**raw, "calibration": {**raw["calibration"], "worn": worn}, "metrics": [*before, about]}
    )
    args.out.mkdir(parents=True, exist_ok=True)
    report = {"model": written.model_id, "worn": worn, **about, "at other rates": others}
    (args.out / "masks-worn.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
