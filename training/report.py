"""One HTML file with tables, plots and failure sheets: nothing beside it is needed to read it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from training import protocols
from training.benchmarks import Verified
from training.protocols import Interval
from training.results import FMR_TABLE, MEASURES, Results, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Picture = Callable[[str, int], NDArray[np.uint8]]
"""The crop uint8 [h, w, 3] RGB of a row of a pair list's set, by the list's name."""

WORST: Final = 12

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2128 }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } td, th { padding: .2rem .8rem; text-align: right }
td:first-child, th:first-child { text-align: left } tr:nth-child(even) { background: #f3f5f8 }
th { border-bottom: 1px solid #8b95a5 } .plots { display: flex; flex-wrap: wrap; gap: 1rem }
figure { display: inline-block; margin: .4rem; text-align: center } figcaption { font-size: 12px; color: #57606a }
.missed { color: #b3261e }
"""


def write(results: Results, picture: Picture | None, out: Path) -> Path:
    """Write ``out/report.html``; answers its path. Without ``picture`` the failure sheets are left out."""
    parts = [
        f"<h1>{html.escape(results.extractor)}</h1>",
        f"<p>Faces from {html.escape(results.faces_from)}. E is the extractor alone, G with the frontalizer. Rates in"
        " percent. A face that was not found is an error of accuracy whatever the pair's label, a rejection elsewhere;"
        f" not found: {_lost(results)}.</p>",
        *(f"<p>{html.escape(name)} was left out: {html.escape(why)}.</p>" for name, why in results.skipped.items()),
        "<h2>Bars</h2>",
        _bars(results),
        "<h2>Pairs</h2>",
        _pairs(results),
        _plots(results),
        "<h2>Thresholds</h2>",
        *(_thresholds(name, view) for name, view in results.views.items()),
        "<h2>One to many</h2>",
        *(_many(name, view) for name, view in results.views.items()),
        *(_calibration(name, view) for name, view in results.views.items()),
    ]
    groups = [text for name, view in results.views.items() if (text := _groups(name, view))]
    parts += ["<h2>Groups</h2>", *groups] if groups else []
    if picture is not None and "E" in results.views:
        served = results.views.get("G", results.views["E"])
        parts += ["<h2>Failures</h2>", *(_failures(v, picture) for v in served.verified.values())]
    out.mkdir(parents=True, exist_ok=True)
    page = out / "report.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>{html.escape(results.extractor)}</title><style>{STYLE}</style>"
        + "\n".join(parts),
        encoding="utf-8",
    )
    return page


# --- tables ---------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return "<table><tr>" + "".join(f"<th>{title}</th>" for title in head) + f"</tr>{body}</table>"


def _percent(rate: float, digits: int = 2) -> str:
    return f"{100 * rate:.{digits}f}"


def _lost(results: Results) -> str:
    return ", ".join(f"{name} {lost} of {of}" for name, (lost, of) in results.lost.items()) or "nothing"


def _bars(results: Results) -> str:
    rows = []
    for measure in MEASURES:
        values = [measure.read(view) for view in results.views.values()]
        by_name = dict(zip(results.views, values, strict=True))
        served = by_name.get("G") if by_name.get("G") is not None else by_name.get("E")
        if served is None:
            continue
        verdict = measure.met(served)
        marked = f"<span class=missed>{verdict}</span>" if verdict.startswith("missed") else verdict
        cells = ["" if value is None else f"{value:.2f}" for value in values]
        rows.append([measure.name, *cells, f"{measure.bar:g}", f"{measure.stretch:g}", marked])
    return _table(["measure", *results.views, "bar", "stretch", "verdict"], rows)


def _pairs(results: Results) -> str:
    rows = [
        [
            f"{html.escape(v.pairs.name)}, {name}",
            f"{_percent(v.folded.mean)} ± {_percent(v.folded.std)}",
            f"{_percent(v.interval.low)} to {_percent(v.interval.high)}",
            _percent(v.eer),
            _percent(v.tpr_1e3, 1),
            _percent(v.tpr_1e2, 1),
            str(len(v.scores)),
            str(v.lost),
        ]
        for name, view in results.views.items()
        for v in view.verified.values()
    ]
    head = ["set", "accuracy", "95 %", "EER", "TPR@FPR 0.1 %", "TPR@FPR 1 %", "pairs", "pairs with a face not found"]
    return _table(head, sorted(rows, key=lambda row: row[0]))


def _thresholds(name: str, view: View) -> str:
    if view.all_pairs is None:
        return ""
    pairs = view.all_pairs
    rows = [
        [f"{fmr:g}", f"{threshold:.4f}", _percent(pairs.tar_at(fmr))]
        for fmr, threshold in pairs.threshold_table(FMR_TABLE)
    ]
    title = f"<h3>{name}: all pairs of LFW View 2, {pairs.non_mated.sum():,} non-mated</h3>"
    return title + _table(["FMR", "threshold", "TAR"], rows)


def _many(name: str, view: View) -> str:
    out = ""
    if view.by_yaw:
        rows = [[f"{r.low:g} to {r.high:g}", str(r.probes), _percent(r.rank1), _percent(r.rank5)] for r in view.by_yaw]
        title = f"<h3>{name}: CFP, 500 people enrolled with one frontal picture, by |yaw|</h3>"
        out += title + _table(["|yaw|", "probes", "rank-1", "rank-5"], rows)
    for title, found in (("open set", view.open_set), ("by gallery size", view.by_size)):
        rows = [
            [
                one.probes,
                f"{one.subjects:,}",
                _percent(one.rank1),
                _percent(one.rank5),
                _between(one.fnir_1e2),
                _percent(one.fnir_1e3),
                _percent(one.fnir_own_1e2),
                _between(one.crowd_1e2),
                _percent(one.crowd_1e3),
                f"{_percent(one.served.fpir)} / {_percent(one.served.fnir)}" if one.served else "",
                " / ".join(_percent(rate, 1) for rate in one.rank1_by_difficulty.values()),
                str(one.lost),
            ]
            for one in found
        ]
        if rows:
            head = ["probes", "subjects", "rank-1", "rank-5", "FNIR at FPIR 1 %", "at 0.1 %", "at 1 % of its kind"]
            head += ["against crowds: FNIR at FPIR 1 %", "at 0.1 %", "as served for 1 %: FPIR / FNIR"]
            head += ["rank-1 Simple / Medium / Hard", "not found"]
            out += f"<h3>{name}: {title}</h3>" + _table(head, rows)
    return out


def _calibration(name: str, view: View) -> str:
    rows = [
        [f"{c.subjects}", f"{c.templates}", _percent(c.wanted, 1), _percent(c.fpir), _percent(c.fnir)]
        for c in view.calibration
    ]
    head = ["people enrolled", "pictures each", "wanted FPIR", "FPIR that came of it", "FNIR"]
    title = f"<h3>{name}: LFW searched as served, everybody else a stranger</h3>"
    return title + _table(head, rows) if rows else ""


def _between(one: Interval) -> str:
    return f"{_percent(one.rate)} ({_percent(one.low, 1)} to {_percent(one.high, 1)})"


def _groups(name: str, view: View) -> str:
    out = ""
    for title, rates in view.groups.items():
        rows = [
            [g.group, str(g.pictures), f"{g.pairs:,}", f"{g.fmr.rate:.2e}", f"{g.fmr.low:.1e} to {g.fmr.high:.1e}"]
            for g in rates
        ]
        out += f"<h3>{name}: {html.escape(title)}</h3>" + _table(["group", "pictures", "pairs", "FMR", "95 %"], rows)
    return out


# --- plots ----------------------------------------------------------------------------------------


def _plots(results: Results) -> str:
    names = {v: None for view in results.views.values() for v in view.verified}
    plots = []
    for pairs in names:
        found = {name: view.verified[pairs] for name, view in results.views.items() if pairs in view.verified}
        plots += [_det(pairs, found), _histogram(pairs, found)]
    curves = {f"{n}, {k}": c for n, view in results.views.items() for k, c in view.cmc.items()}
    if curves:
        plots.append(_cmc(curves))
    return f"<div class=plots>{''.join(plots)}</div>"


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _image(figure: Figure) -> str:
    buffer = io.BytesIO()
    title = html.escape(figure.axes[0].get_title())
    figure.savefig(buffer, format="png", dpi=110)
    return f'<img alt="{title}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _det(title: str, found: dict[str, Verified]) -> str:
    figure, axes = _axes(f"{title}: DET", "FMR", "FNMR")
    for name, v in found.items():
        fmr, fnmr, _ = protocols.det(v.scores, v.pairs.mated)
        shown = (fmr > 0) & (fnmr > 0)
        axes.loglog(fmr[shown], fnmr[shown], label=name, drawstyle="steps-post")
    axes.legend()
    return _image(figure)


def _histogram(title: str, found: dict[str, Verified]) -> str:
    figure, axes = _axes(f"{title}: scores", "cosine", "share of pairs")
    edges = np.linspace(-0.4, 1, 71)
    for name, v in found.items():
        for mated, line in ((True, "-"), (False, ":")):
            scores = v.scores[(v.pairs.mated == mated) & (v.scores > -1)]
            counts = np.histogram(scores, edges)[0] / max(len(scores), 1)
            label = f"{name}, {'mated' if mated else 'non-mated'}"
            axes.plot((edges[1:] + edges[:-1]) / 2, counts, line, label=label)
    axes.legend(fontsize=8)
    return _image(figure)


def _cmc(curves: dict[str, NDArray[np.float64]]) -> str:
    figure, axes = _axes("CFP, one frontal picture enrolled: CMC", "rank", "identified")
    for name, curve in curves.items():
        axes.plot(np.arange(1, len(curve) + 1), curve, label=name, marker=".")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8)
    return _image(figure)


# --- failure sheets -------------------------------------------------------------------------------


def _failures(v: Verified, picture: Picture) -> str:
    threshold = float(np.mean(v.folded.thresholds))
    out = f"<h3>{html.escape(v.pairs.name)}, threshold {threshold:.3f}</h3>"
    for mated, title in ((True, "the same person, rejected"), (False, "two people, accepted")):
        wrong = np.flatnonzero((v.pairs.mated == mated) & ((v.scores >= threshold) != mated))
        order = wrong[np.argsort(v.scores[wrong] * (1 if mated else -1), kind="stable")]
        out += f"<p>{len(wrong)} pairs: {title}; the worst:</p>"
        for i in order[:WORST].tolist():
            left, right = (picture(v.pairs.name, int(side[i])) for side in (v.pairs.left, v.pairs.right))
            both = np.concatenate([left, right], axis=1)
            done, code = cv2.imencode(".jpg", np.ascontiguousarray(both[:, :, ::-1]))
            source = base64.b64encode(code.tobytes()).decode() if done else ""
            score = "not found" if v.scores[i] <= -1 else f"{v.scores[i]:.3f}"
            out += (
                f'<figure><img alt="" src="data:image/jpeg;base64,{source}"><figcaption>{score}</figcaption></figure>'
            )
    return out
