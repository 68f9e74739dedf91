"""What an evaluation found, the bars it is held to, and the table that is printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from training.benchmarks import Verified
from training.calibration import Calibrated
from training.identification import GroupRate, OpenSet, RankByYaw
from training.protocols import PairCounts

FMR_TABLE: Final = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(slots=True)
class View:
    """Everything measured on one kind of vector: ``E``, ``G`` as shipped, or ``G`` of the nine folds."""

    verified: dict[str, Verified] = field(default_factory=dict)
    all_pairs: PairCounts | None = None
    open_set: list[OpenSet] = field(default_factory=list)
    by_size: list[OpenSet] = field(default_factory=list)
    by_yaw: list[RankByYaw] = field(default_factory=list)
    cmc: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    groups: dict[str, list[GroupRate]] = field(default_factory=dict)
    calibration: list[Calibrated] = field(default_factory=list)


@dataclass(slots=True)
class Results:
    """All views of one extractor, with what was evaluated and how faces were found."""

    extractor: str
    faces_from: str
    views: dict[str, View] = field(default_factory=dict)
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with its bar, both in percent. ``read`` answers ``None`` where the view has no such figure."""

    name: str
    read: Callable[[View], float | None]
    bar: float
    stretch: float
    higher_is_better: bool = True

    def met(self, value: float) -> str:
        """``stretch``, ``bar``, or by how much it is missed."""
        sign = 1 if self.higher_is_better else -1
        if sign * (value - self.stretch) >= -1e-9:
            return "stretch"
        gap = sign * (value - self.bar)
        return "bar" if gap >= -1e-9 else f"missed by {-gap:.2f}"


def _of(pairs: str, read: Callable[[Verified], float]) -> Callable[[View], float | None]:
    return lambda view: 100 * read(view.verified[pairs]) if pairs in view.verified else None


def _fnir(kind: str) -> Callable[[View], float | None]:
    return lambda view: next((100 * one.crowd_1e2.rate for one in view.open_set if one.probes == kind), None)


MEASURES: Final = (
    Measure("LFW accuracy", _of("LFW", lambda v: v.folded.mean), 99.2, 99.6),
    Measure(
        "LFW TAR at FAR 1e-5, all pairs", lambda v: 100 * v.all_pairs.tar_at(1e-5) if v.all_pairs else None, 94, 98
    ),
    Measure("CFP-FF accuracy", _of("CFP-FF", lambda v: v.folded.mean), 99.2, 99.7),
    Measure("CFP-FP accuracy", _of("CFP-FP", lambda v: v.folded.mean), 96.5, 98.2),
    Measure("CFP-FP EER", _of("CFP-FP", lambda v: v.eer), 3.6, 2.0, higher_is_better=False),
    Measure("CFP-FP TPR at FPR 0.1 %", _of("CFP-FP", lambda v: v.tpr_1e3), 82, 92),
    Measure("open set, frontal, FNIR at FPIR 1 %", _fnir("frontal"), 1.0, 0.5, higher_is_better=False),
    Measure("open set, profile, FNIR at FPIR 1 %", _fnir("profile"), 19, 10, higher_is_better=False),
)


def table(results: Results) -> Table:
    """The bars' table, a column a view, in percent."""
    out = Table(title=f"{results.extractor}, faces from {results.faces_from}")
    out.add_column("measure")
    for name in results.views:
        out.add_column(name, justify="right")
    for title in ("bar", "stretch", "verdict"):
        out.add_column(title, justify="right")
    for measure in MEASURES:
        values = {name: measure.read(view) for name, view in results.views.items()}
        served = values.get("G") if values.get("G") is not None else values.get("E")
        if served is None:
            continue
        cells = ["" if value is None else f"{value:.2f}" for value in values.values()]
        out.add_row(measure.name, *cells, f"{measure.bar:g}", f"{measure.stretch:g}", measure.met(served))
    return out


def pairs_table(results: Results) -> Table:
    """All lists of pairs, a row a list and view, in percent."""
    out = Table()
    out.add_column("pairs")
    for title in ("accuracy", "EER", "TPR at FPR 0.1 %", "1 %", "pairs with a face not found"):
        out.add_column(title, justify="right")
    for name, view in results.views.items():
        for title, v in view.verified.items():
            rates = (f"{100 * rate:.2f}" for rate in (v.eer, v.tpr_1e3, v.tpr_1e2))
            accuracy = f"{100 * v.folded.mean:.2f} ± {100 * v.folded.std:.2f}"
            out.add_row(f"{title}, {name}", accuracy, *rates, f"{v.lost} of {len(v.scores)}")
    return out


def metrics(results: Results) -> dict[str, Any]:
    """All figures as plain data for ``metrics.json``; rates are fractions."""
    return {
        "extractor": results.extractor,
        "faces_from": results.faces_from,
        "faces_not_found": {name: {"lost": a, "of": b} for name, (a, b) in results.lost.items()},
        "skipped": results.skipped,
        "views": {name: _view(view) for name, view in results.views.items()},
    }


def _view(view: View) -> dict[str, Any]:
    out: dict[str, Any] = {"pairs": {name: _verified(v) for name, v in view.verified.items()}}
    if view.all_pairs is not None:
        pairs = view.all_pairs
        out["all_pairs"] = {
            "mated": int(pairs.mated.sum()),
            "non_mated": int(pairs.non_mated.sum()),
            "at": [
                {"fmr": fmr, "threshold": threshold, "tar": pairs.tar_at(fmr)}
                for fmr, threshold in pairs.threshold_table(FMR_TABLE)
            ],
        }
    out["open_set"] = [_open(one) for one in view.open_set]
    out["by_gallery_size"] = [_open(one) for one in view.by_size]
    out["rank_by_yaw"] = [
        {"from": r.low, "to": r.high, "probes": r.probes, "rank1": r.rank1, "rank5": r.rank5} for r in view.by_yaw
    ]
    out["cmc"] = {name: curve.tolist() for name, curve in view.cmc.items()}
    out["calibration"] = [asdict(one) for one in view.calibration]
    out["fmr_by_group"] = {
        name: [
            {
                "group": g.group,
                "pictures": g.pictures,
                "pairs": g.pairs,
                "fmr": g.fmr.rate,
                "ci95": [g.fmr.low, g.fmr.high],
            }
            for g in rows
        ]
        for name, rows in view.groups.items()
    }
    return out


def _verified(v: Verified) -> dict[str, Any]:
    return {
        "pairs": len(v.scores),
        "accuracy": v.folded.mean,
        "accuracy_std": v.folded.std,
        "ci95": [v.interval.low, v.interval.high],
        "per_fold": list(v.folded.per_fold),
        "thresholds": list(v.folded.thresholds),
        "eer": v.eer,
        "tpr_at_fpr_1e-3": v.tpr_1e3,
        "tpr_at_fpr_1e-2": v.tpr_1e2,
        "pairs_with_a_face_not_found": v.lost,
    }


def _open(one: OpenSet) -> dict[str, Any]:
    return {
        "probes": one.probes,
        "subjects": one.subjects,
        "mated_searches": one.mated,
        "strangers_searches": one.strangers,
        "rank1": one.rank1,
        "rank5": one.rank5,
        "rank1_by_difficulty": one.rank1_by_difficulty,
        "fnir_at_fpir_1e-2": one.fnir_1e2.rate,
        "ci95": [one.fnir_1e2.low, one.fnir_1e2.high],
        "fnir_at_fpir_1e-3": one.fnir_1e3,
        "fnir_at_own_fpir_1e-2": one.fnir_own_1e2,
        "threshold": one.threshold_1e2,
        "faces_not_found": one.lost,
        "against_crowds": {
            "fnir_at_fpir_1e-2": one.crowd_1e2.rate,
            "ci95": [one.crowd_1e2.low, one.crowd_1e2.high],
            "fnir_at_fpir_1e-3": one.crowd_1e3,
        },
        "served_at_fpir_1e-2": asdict(one.served) if one.served else None,
    }
