"""Figures of an evaluation, written where people read them: the model's card and README, never typed.

    python -m training.figures METRICS.json [--card app/weights/fast] [--readme README.md] --command "..."

``METRICS.json`` is what ``training.evaluate`` wrote. A card with new figures is a new card: its model id changes.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.face.weights import CARD, write_card

BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"

SERVED: Final = "served_at_fpir_1e-2"

Read = Callable[[Mapping[str, Any]], float | None]
"""A figure of one view, as a fraction, or nothing where it was not measured."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: values in percent, by view (``E`` raw, ``G`` frontalized), and the bar it is held to."""

    name: str
    values: Mapping[str, float]
    bar: str


def figures(metrics: Mapping[str, Any]) -> list[Figure]:
    """The rows of the table that the evaluation has values for."""
    rows = [
        ("LFW accuracy, 10 folds", _pairs("LFW", "accuracy"), ">= 99.2"),
        ("LFW, TAR at FAR 1e-5, all pairs", _tar(1e-5), ">= 94"),
        ("CFP-FF accuracy", _pairs("CFP-FF", "accuracy"), ">= 99.2"),
        ("CFP-FP accuracy", _pairs("CFP-FP", "accuracy"), ">= 96.5"),
        ("CFP-FP equal error rate", _pairs("CFP-FP", "eer"), "<= 3.6"),
        ("CFP-FP, TPR at FPR 0.1 %", _pairs("CFP-FP", "tpr_at_fpr_1e-3"), ">= 82"),
        ("LAG young to adult, accuracy", _pairs("LAG", "accuracy"), ""),
        ("MFR2 (real masks), accuracy", _pairs("MFR2", "accuracy"), ""),
        ("open set, 250 people: FNIR at FPIR 1 %, frontal", _open("frontal", "against_crowds"), "<= 1.0"),
        ("the same, profiles", _open("profile", "against_crowds"), "<= 19"),
        ("by one threshold for all faces: frontal", _open("frontal"), ""),
        ("by one threshold for all faces: profiles", _open("profile"), ""),
        ("as served by default: FNIR, frontal", _open("frontal", SERVED, "fnir"), ""),
        ("as served by default: FNIR, profiles", _open("profile", SERVED, "fnir"), ""),
        ("as served by default: FPIR, frontal strangers", _open("frontal", SERVED, "fpir"), "<= 1.0"),
        ("as served by default: FPIR, strangers' profiles", _open("profile", SERVED, "fpir"), "<= 1.0"),
    ]
    out = []
    for name, read, bar in rows:
        values = {}
        for view, found in metrics["views"].items():
            value = read(found)
            if value is not None:
                values[view] = round(100 * value, 2)
        if values:
            out.append(Figure(name, values, bar))
    return out


def table(rows: Sequence[Figure], metrics: Mapping[str, Any], command: str) -> str:
    """Markdown: a row a measure, a column a view, the bar last; the command that made it below."""
    views = list(dict.fromkeys(view for row in rows for view in row.values))
    lines = ["| measure, % | " + " | ".join(views) + " | bar |", "|---" * (len(views) + 2) + "|"]
    for row in rows:
        cells = [f"{row.values[view]:.2f}" if view in row.values else "" for view in views]
        lines.append(f"| {row.name} | " + " | ".join(cells) + f" | {row.bar} |")
    lost = ", ".join(f"{name} {n['lost']} of {n['of']}" for name, n in metrics["faces_not_found"].items())
    said = (
        f"Model `{metrics['extractor']}`, faces from {metrics['faces_from']}; not found: {lost} (they count as errors)."
    )
    return "\n".join([*lines, "", said, "", f"`{command}`"])


def between(text: str, content: str) -> str:
    """``text`` with everything between the markers replaced. Raises ``ValueError`` where they are missing."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no {BEGIN} ... {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{content}\n{END}", text)


def _pairs(name: str, key: str) -> Read:
    def read(view: Mapping[str, Any]) -> float | None:
        found = next((value for title, value in view["pairs"].items() if title.startswith(name)), None)
        return None if found is None else found.get(key)

    return read


def _tar(fmr: float) -> Read:
    def read(view: Mapping[str, Any]) -> float | None:
        rows = (view.get("all_pairs") or {}).get("at", [])
        return next((row["tar"] for row in rows if abs(row["fmr"] / fmr - 1) < 1e-6), None)

    return read


def _open(probes: str, part: str = "", key: str = "fnir_at_fpir_1e-2") -> Read:
    def read(view: Mapping[str, Any]) -> float | None:
        for found in view.get("open_set") or []:
            values = found.get(part) if part else found
            if found["probes"] == probes and values:
                return float(values[key])
        return None

    return read


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("metrics", type=Path)
    parser.add_argument("--card", type=Path)
    parser.add_argument("--readme", type=Path)
    parser.add_argument("--command", required=True, help="how the figures were made, for whoever repeats them")
    args = parser.parse_args(argv)
    metrics = json.loads(args.metrics.read_text(encoding="utf-8"))
    rows = figures(metrics)
    if args.card:
        raw = json.loads((args.card / CARD).read_text(encoding="utf-8"))
        kept = [one for one in raw["metrics"] if "table" not in one]
        said = {row.name: dict(row.values) for row in rows}
        made = {"table": said, "unit": "%", "faces_from": metrics["faces_from"], "command": args.command}
        card = write_card(args.card, {**raw, "metrics": [made, *kept]})
        metrics = {**metrics, "extractor": card.model_id}  # the same networks under the name of the fuller card
    if args.readme:
        text = args.readme.read_text(encoding="utf-8")
        args.readme.write_text(between(text, table(rows, metrics, args.command)), encoding="utf-8")


if __name__ == "__main__":
    main()
