"""``frontalis bench presentation``: how near a visitor may stand for the presentation-attack check."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.cli_reasons import reasons
from app.face.presentation_bench import bench_presentation
from app.service.machine import prepare
from app.settings import Settings

Photographs = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="A folder with photographs that show much around a face.")
]
Model = Annotated[Path, typer.Option(exists=True, help="What FRONTALIS_PRESENTATION_MODEL would name.")]
Most = Annotated[int, typer.Option(min=1, help="Photographs at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def presentation(photographs: Photographs, model: Model, most: Most = 60, as_json: AsJson = False) -> None:
    """People and drawn prints that a presentation-attack model takes for people, by how near they are."""
    settings = Settings()
    with reasons():
        prepare(settings)
        found = bench_presentation(photographs, model, settings.data_dir / "converted", most)
    out = Console()
    if as_json:
        out.print_json(json.dumps([asdict(one) for one in found]))
        return
    table = Table("face's width of the picture's height", "people let in", "prints let in")
    for one in found:
        table.add_row(f"{one.share:.0%}", f"{one.real} of {one.people}", f"{one.believed} of {one.prints}")
    out.print(table)
