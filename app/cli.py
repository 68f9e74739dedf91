"""Commands. Each calls the service layer, as the routers do."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.api import logs
from app.api.access import require_closed_door
from app.api.views import identified
from app.cli_audit import commands as audit
from app.cli_backup import commands as backup
from app.cli_door import door
from app.cli_embeddings import commands as embeddings
from app.cli_erasure import erase, retention
from app.cli_inference import inference
from app.cli_keys import commands as keys
from app.cli_load import load
from app.cli_portrait import portrait
from app.cli_presentation import presentation
from app.cli_reasons import reasons
from app.cli_seal import commands as seal
from app.cli_transfer import commands as transfer
from app.face.bench import bench_pipeline
from app.gallery.bench import bench_gallery
from app.gallery.bench_plot import draw
from app.main import create_app
from app.server import configured
from app.service import doctor as checks
from app.service.consents import Given
from app.service.folder import Outcome, enroll_folder, people
from app.service.house import opened
from app.service.recognition import identify as identify_picture
from app.service.reindexing import reindex as reindex_rows
from app.service.rows import rows
from app.settings import Settings
from app.store import migrate as migrations
from app.store.database import Database
from app.store.lock import alone

main = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Face recognition that still knows you from the side."
)
bench = typer.Typer(no_args_is_help=True, help="Measure this machine.")
main.add_typer(bench, name="bench")
bench.command()(door)
bench.command()(load)
bench.command()(inference)
bench.command()(presentation)
main.add_typer(audit, name="audit")
main.add_typer(keys, name="keys")
main.add_typer(erase, name="erase")
main.add_typer(retention, name="retention")
main.add_typer(seal, name="seal")
main.add_typer(transfer)
main.add_typer(embeddings)
main.add_typer(backup)

out, err = Console(), Console(stderr=True)

Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder a person; its name is the id.")]
Picture = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
Collection = Annotated[str, typer.Option(help="The collection.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@main.callback()
def _start() -> None:
    logs.configure_for_commands()


@main.command()
def serve(
    tls_cert: Annotated[Path | None, typer.Option(help="Wins over FRONTALIS_TLS_CERT.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Wins over FRONTALIS_TLS_KEY.")] = None,
) -> None:
    """Run the service. Settings come from the environment: see README."""
    given: dict[str, Any] = {"tls_cert": tls_cert, "tls_key": tls_key}
    with reasons():
        settings = Settings(**{name: path for name, path in given.items() if path is not None})
        with rows(settings) as database:
            require_closed_door(settings, database)
    logs.configure(settings.log_level)
    app = create_app(settings)
    server = uvicorn.Server(configured(settings, app))
    app.state.leaving = lambda: server.should_exit
    server.run()
    if not server.started:
        raise typer.Exit(1)


@main.command()
def enroll(
    folder: Folder,
    collection: Collection = "default",
    faces: Annotated[str, typer.Option(help="single, or largest: take the largest face of several.")] = "single",
    report: Annotated[Path | None, typer.Option(help="Write every file's outcome here, tab-separated.")] = None,
    consent: Annotated[
        int | None, typer.Option(min=1, help="The version of the consent text that all of them signed on paper.")
    ] = None,
) -> None:
    """Enrol a folder of people. Interrupted, it goes on where it stopped: files already enrolled are skipped."""
    if faces not in ("single", "largest"):
        raise typer.BadParameter("single or largest", param_hint="--faces")
    which: Literal["single", "largest"] = "largest" if faces == "largest" else "single"
    with reasons():
        found = people(folder)
        with opened(Settings()) as parts, _reported(report) as note:
            given = None if consent is None else Given(consent, "paper")
            outcomes = enroll_folder(parts, found, collection, which, given)
            counts = _with_progress(outcomes, sum(map(len, found.values())), note)
    out.print(
        f"{len(found)} people: {counts['enrolled']} enrolled, {counts['known']} known before, "
        f"{counts['rejected']} rejected"
    )
    if counts["rejected"]:
        raise typer.Exit(2)


@contextmanager
def _reported(report: Path | None) -> Iterator[Callable[[Outcome], object]]:
    """Writes each outcome as it comes, so that a folder of a million needs no more memory than one of ten."""
    if report is None:
        yield lambda one: None
        return
    with report.open("w", newline="") as file:
        rows = csv.writer(file, delimiter="\t")
        rows.writerow(["path", "subject_id", "result", "code", "reason"])
        yield lambda one: rows.writerow([one.path, one.subject_id, one.result, one.code, one.reason])


def _with_progress(outcomes: Iterator[Outcome], total: int, note: Callable[[Outcome], object]) -> Counter[str]:
    """How many ended how."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    counts: Counter[str] = Counter()
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("enrolling", total=total)
        for one in outcomes:
            note(one)
            counts[one.result] += 1
            if one.result == "rejected":
                progress.console.print(f"{one.path}: {one.code} {one.reason}", soft_wrap=True, markup=False)
            progress.advance(task)
    return counts


@main.command()
def identify(
    image: Picture,
    collection: Collection = "default",
    top_k: Annotated[int, typer.Option(min=1, max=100, help="Candidates a face.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Who is in this picture."""
    with reasons(), opened(Settings(), own=False) as parts:
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
    with reasons(), opened(Settings()) as parts:
        done = reindex_rows(parts)
    out.print(f"{done.templates} templates checked, {done.changed} brought to {done.model_id}")
    for name in done.refused:
        err.print(f"[red]{name}[/red]: enrolled with another extractor; it needs its pictures again", soft_wrap=True)
    if done.refused:
        raise typer.Exit(1)


@main.command()
def migrate() -> None:
    """Bring the database to the present tables."""
    with reasons():
        database = Database(Settings().database)
        with alone(database):
            before, after = migrations.upgrade(database)
        database.close()
    out.print(f"{before or 'empty'} -> {after}")


@main.command()
def doctor(as_json: AsJson = False) -> None:
    """What is installed, found and missing."""
    with reasons():
        findings = checks.examine(Settings())
    if as_json:
        out.print_json(json.dumps([asdict(one) for one in findings]))
    else:
        for one in findings:
            mark = {"ok": "[green]ok[/green]", "absent": "[dim]absent[/dim]", "failed": "[red]failed[/red]"}[one.state]
            out.print(f"{mark:>6} {one.name}: {one.detail}", soft_wrap=True)
    if any(one.state == "failed" for one in findings):
        raise typer.Exit(1)


@bench.command()
def pipeline(
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A picture of one face.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each measurement; the median counts.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Milliseconds by stage for VGA and full-HD pictures with one and five faces, and the ratio to torch eager."""
    with reasons():
        settings = Settings()
        model = Path(settings.extractor) if settings.extractor.endswith(".onnx") else settings.extractor
        folders = [settings.data_dir / "weights"]
        found = bench_pipeline(settings.data_dir / "converted", portrait(image), model, folders, repeats)
    if as_json:
        out.print_json(json.dumps(found))
        return
    out.print(f"{found['model_id']}, runtime {found['runtime']}, detector {found['detector']}")
    stages = list(found["rows"][0]["stages_ms"])
    ratios = ["detect_ratio", "extract_ratio"]
    _print_table(
        ["picture", "faces", *stages, *ratios],
        [{**row, **row["stages_ms"], "faces": row["faces_found"]} for row in found["rows"]],
    )


@bench.command()
def gallery(
    size: Annotated[list[int] | None, typer.Option(min=100, help="Templates; may be given several times.")] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="flat, hnsw, faiss, pgvector, pgvector-hnsw, milvus.")
    ] = None,
    postgres: Annotated[str, typer.Option(help="URL, for the pgvector backends.")] = "",
    milvus: Annotated[str, typer.Option(help="URL; empty: milvus-lite in a temporary folder.")] = "",
    plot: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw the figures: .svg or .png.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build, search, recall, memory and restart of the galleries side by side, on made-up people."""
    with reasons():
        sizes, backends = size or [10_000, 100_000], backend or ["flat", "hnsw", "faiss"]
        found = bench_gallery(sizes, backends, postgres=postgres, milvus=milvus)
        if plot is not None:
            draw([found], plot)
    if as_json:
        out.print_json(json.dumps(found))
        return
    columns = ["backend", "templates", "build_s", "add_ms", "delete_ms", "p50_ms", "p99_ms", "memory_mb", "restart_s"]
    recalls = {f"recall@1 {kind}": kind for kind in found["runs"][0]["recall_1"]}
    _print_table(
        [*columns, *recalls],
        [{**run, **{name: run["recall_1"][kind] for name, kind in recalls.items()}} for run in found["runs"]],
    )


def _print_table(measures: list[str], runs: list[dict[str, Any]]) -> None:
    """A row a measure and a column a run, so that it fits a terminal."""
    table = Table(show_header=False)
    for measure in measures:
        cells = [run[measure] for run in runs]
        table.add_row(measure, *(f"{cell:.3g}" if isinstance(cell, float) else str(cell or "") for cell in cells))
    out.print(table)
