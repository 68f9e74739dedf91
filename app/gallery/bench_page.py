"""The page of figures, written from the JSON of ``app.gallery.bench``: nobody types a number.

``python -m app.gallery.bench_page docs/gallery.md docs/gallery/*.json`` replaces what stands between the page's
two marks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

BEGIN: Final = "<!-- figures: written by app.gallery.bench_page -->"
END: Final = "<!-- end of figures -->"
NAMES: Final = {
    "flat": "FAISS flat float32",
    "hnsw": "FAISS HNSW32, efSearch 256",
    "faiss": "**ours**",
    "pgvector": "pgvector exact, halfvec",
    "pgvector-hnsw": "pgvector HNSW, halfvec",
    "milvus": "Milvus FLAT",
}
_HEAD: Final = (
    "| backend | search p50 ms | p99 | processor ms | 2 threads, searches/s | recall@1 known | hard | stranger "
    "| recall@5 (worst kind) | build s (processor s) | add ms | delete ms | memory MB | disk MB | restart s |\n"
)
_BILLION: Final = 1_000_000_000


def figures(found: list[dict[str, Any]]) -> str:
    """Tables by size, the ratios the bars are about, and the estimate for a billion, as Markdown."""
    # Only what ran together stands together: ratios between two runs would compare two days of a machine.
    by_size: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for place, each in enumerate(found):
        for run in each["runs"]:
            by_size.setdefault((run["templates"], place), []).append(run)
    parts = [f"FAISS {found[0]['faiss']}, {found[0]['width']} dimensions, {found[0]['machine']['cores']} shared cores."]
    for (size, place), runs in sorted(by_size.items()):
        title = f"### {size:,} templates, {found[place]['probes']:,} probes a kind"
        parts.append(f"{title}\n\n{_HEAD}|{'---|' * 15}\n" + "".join(map(_row, runs)).rstrip())
        parts += _ratios(runs)
    return "\n\n".join([*parts, *_estimate({size: runs for (size, _), runs in by_size.items()})])


def rewrite(page: str, text: str) -> str:
    """``page`` with ``text`` between its marks. Raises ``ValueError`` where a mark is missing."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"The page needs the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _row(run: dict[str, Any]) -> str:
    recall = run["recall_1"]
    cells = [NAMES[run["backend"]], _number(run["p50_ms"]), _number(run["p99_ms"]), _number(run["cpu_ms"])]
    cells += [f"{run['two_threads_per_s']:.0f}", *(f"{recall[kind]:.3f}" for kind in ("known", "hard", "stranger"))]
    cells += [f"{min(run['recall_5'].values()):.3f}", f"{run['build_s']:.1f} ({run['build_cpu_s']:.1f})"]
    cells += [_number(run[key]) for key in ("add_ms", "delete_ms", "memory_mb", "disk_mb", "restart_s")]
    return f"| {' | '.join(cells)} |\n"


def _ratios(runs: list[dict[str, Any]]) -> list[str]:
    ours = next((run for run in runs if run["backend"] == "faiss"), None)
    others = [run for run in runs if run["backend"] != "faiss"]
    if ours is None or not others:
        return []
    said = [
        f"{NAMES[run['backend']]} {run['p50_ms'] / ours['p50_ms']:.1f} x by the clock, "
        f"{run['cpu_ms'] / ours['cpu_ms']:.1f} x by processor time of the caller, "
        f"build {run['build_cpu_s'] / ours['build_cpu_s']:.1f} x"
        for run in others
    ]
    return ["What ours takes once, the others take: " + "; ".join(said) + "."]


def _estimate(by_size: dict[int, list[dict[str, Any]]]) -> list[str]:
    """A billion templates from what one template costs at the largest size measured."""
    size = max(by_size)
    ours = next((run for run in by_size[size] if run["backend"] == "faiss"), None)
    if ours is None or not ours["disk_mb"]:
        return []
    gigabytes = ours["disk_mb"] * 1e6 / size * _BILLION / 1e9
    core_seconds = ours["cpu_ms"] / 1e3 / size * _BILLION
    hosts = -(-gigabytes // 200)
    return [
        "### A billion templates, estimated\n\n"
        f"From {size:,}: {gigabytes:.0f} GB of vectors and codes, {core_seconds:.1f} core-seconds a search. "
        f"On hosts of 256 GB (200 GB for the index) and 64 cores that is {hosts:.0f} partitions; with all cores of a "
        f"partition on one search {1e3 * core_seconds / hosts / 64:.0f} ms, and {64 * hosts / core_seconds:.0f} "
        f"searches a second for the whole; two replicas double hosts and searches. "
        "This is arithmetic, not a measurement: network and stragglers come on top."
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def write_page(figures: Callable[[list[dict[str, Any]]], str], said: str | None) -> None:
    """The command of such a page: its first argument is the page, the others are what ``figures`` tells of."""
    parser = argparse.ArgumentParser(description=said)
    parser.add_argument("page", type=Path)
    parser.add_argument("found", type=Path, nargs="+")
    given = parser.parse_args()
    text = figures([json.loads(path.read_text()) for path in given.found])
    given.page.write_text(rewrite(given.page.read_text(), text))


if __name__ == "__main__":
    write_page(figures, __doc__)
