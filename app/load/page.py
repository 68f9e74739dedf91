"""The page of what the service bears, written from the JSON of ``frontalis bench load``: nobody types a number.

``python -m app.load.page docs/load.md docs/load/*.json`` replaces what stands between the page's two marks.
"""

from __future__ import annotations

from typing import Any, Final

from app.gallery.bench_page import write_page
from app.load.bench import WARM_UP

_HEAD: Final = (
    "| service | clients | requests | errors | requests/s | p50 ms | p99 ms | processor ms a request "
    "| processors that other work took | memory after warm-up, MB | spread |\n"
)


def figures(found: list[dict[str, Any]]) -> str:
    """Tables, the longest run first, and what they say about the bars, as Markdown."""
    return "\n\n".join(map(_run, sorted(found, key=lambda one: -one["loaded"]["requests"])))


def _run(found: dict[str, Any]) -> str:
    alone, loaded = found["one_core"], found["loaded"]
    where = "one processor, one thread" if alone["pinned"] else "one thread"
    lines = [_row(where, alone), _row(f"{found['processors']} processors, {found['threads']} threads", loaded)]
    return (
        f"`{found['model_id']}`, {found['subjects']:,} made-up subjects with one template each, "
        f"{found['processors']} processors, which the clients share.\n\n"
        f"{_HEAD}|{'---|' * 11}\n{''.join(lines)}\n{_said(found)}"
    )


def _row(where: str, run: dict[str, Any]) -> str:
    held = [held for number, held in run["memory_mb"] if number >= WARM_UP * run["requests"]]
    cells = [where, f"{run['clients']}", f"{run['requests']:,}", f"{run['errors']}", f"{run['a_second']:.1f}"]
    cells += [f"{run['p50_ms']:.1f}", f"{run['p99_ms']:.1f}", _known(run["cpu_ms"], "{:.1f}")]
    cells += [_known(run["others"], "{:.2f}"), f"{min(held):.0f} to {max(held):.0f}" if held else ""]
    return f"| {' | '.join([*cells, _known(run['memory_spread'], '{:.2%}')])} |\n"


def _known(value: float | None, how: str) -> str:
    return "" if value is None else how.format(value)


def _said(found: dict[str, Any]) -> str:
    alone, loaded = found["one_core"], found["loaded"]
    said = [f"One client and one processor: p50 {alone['p50_ms']:.1f} ms (bar: 30 ms)."]
    if loaded["memory_spread"] is not None:
        said.append(
            f"Memory over {loaded['requests']:,} requests: within {loaded['memory_spread']:.2%} after the first fifth "
            "(bar: 3 % over 10,000)."
        )
    if max(run["others"] or 0 for run in (alone, loaded)) > 0.1:
        said.append("Other work ran on this machine meanwhile: times are longer than on a quiet one.")
    return " ".join(said)


if __name__ == "__main__":
    write_page(figures, __doc__)
