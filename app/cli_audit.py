"""`frontalis audit`: who did what, and whether the record of it is whole."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from app.cli_reasons import reasons
from app.service.acts import verify_acts
from app.service.rows import rows
from app.settings import Settings
from app.store import audit

commands = typer.Typer(no_args_is_help=True, help="Who did what: ids and times, nothing biometric.")

out, err = Console(), Console(stderr=True)


@commands.command("list")
def list_acts(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many of the latest.")] = 100,
) -> None:
    """The latest acts, the newest first, a JSON object a line."""
    with reasons(), rows(Settings()) as database, database.reading() as session:
        for act in audit.acts_before(session, None, limit):
            told = {"number": act.number, "at": act.at.isoformat(), "who": act.who, "act": act.act}
            line = json.dumps({**told, "collection": act.collection, "ids": act.ids, "digest": act.digest})
            out.print(line, markup=False, highlight=False, soft_wrap=True)


@commands.command()
def verify(
    expect: Annotated[str | None, typer.Option(help="A digest of this log that you wrote down elsewhere.")] = None,
) -> None:
    """Whether no act was altered, removed or inserted. Write the digest it prints down where nobody here can write."""
    settings = Settings()
    with reasons(), rows(settings) as database:
        found = verify_acts(database, settings.data_dir, expect)
    if found.broken is not None:
        err.print(f"[red]broken[/red]: {found.reason}; {found.acts} acts before it hold", soft_wrap=True)
        raise typer.Exit(1)
    out.print(f"{found.acts} acts, whole; digest {found.digest}", highlight=False, soft_wrap=True)
