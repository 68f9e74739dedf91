"""A finished run becomes a model that ships: float16 safetensors and the card that vouches for them.

    python -m training.export --run RUN --name fast --facts training/cards/fast.json \\
        --crops DIR --leave-out DIR --targets DIR --landmarks app/weights/landmarks-profile --out app/weights

G is trained here too (none with ``--no-frontalizer``). The FMR -> threshold table comes
from frontalized embeddings of people whom no training saw: those left out because they are people of a test set,
on other pictures than the test's, scored within each set since two sets may hold the same person twice.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor, nn

from app.face.nets.heads import Frontalizer
from app.face.weights import ModelCard, read_card, write_card
from training.branch import MainBranch, pixels
from training.data.augment import PLAIN, augment
from training.data.store import UNNAMED, CropStore, open_store
from training.embeddings import unit
from training.frontalization import Config as FrontalizerConfig
from training.frontalization import Features, apply
from training.frontalizer import fit

NOT_THE_SAME = 0.4
"""Two people whose mean embeddings by the teacher are less alike than this are surely two."""

SPLITS = Path(__file__).parent / "data" / "splits.json"

TABLE_FMR = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
"""False match rates at which a card gives a threshold."""


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in float16, contiguous, as they are stored."""
    return {name: value.detach().to(torch.float16).contiguous() for name, value in state.items()}


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(half(state), path)


def threshold_table(
    embeddings: NDArray[np.float32],
    people: NDArray[np.int64],
    groups: NDArray[np.integer] | None = None,
    rates: Iterable[float] = TABLE_FMR,
    block: int = 1000,
) -> tuple[list[tuple[float, float]], int]:
    """(FMR, threshold) pairs from all non-mated pairs of unit rows [n, m], and how many pairs there were.

    Only rows of the same group [n] are paired, where groups are given. Rates that fewer than ten scores
    support are left out. A pair matches when its score >= threshold.
    """
    edges = np.linspace(-1, 1, 40_001)
    counts = np.zeros(len(edges) - 1, np.int64)
    groups = np.zeros(len(people), np.int64) if groups is None else groups
    for start in range(0, len(embeddings), block):
        rows = slice(start, start + block)
        scores = embeddings[rows] @ embeddings.T
        later = np.arange(len(embeddings))[None, :] > np.arange(start, start + len(scores))[:, None]
        apart = later & (people[rows, None] != people[None, :]) & (groups[rows, None] == groups[None, :])
        counts += np.histogram(scores[apart], edges)[0]
    total = int(counts.sum())
    above = counts[::-1].cumsum()[::-1] / max(total, 1)
    table = [(rate, round(float(edges[np.argmax(above <= rate)]), 4)) for rate in rates if rate * total >= 10]
    return table, total


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


def embed_store(network: nn.Module, store: CropStore, batch: int = 64) -> NDArray[np.float32]:
    """Unit embeddings [rows, m] of the plain crops of every kept row, on the CPU in float32."""
    out = []
    with torch.inference_mode():
        for start in track(range(0, len(store), batch), "embedding"):
            rows = range(start, min(start + batch, len(store)))
            crops = np.stack([augment(store[i], PLAIN, np.random.default_rng(0))[0] for i in rows])
            out.append(F.normalize(network(pixels(crops, torch.device("cpu")))).numpy())
    return np.concatenate(out)


def left_out_people(crops: Path, left_out: Path, sets: Sequence[str] = ("pins105", "vggface2_69", "lag")) -> CropStore:
    """The pictures of people whom training never saw, from the sets where people have names."""
    dropped = {name: set((left_out / f"{name}.txt").read_text(encoding="utf-8").splitlines()) for name in sets}
    kept = {}
    for name in sets:
        lines = (crops / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        kept[name] = [path for path in (line.split("\t")[0] for line in lines) if path not in dropped[name]]
    return open_store(crops, sets, kept)


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
    facts["thresholds"], pairs = threshold_table(vectors, strangers.identity, strangers.part)
    facts["split_hashes"] = {
        name: found["kept_sha256"] for name, found in json.loads(SPLITS.read_text())["sets"].items()
    }
    facts["metrics"] = []
    if chosen:
        facts["metrics"].append({"what": "frontalizer, people it did not see, profiles to frontal", **chosen})
    facts["metrics"].append({"what": "thresholds", "non_mated_pairs": pairs, "people": strangers.identities})
    card = export(args.name, parts, facts, args.landmarks, args.out)
    print(f"{card.model_id}: {len(facts['thresholds'])} thresholds from {pairs:,} non-mated pairs")


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


def without_profile_test(
    store: CropStore, vectors: NDArray[np.float32], cache: Path, crops: Path, teacher: str = "edgeface_xs"
) -> Features:
    """Of people left out of training those who are not CFP's either, by the teacher's view of them.

    CFP measures profiles, so nothing may be chosen on its people: whoever comes within a cosine of 0.4 of one goes.
    """
    paths = [line.split("\t")[0] for line in (crops / "cfp.tsv").read_text(encoding="utf-8").splitlines()]
    _, people = np.unique([path.split("/")[1] for path in paths], return_inverse=True)
    theirs = _means(np.load(cache / f"cfp_{teacher}.npy"), people)
    rows = store.gather([np.load(cache / f"{name}_{teacher}.npy", mmap_mode="r") for name in store.names])
    nearest = (_means(rows, store.identity) @ theirs.T).max(axis=1)
    kept = (nearest < NOT_THE_SAME)[store.identity]
    return Features(vectors[kept], store.identity[kept], store.yaw[kept])


def _means(vectors: NDArray[np.generic], people: NDArray[np.integer]) -> NDArray[np.float32]:
    sums = np.zeros((int(people.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, people, unit(np.asarray(vectors, np.float32)))
    return unit(sums)


if __name__ == "__main__":
    main()
