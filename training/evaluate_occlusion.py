"""What the mask is worth: covered faces against bare ones, with it and without, and real face masks.

    python -m training.evaluate_occlusion --crops CROPS --labels LABELS --data DATA --templates TEMPLATES \\
        --lfw-pairs PAIRS --weights app/weights --out REPORT

Works on aligned crops, so that the detector's part is left out. One side of each pair of LFW's View 2 and of CFP-FF
wears a cover that no training saw (fixed seed); in a second round every left LFW picture wears a face mask from a
template that no training saw. MFR2, RWMFD and UTKFace are real pictures as they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import roc_auc_score
from torch import nn

from app.face.align import align
from app.face.attributes import Place
from app.face.extract import NetworkExtractor, load_extractor
from app.face.nets.occlusion import OcclusionNet
from app.face.occlusion import load_unmasker, tap_of
from app.face.patterns import overlap
from app.face.weights import SHIPPED, find_card, load_part
from training.benchmarks import Pairs, cfp_pairs, named_pairs, scores_of, verify
from training.data.cover import Occluder, paint
from training.data.covered_crops import frames
from training.data.crops import read_labels
from training.data.mask_templates import read_templates
from training.data.occluders import TEST, draw, with_templates
from training.occlusion_card import Answers, answers
from training.occlusion_maps import standard, truth
from training.protocols import wilson

Crops = NDArray[np.uint8]

CHUNK: Final = 256
RACES: Final = ("white", "black", "asian", "indian", "others")
"""As UTKFace numbers them in its file names."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Pictures [n]: E's unit embeddings, the same through G, and what the mask decoder makes of them."""

    own: NDArray[np.float32]
    own_turned: NDArray[np.float32]
    said: Answers


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """E, the mask decoder that fits it, and G."""

    extractor: NetworkExtractor
    network: OcclusionNet
    g: nn.Module | None
    worn: float

    def see(self, count: int, crop: Callable[[int], Crops], what: str) -> Seen:
        """``crop(i)`` gives the i-th picture uint8 [112, 112, 3]."""
        own, said = [], []
        for start in track(range(0, count, CHUNK), what):
            crops = np.stack([crop(i) for i in range(start, min(start + CHUNK, count))])
            embeddings, _, before = self.extractor.stages(crops)
            own.append(embeddings)
            said.append(answers(self.network, self.g, embeddings, before))
        raw = np.concatenate(own)
        joined = {name: np.concatenate([getattr(one, name) for one in said]) for name in Answers.__slots__}
        turned = raw if self.g is None else self.g(torch.from_numpy(raw)).numpy()
        return Seen(raw, turned, Answers(**joined))


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """Covered pictures of chosen rows: their place by row, and the true patterns."""

    place: NDArray[np.int64]
    seen: Seen
    pattern: NDArray[np.int64]


def painted(
    model: Model, name: str, rows: NDArray[np.int64], folders: Folders, occluders: Mapping[str, tuple[Occluder, float]]
) -> Painted:
    """Each of ``rows`` of a crop file under one of ``occluders``, drawn from the row's number."""
    crops, axes = folders.file(name), frames(name, folders.crops, folders.labels)
    patterns = np.zeros(len(rows), np.int64)

    def covered(i: int) -> Crops:
        rng = np.random.default_rng([17, int(rows[i])])
        other = standard(crops[int(rng.integers(len(crops)))])
        picture, pixels = paint(standard(crops[rows[i]]), draw(occluders, axes[rows[i]], other, rng)[1])
        patterns[i] = truth(pixels)[1]
        return picture

    seen = model.see(len(rows), covered, f"{name} covered")
    place = np.full(len(crops), -1, np.int64)
    place[rows] = np.arange(len(rows))
    return Painted(place, seen, patterns)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the crops, the labels and the pictures of the sets lie."""

    crops: Path
    labels: Path
    data: Path

    def file(self, name: str) -> Crops:
        return np.asarray(np.load(self.crops / f"{name}.npy", mmap_mode="r"))

    def paths(self, name: str) -> list[str]:
        lines = (self.crops / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        return [line.split("\t")[0] for line in lines]


def compared(pairs: Pairs, left: Seen, right: Seen, place: NDArray[np.int64] | None = None) -> dict[str, Any]:
    """Accuracy over the folds in percent and FNMR at FMR 1e-3, of E and of what is served, before and after G.

    ``place`` finds the left pictures in ``left`` by their row; None: they are in the order of the rows.
    """
    at = pairs.left if place is None else place[pairs.left]
    figures = {}
    for kind, a, b in (
        ("E", left.own, right.own),
        ("E and mask", left.said.served, right.said.served),
        ("E and G", left.own_turned, right.own_turned),
        ("E, mask and G", left.said.turned, right.said.turned),
    ):
        both = np.concatenate([a, b])
        joint = Pairs(pairs.name, at, pairs.right + len(a), pairs.mated, pairs.folds)
        found = verify(joint, scores_of(joint, both))
        figures[kind] = {
            "accuracy": round(100 * found.folded.mean, 2),
            "interval": [round(100 * found.interval.low, 2), round(100 * found.interval.high, 2)],
            "FNMR at FMR 1e-3": round(100 * (1 - found.tpr_1e3), 2),
        }
    return figures


def pattern_figures(found: Painted) -> dict[str, float]:
    said = found.seen.said
    overlaps = [overlap(int(a), int(b)) for a, b in zip(said.pattern, found.pattern, strict=True)]
    return {
        "top-1": round(100 * float((said.pattern == found.pattern).mean()), 2),
        "mean IoU": round(float(np.mean(overlaps)), 3),
        "said to be covered": round(100 * float((said.occluded >= 0.5).mean()), 2),
    }


def masks_worn(model: Model, folders: Folders, bare: NDArray[np.float32]) -> dict[str, Any]:
    """Real face masks: MFR2 by its labels, RWMFD's against ``bare``, the chances of LFW's pictures."""
    lines = (folders.data / "mfr2" / "mfr2_labels.txt").read_text(encoding="utf-8").splitlines()
    fields = [[field.strip() for field in line.split(",")] for line in lines if line.count(",") == 2]
    label = {f"{who}/{who}_{int(number):04d}.png": kind != "no-mask" for who, number, kind in fields}
    paths, crops = folders.paths("mfr2"), folders.file("mfr2")
    known = [i for i, path in enumerate(paths) if path in label]
    mfr2 = model.see(len(known), lambda i: standard(crops[known[i]]), "mfr2").said.worn
    truths = np.array([label[paths[i]] for i in known])
    faces = list(read_labels(folders.labels / "rwmfd.tsv.xz"))

    def masked(i: int) -> Crops:
        image = np.asarray(cv2.imread(str(folders.data / "rwmfd" / faces[i].path)), np.uint8)
        return align(np.ascontiguousarray(image[:, :, ::-1]), faces[i].landmarks)

    rwmfd = model.see(len(faces), masked, "rwmfd").said.worn
    both = np.concatenate([rwmfd, bare])
    return {
        "MFR2, with against without, AUC": round(float(roc_auc_score(truths, mfr2)), 4),
        "RWMFD against LFW, AUC": round(float(roc_auc_score(np.arange(len(both)) < len(rwmfd), both)), 4),
        "RWMFD found, %": round(100 * float((rwmfd >= model.worn).mean()), 2),
        "MFR2 found, %": round(100 * float((mfr2[truths] >= model.worn).mean()), 2),
        "MFR2 without a mask, false alarms, %": round(100 * float((mfr2[~truths] >= model.worn).mean()), 2),
        "LFW false alarms, %": round(100 * float((bare >= model.worn).mean()), 2),
    }


def false_alarms_by_group(model: Model, folders: Folders, a_group: int = 200) -> dict[str, Any]:
    """UTKFace's adults: faces said to wear a mask, and said to be covered, by the race and sex of their names."""
    paths, crops = folders.paths("utkface"), folders.file("utkface")
    groups: dict[tuple[str, str], list[int]] = {}
    for row, path in enumerate(paths):
        parts = path.split("_")
        if len(parts) == 4 and 20 <= int(parts[0]) <= 70 and parts[2] in "01234":
            groups.setdefault((RACES[int(parts[2])], "men" if parts[1] == "0" else "women"), []).append(row)
    rng, figures = np.random.default_rng(3), {}
    for (race, sex), rows in sorted(groups.items()):
        some = rng.choice(rows, min(a_group, len(rows)), replace=False)
        said = model.see(len(some), lambda i, some=some: standard(crops[some[i]]), f"{race} {sex}").said  # type: ignore[misc]
        masks, covered = (int((one >= limit).sum()) for one, limit in ((said.worn, model.worn), (said.occluded, 0.5)))
        interval = wilson(masks, len(some))
        figures[f"{race} {sex}"] = {
            "mask, %": round(100 * masks / len(some), 1),
            "at most, %": round(100 * interval.high, 1),
            "covered, %": round(100 * covered / len(some), 1),
        }
    return figures


def sheet(folders: Folders, chance: NDArray[np.float32], out: Path, count: int = 60) -> None:
    """The bare LFW faces that look most like a face mask, to be looked at."""
    crops = folders.file("lfw")
    worst = [standard(crops[i]) for i in np.argsort(-chance)[:count]]
    rows = [np.hstack(worst[at : at + 10]) for at in range(0, count, 10)]
    cv2.imwrite(str(out), np.vstack(rows)[:, :, ::-1])


def cost(model: str, weights: Path, crop: Crops, repeats: int = 200) -> dict[str, float]:
    """Processor milliseconds a face, one thread, as served: E, and what the mask adds."""
    card, covers = find_card(model, [weights, SHIPPED]), find_card("occlusion", [weights])
    extractor, unmasker = load_extractor(card, tap=tap_of(covers)), load_unmasker(covers, Place())
    embeddings, _, before = extractor.stages(crop[None])
    spent = []
    for run in (lambda: extractor.stages(crop[None]), lambda: unmasker.see(embeddings, before)):
        times = []
        for _ in range(repeats):
            start = process_time()
            run()
            times.append(process_time() - start)
        spent.append(round(1000 * float(np.median(times)), 3))
    return {"E, ms": spent[0], "the mask, ms more": spent[1]}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in ("crops", "labels", "data", "templates", "lfw-pairs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder of both models")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    folders = Folders(args.crops, args.labels, args.data)
    card, covers = find_card(args.model, [args.weights, SHIPPED]), find_card("occlusion", [args.weights])
    network = load_part(covers, "estimator")
    assert isinstance(network, OcclusionNet)
    g = load_part(card, "frontalizer") if "frontalizer" in card.parts else None
    model = Model(load_extractor(card, tap=network.blocks), network, g, float(covers.calibration["worn"]))
    masks = read_templates(args.templates)
    anything = with_templates(TEST, masks, test=True)
    only_masks = with_templates({}, masks, test=True)
    report: dict[str, Any] = {"model": card.model_id, "occlusion": covers.model_id}

    lfw, crops = named_pairs("LFW", args.lfw_pairs, folders.paths("lfw")), folders.file("lfw")
    bare = model.see(len(crops), lambda i: standard(crops[i]), "lfw bare")
    report["LFW bare"] = compared(lfw, bare, bare)
    cosine = (bare.own * bare.said.served).sum(axis=1)
    report["bare LFW faces"] = {
        "cosine before and after, mean": round(float(cosine.mean()), 5),
        "bit-equal, %": round(100 * float((bare.own == bare.said.served).all(axis=1).mean()), 2),
        "5th percentile": round(float(np.quantile(cosine, 0.05)), 4),
    }
    left = np.unique(lfw.left)
    for what, occluders in (("LFW, one side covered", anything), ("LFW, a face mask on one side", only_masks)):
        worn = painted(model, "lfw", left, folders, occluders)
        report[what] = {**compared(lfw, worn.seen, bare, worn.place), "pattern": pattern_figures(worn)}
    ff, crops_ff = cfp_pairs("FF", args.data / "cfp_all" / "Protocol", folders.paths("cfp")), folders.file("cfp")
    bare_ff = model.see(len(crops_ff), lambda i: standard(crops_ff[i]), "cfp bare")
    worn = painted(model, "cfp", np.unique(ff.left), folders, anything)
    report["CFP-FF, one side covered"] = {
        **compared(ff, worn.seen, bare_ff, worn.place),
        "pattern": pattern_figures(worn),
    }
    mfr2, crops_mfr2 = folders.paths("mfr2"), folders.file("mfr2")
    real = model.see(len(crops_mfr2), lambda i: standard(crops_mfr2[i]), "mfr2")
    report["MFR2"] = compared(named_pairs("MFR2", args.data / "mfr2" / "pairs.txt", mfr2, ".png"), real, real)
    report["face masks"] = masks_worn(model, folders, bare.said.worn)
    report["false alarms"] = false_alarms_by_group(model, folders)
    report["cost"] = cost(args.model, args.weights, standard(crops[0]))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "occlusion.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sheet(folders, bare.said.worn, args.out / "most-like-masks.png")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
