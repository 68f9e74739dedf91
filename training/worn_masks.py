"""Whether a face mask is worn: the reader taught on photographs, and from which chance on it counts.

    python -m training.worn_masks --data DATA --labels LABELS --cache CACHE --found FOUND \\
        --card app/weights/occlusion --out REPORT

Painted masks teach it little: a network is surer of what it was taught with than of real cloth. So the last layer of
this one answer is fitted anew, by logistic regression on what the network sees in photographs of Face Mask 12K's
``Train`` and ``Validation``; mask, embeddings, cover and pattern stay as they were. The threshold is that at which
``ALARMS`` of other bare faces of the same folders are taken for masked. Reported on ``Test`` and on RWMFD. Weights and
threshold go into the card's folder; running it again changes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from app.face.engine import Engine
from app.face.extract import NetworkExtractor, load_extractor
from app.face.nets.occlusion import SAYS_WORN, OcclusionNet
from app.face.occlusion import tap_of
from app.face.weights import CARD, SHIPPED, find_card, load_part, read_card, write_card
from training.export import half, save_weights
from training.mask_photographs import Crops, MaskPhotographs
from training.protocols import threshold_at, wilson

Chances = NDArray[np.float32]

ALARMS: Final = 0.01
CHOOSES: Final = 1500
"""Pictures with a mask, and as many without, that the threshold is chosen on."""
TEACHES: Final = 3000
"""The same, others, that the reader is taught on."""
ALL: Final = 10_000
EVENNESS: Final = 1e-3
"""Inverse of the logistic regression's ridge, on features of unit variance: a tenth and ten times it read the same."""
APART: Final = ("Train", "Validation")
TEST: Final = ("Test",)
WHAT: Final = "face masks on photographs"
TAUGHT_ON: Final = "whether a face mask is worn: photographs of Face Mask 12K"
"""What the card says of the data."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What is known of faces that wear a mask [n, ...], and of bare ones [m, ...]: features, or chances."""

    masked: NDArray[np.float32]
    bare: NDArray[np.float32]


def worn_from(bare: Chances, alarms: float = ALARMS) -> float:
    """The lowest chance, rounded up to four digits, that at most ``alarms`` of the bare faces [n] reach."""
    return float(np.ceil(threshold_at(bare, alarms) * 1e4 - 1e-3) / 1e4)


def told(faces: Faces, worn: float) -> dict[str, Any]:
    """Masks found and false alarms at a threshold, in percent with their 95 % intervals, and the AUC, by chances."""
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


def taught(faces: Faces) -> tuple[NDArray[np.float32], float]:
    """Weight [c] and bias whose logistic function of features [n, c] tells the masked from the bare."""
    both = np.concatenate([faces.masked, faces.bare]).astype(np.float64)
    centre, spread = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-6)
    model = LogisticRegression(C=EVENNESS, max_iter=2000)
    model.fit((both - centre) / spread, np.arange(len(both)) < len(faces.masked))
    weight = model.coef_[0] / spread
    return weight.astype(np.float32), float(model.intercept_[0] - weight @ centre)


def features(extractor: NetworkExtractor, network: OcclusionNet, crops: Crops) -> NDArray[np.float32]:
    """What the reader reads [n, c] in ``crops`` [n, 112, 112, 3]."""
    _, _, maps = extractor.stages(crops)
    with torch.inference_mode():
        parts = torch.from_numpy(maps.astype(np.float32)).split(128)
        return np.concatenate([network.read(network.look(part)).numpy() for part in parts])


def says(network: OcclusionNet, seen: NDArray[np.float32]) -> Chances:
    """The chance [n] that a face mask is worn, of ``features`` [n, c]."""
    with torch.inference_mode():
        chances: Chances = torch.sigmoid(network.said(torch.from_numpy(seen)))[:, SAYS_WORN].numpy()
    return chances


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in ("data", "labels", "cache", "card", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--found", type=Path, required=True, help="folder where the faces found are kept")
    parser.add_argument("--model", default="fast", help="the model whose extractor the card fits")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    card, raw = read_card(args.card), json.loads((args.card / CARD).read_text(encoding="utf-8"))
    network = load_part(card, "estimator")
    assert isinstance(network, OcclusionNet)
    extractor = load_extractor(find_card(args.model, [SHIPPED]), tap=tap_of(card))
    photographs = MaskPhotographs(args.data, args.labels, args.found, Engine.load(args.cache, args.model))

    def seen(parts: Sequence[str], first: int, count: int) -> Faces:
        kinds = (photographs.folder(kind, parts, first, count) for kind in ("WithMask", "WithoutMask"))
        return Faces(*(features(extractor, network, crops) for crops in kinds))

    def said(faces: Faces) -> Faces:
        return Faces(says(network, faces.masked), says(network, faces.bare))

    teaching, choosing, testing = seen(APART, CHOOSES, TEACHES), seen(APART, 0, CHOOSES), seen(TEST, 0, ALL)
    weight, bias = taught(teaching)
    with torch.no_grad():
        network.said.weight[SAYS_WORN] = torch.from_numpy(weight)
        network.said.bias[SAYS_WORN] = bias
    network.load_state_dict({name: value.float() for name, value in half(network.state_dict()).items()})
    known, unseen = said(choosing), said(testing)
    here, there = (says(network, features(extractor, network, photographs.people(back))) for back in (False, True))
    worn = worn_from(known.bare)
    about = {
        "what": WHAT,
        "taught on": {"with a mask": len(teaching.masked), "without": len(teaching.bare)},
        "Face Mask 12K, Train and Validation: chosen on": told(known, worn),
        "Face Mask 12K, Test": told(unseen, worn),
        "RWMFD, half": told(Faces(here, known.bare), worn)["masks found"],
        "RWMFD, the half held back": told(Faces(there, unseen.bare), worn)["masks found"],
    }
    others = [
        {"alarms": alarms, "worn": worn_from(known.bare, alarms), **told(unseen, worn_from(known.bare, alarms))}
        for alarms in (0.005, ALARMS, 0.02)
    ]
    renewed = {
        "calibration": {**raw["calibration"], "worn": worn},
        "training_data": [*(one for one in raw["training_data"] if one != TAUGHT_ON), TAUGHT_ON],
        "metrics": [*(one for one in raw["metrics"] if one.get("what") != WHAT), about],
    }
    save_weights(network.state_dict(), args.card / raw["parts"]["estimator"]["file"])
    written = write_card(args.card, {**raw, **renewed})
    args.out.mkdir(parents=True, exist_ok=True)
    report = {"model": written.model_id, "worn": worn, **about, "at other rates": others}
    (args.out / "masks-worn.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
