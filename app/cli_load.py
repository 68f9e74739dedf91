"""``frontalis bench load``: what the real service bears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from app.cli_portrait import portrait
from app.cli_reasons import reasons
from app.load.bench import bench_load
from app.settings import Settings

SOAK: Final = 10_000
GROWTH: Final = 0.03
_out, _err = Console(), Console(stderr=True)


def load(
    subjects: Annotated[int, typer.Option(min=1, help="Made-up people to search among.")] = 100_000,
    clients: Annotated[int, typer.Option(min=1, help="At once.")] = 4,
    requests: Annotated[int | None, typer.Option(min=20, help="By all clients together; 1,000 unless --soak.")] = None,
    soak: Annotated[
        bool,
        typer.Option("--soak", help=f"{SOAK:,} requests; fails if one does, or if memory grows by over {GROWTH:.0%}."),
    ] = False,
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A picture of one face.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Identify a face of a VGA picture over HTTP: alone on one processor, then by concurrent clients; memory."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with reasons(), Progress(*columns, console=_err) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(phase: str, done: int, of: int) -> None:
            if phase not in tasks:
                tasks[phase] = progress.add_task(phase, total=of)
            progress.update(tasks[phase], completed=done)

        number = requests or (SOAK if soak else 1000)
        found = bench_load(Settings(), portrait(image), subjects, clients, number, tell)
    if as_json:
        _out.print_json(json.dumps(found))
    else:
        _show(found)
    if soak and _failed(found["loaded"]):
        raise typer.Exit(1)


def _failed(run: dict[str, Any]) -> bool:
    return run["errors"] > 0 or (run["memory_spread"] or 0) > GROWTH


def _show(found: dict[str, Any]) -> None:
    _out.print(f"{found['model_id']}, {found['subjects']:,} subjects, {found['processors']} processors")
    _tell("one thread on one processor" if found["one_core"]["pinned"] else "one thread", found["one_core"])
    _tell(f"{found['threads']} threads", found["loaded"])


def _tell(where: str, run: dict[str, Any]) -> None:
    memory = run["memory_spread"]
    last = f"{run['memory_mb'][-1][1]:.0f} MB" if memory is not None else ""
    held = "" if memory is None else f"; memory within {memory:.2%} after the first fifth, {last} at the end"
    busy = f"; other work took {run['others']:.2f} processors" if (run["others"] or 0) > 0.1 else ""
    _out.print(
        f"{where}, {run['clients']} clients: {run['requests']:,} requests, {run['errors']} errors, "
        f"{run['a_second']:.1f} a second, p50 {run['p50_ms']:.1f} ms, p99 {run['p99_ms']:.1f} ms, "
        f"{run['cpu_ms'] or float('nan'):.1f} ms of processor a request{held}{busy}",
        soft_wrap=True,
        highlight=False,
    )
