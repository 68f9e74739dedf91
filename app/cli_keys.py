"""`frontalis keys`: works beside a running service, and when nobody can come in any more."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table

from app.cli_reasons import reasons
from app.service import keys
from app.service.callers import SCOPES, Scope
from app.service.rows import rows
from app.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Keys that let people and programs in.")

out, err = Console(), Console(stderr=True)

Days = Annotated[float | None, typer.Option(min=0.001, max=36_500, help="Days until it expires; left out: never.")]


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="What you will recognise it by.")],
    scope: Annotated[list[str], typer.Option(help=f"Several times for several: {', '.join(SCOPES)}.")],
    collection: Annotated[list[str] | None, typer.Option(help="Only this one; several times; left out: all.")] = None,
    days: Days = None,
) -> None:
    """Make a key and print it, this once."""
    scopes: list[Scope] = []
    for one in scope:
        if one not in get_args(Scope):
            raise typer.BadParameter(f"one of {', '.join(SCOPES)}", param_hint="--scope")
        scopes.append(one)  # type: ignore[arg-type]  # it is one of them
    lifetime = None if days is None else timedelta(days=days)
    with reasons(), rows(Settings()) as database:
        _show(keys.create_key(database, name, scopes, collection, lifetime))


@commands.command("list")
def list_keys(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Every key, without its secret: that is nowhere."""
    with reasons(), rows(Settings()) as database:
        found = keys.list_keys(database)
    if as_json:
        out.print_json(json.dumps([asdict(one) for one in found], default=datetime.isoformat))
        return
    table = Table("id", "name", "for", "collections", "made", "expires", "last used")
    for one in found:
        ends = "[red]revoked[/red]" if one.revoked_at else _day(one.expires_at)
        where = "all" if one.collections is None else ", ".join(one.collections)
        used = "" if one.last_used_at is None else f"{one.last_used_at:%Y-%m-%d %H} h"
        table.add_row(one.key_id, one.name, ", ".join(one.scopes), where, _day(one.created_at), ends, used)
    out.print(table)


@commands.command()
def revoke(key_id: str) -> None:
    """Refuse a key from now on."""
    with reasons(), rows(Settings()) as database:
        gone = keys.revoke_key(database, key_id)
    out.print(f"{gone.key_id} ({gone.name}) opens nothing any more", markup=False)


@commands.command()
def rotate(
    key_id: str,
    grace: Annotated[float, typer.Option(min=0, max=720, help="Hours for which the old key still opens.")] = 0,
) -> None:
    """Make another key for the same, print it, and end the old one."""
    with reasons(), rows(Settings()) as database:
        _show(keys.rotate_key(database, key_id, timedelta(hours=grace)))


def _show(made: keys.MadeKey) -> None:
    err.print(f"{made.view.key_id} ({made.view.name}). Shown this once; only its hash is kept:", markup=False)
    out.print(made.key, markup=False, soft_wrap=True, highlight=False)


def _day(when: datetime | None) -> str:
    return "" if when is None else f"{when:%Y-%m-%d}"
