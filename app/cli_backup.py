"""`frontalis backup` and `frontalis restore`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.cli_reasons import reasons
from app.service.backup import back_up, put_back
from app.service.rows import rows
from app.settings import Settings

commands = typer.Typer()
_out, _err = Console(), Console(stderr=True)


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.completed} rows " + what), TimeElapsedColumn())
    with Progress(*columns, console=_err) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)


@commands.command()
def backup(file: Annotated[Path, typer.Argument(dir_okay=False, help="A file that is not there yet.")]) -> None:
    """Write everything to one file, as it is at one moment; the service may run. Keep the sealing key elsewhere."""
    with reasons():
        settings = Settings()
        with rows(settings) as database, _counting("written") as progress:
            done = back_up(settings, database, file, progress)
    _out.print(f"{done} rows to {file}", soft_wrap=True)


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `frontalis backup` wrote.")],
    receipts: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A copy of gone.jsonl, where the data folder was lost."),
    ] = None,
) -> None:
    """Put a backup into an empty database. Whoever was erased since stays erased. Stop the service first."""
    with reasons(), _counting("put back") as progress:
        done = put_back(Settings(), file, receipts or [], progress)
    told = ", ".join(f"{number} {table}" for table, number in done.gone.items()) or "nothing"
    _out.print(
        f"{done.rows} rows of {done.made_at:%Y-%m-%d %H:%M} UTC; gone since, and left out: {told}", soft_wrap=True
    )
    if done.torn:
        _err.print(f"[yellow]{done.torn} lines of the receipts cannot be read[/yellow]", soft_wrap=True)
