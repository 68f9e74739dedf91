"""`frontalis seal`: encryption at rest."""

from __future__ import annotations

import typer
from rich.console import Console

from app.cli_reasons import reasons
from app.seal import new_key
from app.service.rows import rows
from app.service.sealing import rotate_seals
from app.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Encryption at rest.")

out, err = Console(), Console(stderr=True)


@commands.command()
def key() -> None:
    """Print a fresh key. Keep it apart from the database: without it nobody is recognised any more."""
    out.print(new_key(), markup=False, highlight=False)


@commands.command()
def rotate() -> None:
    """Seal every vector under the first key. Interrupted, it goes on where it stopped; the service may run."""
    with reasons(), rows(Settings()) as database, err.status("sealing") as status:
        changed = rotate_seals(database, lambda seen: status.update(f"{seen} rows looked at"))
    out.print(f"{changed} rows sealed anew")
