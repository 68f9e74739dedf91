"""A finished run becomes a model that ships: float16 safetensors and the card that vouches for them.

    python -m training.export --run RUN --name fast --facts training/cards/fast.json \\
        --crops DIR --leave-out DIR --targets DIR --landmarks app/weights/landmarks-profile --out app/weights

G is trained here too (none with ``--no-frontalizer``). The tables FMR -> threshold come from frontalized embeddings of
people whom no training saw (``training.thresholds``).
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from app.face.nets.heads import Frontalizer
from app.face.weights import ModelCard, read_card, write_card
from training.branch import MainBranch
from training.data.store import UNNAMED, open_store
from training.frontalization import Config as FrontalizerConfig
from training.frontalization import Features, apply
from training.frontalizer import fit
from training.strangers import embed_store, left_out_people, what_teacher_says, without_profile_test
from training.thresholds import measured_on_strangers

SPLITS = Path(__file__).parent / "data" / "splits.json"


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in float16, contiguous, as they are stored."""
    return {name: value.detach().to(torch.float16).contiguous() for name, value in state.items()}


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(half(state), path)


def export(
    name: str, branch: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any], landmarks: Path, out: Path
) -> ModelCard:
    """Write ``out/<name>/``: extractor, frontalizer (where there is one), landmark refiner, and the card.

    ``branch`` maps a part to its state dict; ``facts`` is the rest of the card, with ``architectures`` that
    name each part's network and arguments. ``landmarks`` is the refiner's folder, whose part is taken over.
    """
    folder = out / name
    refiner = read_card(landmarks)
    part = refiner.parts["landmarks"]
    parts: dict[str, dict[str, Any]] = {}
    for kind, state in branch.items():
        save_weights(state, folder / f"{kind}.safetensors")
        parts[kind] = {**facts["architectures"][kind], "file": f"{kind}.safetensors"}
    shutil.copyfile(landmarks / str(part.file), folder / "landmarks.safetensors")
    parts["landmarks"] = {
        "architecture": part.architecture,
        "kwargs": dict(part.kwargs),
        "file": "landmarks.safetensors",
    }
    card = {key: value for key, value in facts.items() if key != "architectures"}
    return write_card(folder, {"name": name, "kind": "extractor", **card, "parts": parts})


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--leave-out", type=Path, required=True)
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("--targets", type=Path, required=True, help="folder of training.targets")
    parser.add_argument("--frontalizer", type=json.loads, default={}, help="JSON: fields of its Config that differ")
    parser.add_argument("--no-frontalizer", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    facts = json.loads(args.facts.read_text(encoding="utf-8"))
    state = torch.load(args.run / "last.pt", map_location="cpu", weights_only=True)
    width = int(state["config"]["width"])
    branch = MainBranch(width, len(state["average"]["identity.weight"]), state["config"]["margin"])
    branch.load_state_dict(state["average"])
    branch.extractor.load_state_dict({k: v.float() for k, v in half(branch.extractor.state_dict()).items()})
    branch.eval().requires_grad_(False)

    parts: dict[str, Mapping[str, Tensor]] = {"extractor": branch.extractor.state_dict()}
    facts["architectures"] = {"extractor": {"architecture": "edgenext", "kwargs": {"width": width}}}
    strangers = left_out_people(args.crops, args.leave_out)
    kept = args.run / f"strangers-{state['step']}.npy"
    if not kept.exists():
        np.save(kept, embed_store(branch.extractor, strangers))
    vectors = np.load(kept)
    chosen: dict[str, float] = {}
    if not args.no_frontalizer:
        config = FrontalizerConfig(**args.frontalizer)
        unseen = without_profile_test(strangers, vectors, args.targets, args.crops)
        g, chosen = _frontalizer(branch, state, unseen, args, config)
        vectors = apply(g, vectors)
        parts["frontalizer"] = g.state_dict()
        kwargs = {"width": width, "hidden": config.hidden, "gated": config.gated}
        facts["architectures"]["frontalizer"] = {"architecture": "frontalizer", "kwargs": kwargs}
    tables, about = measured_on_strangers(vectors, strangers, what_teacher_says(strangers, args.targets))
    facts.update(tables)
    facts["split_hashes"] = {
        name: found["kept_sha256"] for name, found in json.loads(SPLITS.read_text())["sets"].items()
    }
    facts["metrics"] = []
    if chosen:
        facts["metrics"].append({"what": "frontalizer, people it did not see, profiles to frontal", **chosen})
    facts["metrics"].append(about)
    card = export(args.name, parts, facts, args.landmarks, args.out)
    print(f"{card.model_id}: {about}")


def _frontalizer(
    branch: MainBranch, state: Mapping[str, Any], unseen: Features, args: argparse.Namespace, config: FrontalizerConfig
) -> tuple[Frontalizer, dict[str, float]]:
    """G for the people that E was trained with; how far it goes chosen on people whom E did not see."""
    sets = tuple(name for name in state["config"]["sets"] if name not in UNNAMED)
    dropped = {name: (args.leave_out / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in sets}
    store = open_store(args.crops, sets, dropped)
    kept = args.run / f"named-{state['step']}.npy"
    if not kept.exists():
        np.save(kept, embed_store(branch.extractor, store))
    return fit(Features(np.load(kept), store.identity, store.yaw), unseen, config)


if __name__ == "__main__":
    main()
