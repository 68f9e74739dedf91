"""Weights to a report: every test set, every protocol, the bars beside.

    python -m training.evaluate --data DIR --labels DIR --crops DIR --cache DIR [--extractor MODEL] --out REPORT

``--engine mtcnn`` sends picture files through the real engine, detector and all; ``--engine labels`` cuts faces by
the labels. MODEL is a model id, ``packaged``, or an ONNX file with or without its card beside it. Embeddings are
kept in ``--cache``, so a second run costs a minute.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from app.face.engine import PACKAGED, Engine
from app.face.thresholds import ThresholdTable
from training import benchmarks, frontalization, identification, protocols, report
from training.benchmarks import Embedded, Frontalize, Pairs, TrainFrontalizer, Verified
from training.calibration import calibration
from training.data.crops import MARGIN
from training.data.leaks import lag_test_people
from training.data.readers import utkface
from training.embeddings import onnx_extractor
from training.results import Results, View, metrics, pairs_table, table
from training.sources import Folders, LabelledCrops, Source, ThroughEngine

TESTS: Final = ("lfw", "cfp", "lag", "mfr2", "distractors", "groups")
AGES: Final = ((0, 12), (13, 19), (20, 39), (40, 59), (60, 120))


@dataclass(frozen=True, slots=True)
class Protocols:
    """Files beside the pictures: LFW's View-2 list, CFP's ``Protocol`` folder, MFR2's list, lists of distractors."""

    lfw: Path
    cfp: Path
    mfr2: Path
    distractors: Path


def evaluate(
    source: Source,
    files: Protocols,
    results: Results,
    tests: Sequence[str] = TESTS,
    g: Frontalize | None = None,
    searches: ThresholdTable | None = None,
    train_g: TrainFrontalizer | None = None,
) -> Results:
    """Fill ``results``. ``g`` adds the view "G", ``searches`` what the service makes of it by that table;
    ``train_g`` the view "G, nine folds" on CFP."""
    views: dict[str, Frontalize | None] = {"E": None}
    if g is not None:
        views["G"] = g
    sets = _Sets(source, results)
    for name, frontalize in views.items():
        view = results.views.setdefault(name, View())
        if "lfw" in tests:
            _lfw(view, sets.seen("lfw", frontalize), files, searches if frontalize is g else None)
        if "cfp" in tests:
            _cfp(view, sets.seen("cfp", frontalize), files, searches if frontalize is g else None)
        if "lag" in tests:
            lag = sets.seen("lag", frontalize)
            _verify(view, benchmarks.lag_pairs(lag.paths, lag_test_people()), lag)
        if "mfr2" in tests:
            mfr2 = sets.seen("mfr2", frontalize)
            _verify(view, benchmarks.named_pairs("MFR2", files.mfr2, mfr2.paths, ".png"), mfr2)
        if "distractors" in tests:
            _distractors(view, sets, frontalize, files, results, searches if frontalize is g else None)
        if "groups" in tests:
            _groups(view, sets, frontalize, files, results)
    if train_g is not None and "cfp" in tests:
        results.views["G, nine folds"] = _nine_folds(sets.seen("cfp", None), files, train_g)
    return results


@dataclass(frozen=True, slots=True)
class _Sets:
    source: Source
    results: Results

    def seen(self, name: str, frontalize: Frontalize | None) -> Embedded:
        embedded = self.source.embedded(name)
        self.results.lost[name] = (int(embedded.lost.sum()), len(embedded.paths))
        return embedded if frontalize is None else embedded.through(frontalize)


def _verify(view: View, pairs: Pairs, embedded: Embedded) -> Verified:
    found = benchmarks.verify(pairs, benchmarks.scores_of(pairs, embedded.vectors))
    view.verified[pairs.name] = found
    return found


def _lfw(view: View, lfw: Embedded, files: Protocols, searches: ThresholdTable | None) -> None:
    pairs = benchmarks.named_pairs("LFW", files.lfw, lfw.paths)
    _verify(view, pairs, lfw)
    view.all_pairs = benchmarks.all_pairs_of(pairs, lfw)
    view.calibration = calibration(lfw, searches) if searches else []


def _cfp(view: View, cfp: Embedded, files: Protocols, searches: ThresholdTable | None) -> None:
    for kind in ("FF", "FP"):
        _verify(view, benchmarks.cfp_pairs(kind, files.cfp, cfp.paths), cfp)
    view.open_set = identification.open_set(cfp, searches=searches)
    found, probes = identification.frontal_gallery(cfp)
    view.by_yaw = identification.rank_by_yaw(found, cfp.yaw[probes])
    for name, part in protocols.by_difficulty(cfp.yaw[probes]).items():
        view.cmc[name] = protocols.cmc(found.rank[part])


def _nine_folds(cfp: Embedded, files: Protocols, train_g: TrainFrontalizer) -> View:
    lists = [benchmarks.cfp_pairs(kind, files.cfp, cfp.paths) for kind in ("FF", "FP")]
    found = benchmarks.with_folds_of_g(lists, benchmarks.people_of(cfp.paths), cfp, train_g)
    return View({one.pairs.name: one for one in found})


def _left_out(files: Protocols, name: str) -> frozenset[str] | None:
    listing = files.distractors / f"{name}.txt"
    return frozenset(listing.read_text(encoding="utf-8").splitlines()) if listing.exists() else None


def _kept(embedded: Embedded, left_out: frozenset[str]) -> NDArray[np.bool_]:
    return np.array([path not in left_out for path in embedded.paths]) & ~embedded.lost


def _distractors(
    view: View,
    sets: _Sets,
    g: Frontalize | None,
    files: Protocols,
    results: Results,
    searches: ThresholdTable | None,
) -> None:
    strangers = []
    for name in ("lfw", "utkface"):
        left_out = _left_out(files, name)
        if left_out is None:
            results.skipped["search among distractors"] = f"no list of {name}'s pictures of CFP's people"
            return
        embedded = sets.seen(name, g)
        strangers.append(embedded.vectors[_kept(embedded, left_out)])
    cfp, crowd = sets.seen("cfp", g), np.concatenate(strangers)
    view.by_size = identification.against_gallery_size(cfp, crowd, searches=searches)


def _groups(view: View, sets: _Sets, g: Frontalize | None, files: Protocols, results: Results) -> None:
    left_out = _left_out(files, "utkface")
    if view.all_pairs is None or left_out is None:
        results.skipped["false matches by group"] = "needs lfw for its threshold, and utkface's list of repeated people"
        return
    threshold = view.all_pairs.threshold_at(1e-4)
    faces = sets.seen("utkface", g)
    kept = np.flatnonzero(_kept(faces, left_out))
    rows = [utkface(faces.paths[i]) for i in kept.tolist()]
    ages = [_age_group(row.age if row else None) for row in rows]
    title = f"UTKFace, at LFW's threshold for FMR 1e-4 ({threshold:.3f}), by"
    skin = [row.group if row else None for row in rows]
    view.groups[f"{title} skin tone"] = identification.fmr_by_group(faces.vectors[kept], skin, threshold)
    view.groups[f"{title} age"] = identification.fmr_by_group(faces.vectors[kept], ages, threshold)


def _age_group(age: int | None) -> str | None:
    return next((f"{low:02d} to {high}" for low, high in AGES if age is not None and low <= age <= high), None)


def source_of(engine: Engine, folders: Folders, extractor: str, faces: str) -> Source:
    """Pictures through ``engine`` (``faces`` is ``mtcnn``), or the labels' crops through its extractor alone."""
    if faces == "mtcnn":
        return ThroughEngine(folders, engine)
    if extractor.endswith(".onnx"):
        return LabelledCrops(folders, Path(extractor).stem, onnx_extractor(Path(extractor)))
    return LabelledCrops(folders, engine.extractor, partial(engine.embed_crops, margin=MARGIN), whole=True)


def _train_g(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], yaw: NDArray[np.float32]
) -> benchmarks.Frontalize:
    data = frontalization.Features(embeddings, people, yaw)
    g = frontalization.train(data, frontalization.fit_classifiers(data), frontalization.Config())
    return partial(frontalization.apply, g)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder of pictures a set")
    parser.add_argument("--labels", type=Path, required=True, help="folder of <set>.tsv.xz")
    parser.add_argument("--crops", type=Path, required=True, help="folder for aligned crops, filled where empty")
    parser.add_argument("--cache", type=Path, required=True, help="folder for embeddings, filled where empty")
    parser.add_argument("--leaks", type=Path, help="what training.data.leaks wrote; default <cache>/leaks")
    parser.add_argument("--lfw-pairs", type=Path, help="default <labels>/../protocols/lfw_pairs.txt")
    parser.add_argument("--cfp-protocol", type=Path, help="default: Protocol beside the set's Data folder")
    parser.add_argument("--engine", choices=("mtcnn", "labels"), default="mtcnn", help="how faces are found")
    parser.add_argument("--extractor", default=PACKAGED, help="model id, packaged, or FILE.onnx")
    parser.add_argument("--weights", type=Path, action="append", default=[], help="a folder of model cards")
    parser.add_argument(
        "--nine-folds", action="store_true", help="also train G on nine folds of CFP, test on the tenth"
    )
    parser.add_argument("--only", default=",".join(TESTS), help=f"some of {','.join(TESTS)}")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.html and metrics.json")
    args = parser.parse_args(argv)
    tests = args.only.split(",")
    if unknown := set(tests) - set(TESTS):
        parser.error(f"no test is named {', '.join(sorted(unknown))}")
    folders = Folders(args.data, args.labels, args.crops, args.cache)
    engine = Engine.load(args.cache / "converted", args.extractor, args.weights)
    files = Protocols(
        args.lfw_pairs or args.labels.parent / "protocols" / "lfw_pairs.txt",
        args.cfp_protocol or (args.data / "cfp").resolve().parent.parent / "Protocol",
        args.data / "mfr2" / "pairs.txt",
        (args.leaks or args.cache / "leaks") / "distractors",
    )
    source = source_of(engine, folders, args.extractor, args.engine)
    found_by = f"{engine.detector}, full pipeline" if args.engine == "mtcnn" else "labelled landmarks"
    results = evaluate(
        source,
        files,
        Results(engine.model_id, found_by),
        tests,
        engine.frontalize if "frontalizer" in engine.card.parts else None,
        engine.search_thresholds,
        _train_g if args.nine_folds else None,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "metrics.json").write_text(json.dumps(metrics(results), indent=2) + "\n", encoding="utf-8")
    sets = {"LFW": "lfw", "CFP-FF": "cfp", "CFP-FP": "cfp", "LAG": "lag", "MFR2": "mfr2"}
    page = report.write(results, lambda name, row: source.crop(sets[name], row), args.out)
    console = Console()
    console.print(table(results), pairs_table(results))
    console.print(f"{page}")


if __name__ == "__main__":
    main()
