"""`frontalis erase` and `frontalis retention`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from app.cli_reasons import reasons
from app.service import erasure
from app.service import retention as clock
from app.service.house import opened
from app.settings import Settings

erase = typer.Typer(no_args_is_help=True, help="Prove that somebody is gone.")
retention = typer.Typer(no_args_is_help=True, help="Erase what is over its time.")

out, err = Console(), Console(stderr=True)


@erase.command()
def verify(
    what: Annotated[str, typer.Argument(help="A subject's id, or a receipt's.")],
    collection: Annotated[str, typer.Option(help="The collection.")] = "default",
) -> None:
    """Look for what is left in all tables, index and snapshot. Exit status 1 where anything is."""
    with reasons(), opened(Settings(), own=False) as parts:
        found = erasure.verify(parts, what, collection)
    for one in found:
        err.print(f"[red]left[/red]: {one}", soft_wrap=True)
    if found:
        raise typer.Exit(1)
    out.print("nothing is left")


@erase.callback()
def _erase() -> None:
    """A group, so that `verify` is named."""


@retention.command()
def run(
    sure: Annotated[
        bool, typer.Option("--sure", help="The clock is right, however long ago the last run was.")
    ] = False,
) -> None:
    """Once, now; the service does it every hour."""
    with reasons(), opened(Settings()) as parts:
        out.print(f"{clock.run(parts, sure)} subjects erased")


@retention.callback()
def _retention() -> None:
    """A group, so that `run` is named."""
