"""Commands. Each calls the service layer, as the routers do."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.api import logs
from app.api.views import identified
from app.errors import FrontalisError
from app.main import create_app
from app.service import doctor as checks
from app.service.folder import Outcome, enroll_folder, people
from app.service.house import opened
from app.service.recognition import identify as identify_picture
from app.service.reindexing import reindex as reindex_rows
from app.settings import Settings
from app.store import migrate as migrations
from app.store.database import Database
from app.store.lock import owning

main = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Face recognition that still knows you from the side."
)
bench = typer.Typer(no_args_is_help=True, help="Measure this machine.")
main.add_typer(bench, name="bench")

out, err = Console(), Console(stderr=True)

Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder a person; its name is the id.")]
Picture = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
Collection = Annotated[str, typer.Option(help="The collection.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _reasons() -> Iterator[None]:
    """A refusal is one line and exit status 1, not a traceback."""
    try:
        yield
    except ValidationError as error:
        for one in error.errors(include_input=False):
            where = "FRONTALIS_" + "_".join(str(part) for part in one["loc"]).upper() if one["loc"] else "settings"
            err.print(f"[red]{where}[/red]: {one['msg'].removeprefix('Value error, ')}", soft_wrap=True)
        raise typer.Exit(1) from None
    except FrontalisError as error:
        err.print(f"[red]{error.code}[/red]: {error.detail}", soft_wrap=True)
        raise typer.Exit(1) from None


@main.command()
def serve() -> None:
    """Run the service. Settings come from the environment: see README."""
    with _reasons():
        settings = Settings()
    logs.configure(settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
    )
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise typer.Exit(1)


@main.command()
def enroll(
    folder: Folder,
    collection: Collection = "default",
    faces: Annotated[str, typer.Option(help="single, or largest: take the largest face of several.")] = "single",
    report: Annotated[Path | None, typer.Option(help="Write every file's outcome here, tab-separated.")] = None,
) -> None:
    """Enrol a folder of people. Interrupted, it goes on where it stopped: files already enrolled are skipped."""
    if faces not in ("single", "largest"):
        raise typer.BadParameter("single or largest", param_hint="--faces")
    which: Literal["single", "largest"] = "largest" if faces == "largest" else "single"
    with _reasons():
        found = people(folder)
        with opened(Settings()) as parts:
            outcomes = _with_progress(enroll_folder(parts, found, collection, which), sum(map(len, found.values())))
    if report is not None:
        with report.open("w", newline="") as file:
            rows = csv.writer(file, delimiter="\t")
            rows.writerow(["path", "subject_id", "result", "code", "reason"])
            rows.writerows([one.path, one.subject_id, one.result, one.code, one.reason] for one in outcomes)
    counts = Counter(one.result for one in outcomes)
    out.print(
        f"{len(found)} people: {counts['enrolled']} enrolled, {counts['known']} known before, "
        f"{counts['rejected']} rejected"
    )
    if counts["rejected"]:
        raise typer.Exit(2)


def _with_progress(outcomes: Iterator[Outcome], total: int) -> list[Outcome]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done = []
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("enrolling", total=total)
        for one in outcomes:
            done.append(one)
            if one.result == "rejected":
                progress.console.print(f"{one.path}: {one.code} {one.reason}", soft_wrap=True, markup=False)
            progress.advance(task)
    return done


@main.command()
def identify(
    image: Picture,
    collection: Collection = "default",
    top_k: Annotated[int, typer.Option(min=1, max=100, help="Candidates a face.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Who is in this picture."""
    with _reasons(), opened(Settings(), own=False) as parts:
        found = identify_picture(parts, image.read_bytes(), collection, top_k)
    if as_json:
        out.print_json(identified(found, "").model_dump_json(exclude={"request_id"}))
        return
    limit = found.limit
    for place, face in enumerate(found.faces, 1):
        table = Table(title=f"Face {place}: {face.decision}", title_justify="left")
        for column in ("subject", "name", "score", "distance", "margin"):
            table.add_column(column)
        for one in face.candidates:
            margin = "" if one.margin is None else f"{one.margin:.3f}"
            table.add_row(one.subject_id, one.name, f"{one.score:.3f}", f"{one.distance:.3f}", margin)
        out.print(table)
    out.print(
        f"threshold {limit.threshold:.3f} for FPIR {limit.fpir:.2g} among {limit.subjects} subjects"
        + (" (extrapolated)" if limit.extrapolated else "")
    )


@main.command()
def reindex() -> None:
    """Apply the present frontalizer to every template and rebuild the index from the rows."""
    with _reasons(), opened(Settings()) as parts:
        done = reindex_rows(parts)
    out.print(f"{done.templates} templates checked, {done.changed} brought to {done.model_id}")
    for name in done.refused:
        err.print(f"[red]{name}[/red]: enrolled with another extractor; it needs its pictures again", soft_wrap=True)
    if done.refused:
        raise typer.Exit(1)


@main.command()
def migrate() -> None:
    """Bring the database to the present tables."""
    with _reasons():
        database = Database(Settings().database)
        with owning(database):
            before, after = migrations.upgrade(database)
        database.close()
    out.print(f"{before or 'empty'} -> {after}")


@main.command()
def doctor(as_json: AsJson = False) -> None:
    """What is installed, found and missing."""
    with _reasons():
        findings = checks.examine(Settings())
    if as_json:
        out.print_json(json.dumps([asdict(one) for one in findings]))
    else:
        for one in findings:
            mark = {"ok": "[green]ok[/green]", "absent": "[dim]absent[/dim]", "failed": "[red]failed[/red]"}[one.state]
            out.print(f"{mark:>6} {one.name}: {one.detail}", soft_wrap=True)
    if any(one.state == "failed" for one in findings):
        raise typer.Exit(1)
