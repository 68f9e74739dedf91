"""``frontalis export`` and ``frontalis import``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.cli_reasons import reasons
from app.seal import Keyring
from app.service.rows import rows
from app.service.transfer import export_collection, import_collection
from app.settings import Settings

commands = typer.Typer()
_out, _err = Console(), Console(stderr=True)


KeyFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Seals the file: a key of its own, of `frontalis seal key`."),
]


def _keys(file: Path | None) -> Keyring | None:
    return None if file is None else Keyring.parse(file.read_text(encoding="utf-8"))


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.completed} templates " + what), TimeElapsedColumn())
    with Progress(*columns, console=_err) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)


@commands.command("export")
def export_(
    collection: Annotated[str, typer.Argument(help="The collection.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="A file that is not there yet.")],
    key_file: KeyFile = None,
) -> None:
    """Write a collection to one file. It holds faces as numbers: seal it, or keep it as you keep the database."""
    with reasons(), rows(Settings()) as database, _counting("exported") as progress:
        totals = export_collection(database, collection, file, progress, _keys(key_file))
    _out.print(f"{totals.subjects} subjects, {totals.templates} templates to {file}", soft_wrap=True)


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `frontalis export` wrote.")],
    collection: Annotated[str | None, typer.Option(help="Into this collection; else into the one of its name.")] = None,
    key_file: KeyFile = None,
) -> None:
    """Read a collection back, also into another database. Interrupted, it goes on where it stopped."""
    with reasons():
        settings = Settings()
        with rows(settings) as database, _counting("imported") as progress:
            done = import_collection(database, file, collection, settings.max_collections, progress, _keys(key_file))
    _out.print(
        f"{done.subjects} subjects, {done.templates} templates into {done.collection!r}, "
        f"{done.known} templates known before",
        soft_wrap=True,
    )
