"""Figures of ``app.gallery.bench`` as a picture: what a search takes and whom it finds, over the size.

``python -m app.gallery.bench_plot docs/gallery/figures.svg docs/gallery/*.json``. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from app.errors import ConfigurationError
from app.gallery.bench_page import NAMES

_COLOURS: Final = {
    "flat": "#767676",
    "hnsw": "#d08c00",
    "faiss": "#0b6e4f",
    "pgvector": "#3a6ea5",
    "pgvector-hnsw": "#8a5a9e",
    "milvus": "#b23a48",
}


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Write ``path``; its suffix says which kind of picture. A run measured twice has two points.

    Raises ``ConfigurationError`` where matplotlib is missing.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ConfigurationError("A plot needs matplotlib: pip install matplotlib") from missing
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    wait, hit = figure.subplots(1, 2)
    runs = [run for each in found for run in each["runs"]]
    for backend in [name for name in NAMES if any(run["backend"] == name for run in runs)]:
        own = sorted((run for run in runs if run["backend"] == backend), key=lambda run: run["templates"])
        sizes = [run["templates"] for run in own]
        name, colour = NAMES[backend].strip("*"), _COLOURS[backend]
        wait.plot(sizes, [run["p50_ms"] for run in own], "o-", label=name, color=colour, markersize=4)
        hit.plot(sizes, [run["recall_1"]["hard"] for run in own], "o-", color=colour, markersize=4)
    for axes in (wait, hit):
        axes.set_xscale("log")
        axes.set_xlabel("templates")
        axes.grid(alpha=0.3)
    wait.set_yscale("log")
    wait.set_title("One search, p50 in ms")
    wait.legend(frameon=False, fontsize=8)
    hit.set_title("Turned faces found as by the exact scan, recall@1")
    # The same figures make the same file, byte by byte.
    with matplotlib.rc_context({"svg.hashsalt": "frontalis"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("found", type=Path, nargs="+")
    given = parser.parse_args()
    draw([json.loads(path.read_text()) for path in given.found], given.picture)


if __name__ == "__main__":
    main()
