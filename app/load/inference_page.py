"""The page of what the extractor costs by each way to run it, written from the JSON of ``frontalis bench inference``.

``python -m app.load.inference_page docs/inference.md docs/inference/*.json`` replaces what stands between its marks.
"""

from __future__ import annotations

from typing import Any

from app.face.inference_bench import EQUAL
from app.gallery.bench_page import write_page


def figures(found: list[dict[str, Any]]) -> str:
    """A table a run, as Markdown."""
    return "\n\n".join(map(_run, found))


def _run(found: dict[str, Any]) -> str:
    batches = found["batches"]
    head = ["way", *(f"ms a face, {batch} at once" for batch in batches), "torch eager takes, and least cosine to it"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(_row(row, len(batches)) for row in found["rows"])]
    return f"`{found['extractor']}` ({found['model_id']}), {found['processor']}, one thread:\n\n" + "\n".join(lines)


def _row(row: dict[str, Any], batches: int) -> str:
    if row["missing"]:
        return f"| {row['way']} |{' |' * batches} {row['missing'].replace('|', '/')} |"
    cells = [f"{one:.2f}" for one in row["ms"]]
    ratios = " / ".join(f"{one:.1f}" for one in row["ratio"])
    equal = f"{row['equal']:.6f}" + ("" if row["equal"] >= EQUAL else ", too little to serve")
    return f"| {' | '.join([row['way'], *cells, f'{ratios} x, {equal}'])} |"


if __name__ == "__main__":
    write_page(figures, __doc__)
