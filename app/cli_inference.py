"""``frontalis bench inference``: what the extractor costs by each way to run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.cli_portrait import portrait
from app.cli_reasons import reasons
from app.face.inference_bench import bench_inference
from app.settings import Settings

_out = Console()


def inference(
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A picture of one face.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each measurement; the median counts.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The extractor by torch, torch.compile, bfloat16, OpenVINO and ONNX Runtime: milliseconds and equality.

    torch.compile takes a minute or two.
    """
    with reasons():
        settings = Settings()
        folders = [settings.data_dir / "weights"]
        found = bench_inference(settings.data_dir / "converted", portrait(image), settings.extractor, folders, repeats)
    if as_json:
        _out.print_json(json.dumps(found))
        return
    _out.print(f"{found['model_id']}, {found['processor']}: processor ms a face")
    table = Table("way", *(f"{batch} at once" for batch in found["batches"]), "ratio, one", "least cosine to eager")
    for row in found["rows"]:
        if row["missing"]:
            table.add_row(row["way"], row["missing"])
        else:
            figures = [f"{one:.2f}" for one in row["ms"]]
            table.add_row(row["way"], *figures, f"{row['ratio'][0]:.1f}", f"{row['equal']:.6f}")
    _out.print(table)
