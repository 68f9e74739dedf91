"""Give an extractor its frontalizer: any ONNX file, a shipped model, or the packaged one. Minutes on one core.

    python -m training.frontalize --extractor FILE.onnx --crops DIR --cache DIR [--out FOLDER] [--config JSON]

Embeds the crops of people whose names are known, fits the classifiers, trains G (see
``training.frontalization``) and writes ``frontalizer.safetensors``. For an ONNX file it goes beside the file with
the card that the service reads (``FILE.json``), with thresholds measured on people that G did not see.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.face.extract import load_extractor, onnx_card, packaged_card, recut
from app.face.weights import SHIPPED, ModelCard, file_digest, find_card
from training.data.crops import MARGIN
from training.data.store import open_store
from training.embeddings import cached
from training.export import save_weights
from training.frontalization import Config, Features, apply
from training.frontalizer import fit, split_people
from training.thresholds import measured

NAMED_SETS = ("vggface2_69", "pins105", "celeba_wild", "lag")
"""Sets whose people are known by name or folder."""


def extractor_card(extractor: str) -> ModelCard:
    """The card of an ONNX file's path, of ``packaged``, or of a shipped model's name or id."""
    if extractor.endswith(".onnx"):
        return onnx_card(Path(extractor))
    return packaged_card() if extractor == "packaged" else find_card(extractor, [SHIPPED])


def named_features(
    card: ModelCard, crops: Path, cache: Path, leave_out: Path | None, sets: Sequence[str] = NAMED_SETS
) -> Features:
    """Raw embeddings of every crop whose person is known, computed once into ``cache``."""
    extractor = load_extractor(card)

    def embed(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        return extractor.embed(recut(part, MARGIN, extractor))

    dropped = {n: (leave_out / f"{n}.txt").read_text(encoding="utf-8").splitlines() for n in sets} if leave_out else {}
    store = open_store(crops, sets, dropped)
    rows = store.gather([cached(crops / f"{name}.npy", cache, card.extractor, embed, whole=True) for name in sets])
    return Features(np.asarray(rows, np.float32), store.identity, store.yaw)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--extractor", required=True, help="FILE.onnx, packaged, or a shipped model")
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--leave-out", type=Path, help="folder of <set>.txt with paths not to train on")
    parser.add_argument("--config", type=json.loads, default={}, help="JSON object: fields of Config that differ")
    parser.add_argument("--out", type=Path, help="default: beside the ONNX file")
    args = parser.parse_args(argv)
    card = extractor_card(args.extractor)
    config = Config(**args.config)
    data = named_features(card, args.crops, args.cache, args.leave_out)
    seen, unseen = split_people(data)
    g, held_out = fit(seen, unseen, config)
    beside = Path(args.extractor).parent if args.extractor.endswith(".onnx") else Path()
    out: Path = args.out or beside
    file = f"{Path(args.extractor).stem}.frontalizer.safetensors"
    save_weights(g.state_dict(), out / file)
    tables, about = measured(apply(g, unseen.embeddings), unseen.people, unseen.yaw)
    kwargs = {"width": card.width, "hidden": config.hidden, "gated": config.gated}
    facts = {
        "parts": {"frontalizer": {"architecture": "frontalizer", "kwargs": kwargs, "file": file}},
        **tables,
        "metrics": [about | held_out | {"config": asdict(config)}],
    }
    print(json.dumps(facts, indent=2))
    if args.extractor.endswith(".onnx"):
        describe(Path(args.extractor), facts, out)


def describe(extractor: Path, facts: Mapping[str, Any], folder: Path) -> None:
    """Write the ONNX file's card with G's hash: ``FILE.json``, keeping what it said already."""
    path = extractor.with_suffix(".json")
    said = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    parts = {kind: {**part, "sha256": file_digest(folder / part["file"])} for kind, part in facts["parts"].items()}
    path.write_text(json.dumps({**said, **facts, "parts": parts}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
