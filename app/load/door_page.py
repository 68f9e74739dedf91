"""The table of how long a visitor waits, written from the JSON of ``frontalis bench door``: nobody types a number.

``python -m app.load.door_page docs/door.md docs/door/*.json`` replaces what stands between the page's two marks.
"""

from __future__ import annotations

from typing import Any, Final

from app.gallery.bench_page import write_page

_HEAD: Final = (
    "| run | visits | known | of these from the side | greeting p50 s | p95 s | visits a minute "
    "| processors that other work took |\n"
)


def figures(found: list[dict[str, Any]]) -> str:
    """A table, a line a run, as Markdown."""
    first = found[0]
    lines = "".join(_row(number, run) for number, run in enumerate(found, 1))
    return (
        f"`{first['model_id']}`, {first['people']} people, {first['processors']} processors, which the clients share, "
        f"{first['threads']} threads. {first['frames_s']:.2f} s of a greeting are the kiosk's own pauses.\n\n"
        f"{_HEAD}|{'---|' * 8}\n{lines}"
    )


def _row(number: int, run: dict[str, Any]) -> str:
    cells = [f"{number}", f"{run['visits']}", f"{run['matched']}", f"{run['side_matched']} of {run['side_visits']}"]
    cells += [f"{run['greeting_p50_s']:.2f}", f"{run['greeting_p95_s']:.2f}", f"{run['visits_a_minute']:,.0f}"]
    cells.append("" if run["others"] is None else f"{run['others']:.2f}")
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    write_page(figures, __doc__)
