"""``frontalis enroll-embeddings``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli_reasons import reasons
from app.service.collections import ensure_default
from app.service.embeddings import enroll_embeddings
from app.service.loading import load_engine
from app.service.machine import prepare
from app.service.rows import rows
from app.settings import Settings
from app.store.embedding_file import EmbeddingFile
from app.store.lock import alone

commands = typer.Typer()
_out, _err = Console(), Console(stderr=True)


@commands.command("enroll-embeddings")
def enroll_embeddings_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".npy, or .npz with the ids inside.")],
    extractor: Annotated[str, typer.Option(help="What made the embeddings; `frontalis doctor` names yours.")],
    subjects: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="For .npy: a subject id a line.")
    ] = None,
    collection: Annotated[str, typer.Option(help="The collection.")] = "default",
) -> None:
    """Enrol ready embeddings, as many as there are. Interrupted, it goes on where it stopped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with reasons():
        settings = Settings()
        prepare(settings)
        found = EmbeddingFile(file, subjects)
        engine = load_engine(settings)
        with rows(settings) as database, Progress(*columns, console=_err) as progress:
            with alone(database):
                ensure_default(database)
            task = progress.add_task("enrolling", total=found.rows)
            started = time.monotonic()
            done = enroll_embeddings(
                database,
                engine,
                found,
                extractor,
                collection,
                settings.max_templates,
                lambda number: progress.update(task, completed=number),
            )
            seconds = time.monotonic() - started
    _out.print(
        f"{done.templates} templates of {done.subjects} new subjects into {collection!r}, {done.known} known before, "
        f"{seconds:.1f} s",
        soft_wrap=True,
    )
