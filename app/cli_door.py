"""``frontalis bench door``: how long a visitor waits, asked over HTTP as the kiosk asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.load.door import bench_door

Photographs = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="A folder a person, three pictures or more in each.")
]
Visitors = Annotated[int, typer.Option(min=1, help="People at most.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long visits are counted.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def door(photographs: Photographs, visitors: Visitors = 20, seconds: Seconds = 20, as_json: AsJson = False) -> None:
    """Seconds from a face in view to the greeting, and visits a minute. Two pictures of each enrol, the rest visit."""
    found = bench_door(photographs, visitors, seconds)
    out = Console()
    if as_json:
        out.print_json(json.dumps(found))
        return
    out.print(
        f"{found['visits']} visits of {found['people']} people: greeting after {found['greeting_p50_s']:.2f} s "
        f"(p95 {found['greeting_p95_s']:.2f} s), {found['matched']} known, {found['side_matched']} of "
        f"{found['side_visits']} from the side; "
        f"{found['visits_a_minute']:.0f} visits a minute sustained by {found['threads']} threads"
    )
