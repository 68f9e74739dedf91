"""Facial parameters without labels (method B): head pose, action units and shape from renders and bare photographs.

    python -m training.facial_parameters draw FACE_MODEL.npz WORK
    python -m training.facial_parameters redraw FACE_MODEL.npz WORK --crops CROPS --meshes MESHES [--left-out LISTS]
    python -m training.facial_parameters warm FACE_MODEL.npz WORK
    python -m training.facial_parameters imitate WORK
    python -m training.facial_parameters adapt FACE_MODEL.npz WORK --crops CROPS --meshes MESHES [--leave TERM]
    python -m training.facial_parameters measure WORK --crops CROPS --meshes MESHES --ckplus CKPLUS [--run RUN]
    python -m training.facial_parameters tables WORK/RUN
    python -m training.facial_parameters export WORK/RUN training/cards/action-units.json app/weights/action-units
    python -m training.facial_parameters show FACE_MODEL.npz IMAGE OUT.png
    python -m training.facial_parameters transfer FACE_MODEL.npz IMAGE OUT.png

Each stage goes on where it was interrupted and leaves alone what is finished. ``MESHES`` is what
``training.landmarker`` wrote for the same crops.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import cv2
import numpy as np
import torch
import typer
from numpy.typing import NDArray

from app.face.align import align
from app.face.decode import decode
from app.face.engine import Engine
from app.face.nets.facial_parameters import MARGIN, SIDE, FacialParameters
from app.face.refine import shipped_refiner
from app.face.weights import SHIPPED, load_part, read_card, write_card
from training import facial_measures, facial_pictures, facial_report, facial_stages
from training.checkpoint import Run
from training.export import save_weights
from training.face_model import FaceModel, load_face_model
from training.facial_losses import Weights
from training.facial_stages import Photographs, Schedule
from training.imitator import Imitator
from training.paint import base_paint
from training.photographs import Meshed, meshed, redraw_set
from training.recognise import recogniser
from training.render_sets import RenderSet, draw_set, load_set

app = typer.Typer(add_completion=False, help=__doc__)

N = TypeVar("N", bound=torch.nn.Module)

SETS: Final = ("vggface2_69", "utkface", "celeba_wild", "all_age_faces", "pins105")

Model = Annotated[Path, typer.Argument(help="ICT-FaceKit light as .npz")]
Work = Annotated[Path, typer.Argument(help="the folder of renders and runs")]
Crops = Annotated[Path, typer.Option(help="aligned crops that training.data.prepare cut")]
Meshes = Annotated[Path, typer.Option(help="what training.landmarker wrote")]
Picture = Annotated[Path, typer.Argument(help="a photograph", exists=True, dir_okay=False)]


@app.callback()
def one_thread() -> None:
    """One core: a machine that trains beside other work is not taken whole."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@app.command()
def draw(model: Model, work: Work, varied: int = 10240, held_out: int = 512, base: int = 2560) -> None:
    """Draw parameters uniformly and render the three sets."""
    face = load_face_model(model)
    for kind, count in (("held_out", held_out), ("varied", varied), ("base", base)):
        draw_set(kind, count, face, work / "renders")


@app.command()
def redraw(
    model: Model, work: Work, crops: Crops, meshes: Meshes, left_out: Path | None = None, share: float = 0.15
) -> None:
    """Draw other expressions over photographs of people who are not held out."""
    redraw_set(photographs(crops, meshes, False, left_out), share, load_face_model(model), work / "renders")


@app.command()
def warm(
    model: Model,
    work: Work,
    start: Annotated[Path | None, typer.Option(help="a folder with a card whose weights are gone on from")] = None,
    steps: int = 8000,
    size: int = 48,
    rate: float = 4e-3,
    out: str = "warm",
    painted_only: bool = False,
) -> None:
    """F_seg, and R on it, supervised by renders and by photographs that the face was fitted to."""
    torch.manual_seed(1)
    sets, modes = known_faces(model, work, painted_only)
    network = FacialParameters()
    if start:
        network.load_state_dict(load_part(read_card(start), "estimator").state_dict())
    facial_stages.warm_up(network, sets, modes, Schedule(steps, size, rate)).run(work / out)


@app.command()
def imitate(work: Work, steps: int = 2500, size: int = 32) -> None:
    """The imitator G, on the renders of one skin."""
    torch.manual_seed(1)
    base = load_set("base", work / "renders")
    facial_stages.imitate(Imitator(), trained(work / "warm").parsing, base, Schedule(steps, size)).run(
        work / "imitator"
    )


@app.command()
def adapt(
    model: Model,
    work: Work,
    crops: Crops,
    meshes: Meshes,
    left_out: Path | None = None,
    leave: Annotated[str, typer.Option(help="one of the five losses, left out")] = "",
    extractor: Annotated[Path, typer.Option(help="F_reg: a folder with a card")] = SHIPPED / "fast",
    steps: int = 200,
    size: int = 16,
    rate: float = 4e-4,
    count: int = 1500,
    out: str = "adapted",
) -> None:
    """R by the five losses on bare photographs, beside what is known of renders; F_seg, G and F_reg stand still."""
    torch.manual_seed(1)
    weights = Weights()
    if leave:
        if leave not in {field.name for field in fields(Weights)}:
            raise typer.BadParameter(f"there is no loss {leave}", param_hint="--leave")
        weights = replace(weights, **{leave: 0.0})
    network = trained(work / "warm")
    recognise = recogniser(extractor)
    parts = photographs(crops, meshes, False, left_out)
    pictures = np.concatenate([part.crops[part.rows[: count // len(parts)]] for part in parts])
    bare = Photographs(pictures, facial_stages.embeddings(recognise, pictures))
    imitator = trained_imitator(work / "imitator")
    schedule, known = Schedule(steps, size, rate), known_faces(model, work)
    facial_stages.adapt(network, imitator, recognise, bare, weights, schedule, known).run(work / out)


@app.command()
def measure(
    work: Work,
    crops: Crops,
    meshes: Meshes,
    ckplus: Annotated[Path, typer.Option(help="CK+48, a folder an expression")],
    run: Annotated[str, typer.Option(help="which run under WORK")] = "warm",
    count: int = 500,
) -> None:
    """Every bar, as JSON: renders of held-out identities, held-out photographs, CFP's profiles, CK+48."""
    network = trained(work / run)
    network_says = partial(facial_stages.estimates, network)
    held_out = load_set("held_out", work / "renders")
    report: dict[str, object] = {"renders": facial_measures.of_renders(network_says(held_out.images), held_out.y)}
    parts = photographs(crops, meshes, True)
    found = np.concatenate([network_says(part.crops[part.rows]) for part in parts])
    yaw, pitch = (np.concatenate([getattr(part, angle) for part in parts]) for angle in ("yaw", "pitch"))
    report["pose"] = facial_measures.of_pose(found, yaw, pitch)
    shapes = np.concatenate([part.shapes for part in parts])
    agreement = facial_measures.of_blendshapes(found, shapes, parts[0].shape_names)
    report["blendshapes"] = {"mean": float(np.mean(list(agreement["moving"].values()))), **agreement}
    profiles = side_views(crops, count)
    report["profiles"] = facial_measures.of_pose(network_says(profiles[0]), profiles[1], profiles[2])
    refiner = shipped_refiner("openvino", 1, "cpu")
    report["ckplus"] = facial_measures.expressions(ckplus, refiner, network_says)
    served = np.concatenate([facial_measures.served_pose(refiner, part.crops[part.rows]) for part in parts])
    report["served pose"] = {
        "photographs": facial_measures.of_pose(served, yaw, pitch),
        "profiles": facial_measures.of_pose(facial_measures.served_pose(refiner, profiles[0]), *profiles[1:]),
    }
    text = json.dumps(report, indent=1)
    (work / run / "measures.json").write_text(text, encoding="utf-8")
    typer.echo(text)


@app.command()
def tables(run: Annotated[Path, typer.Argument(help="WORK/RUN")]) -> None:
    """The tables of docs/action-units.md, from what ``measure`` found."""
    measures = json.loads((run / "measures.json").read_text(encoding="utf-8"))
    for table in (facial_report.table_of_bars, facial_report.table_of_units, facial_report.row_of_run):
        typer.echo(table(measures) + "\n")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="WORK/RUN")],
    facts: Annotated[Path, typer.Argument(help="the rest of the card")],
    out: Annotated[Path, typer.Argument(help="the folder that ships")],
) -> None:
    """Float16 weights and the card that vouches for them, with what ``measure`` found."""
    save_weights(trained(run).state_dict(), out / "estimator.safetensors")
    part = {"architecture": "facial_parameters", "kwargs": {}, "file": "estimator.safetensors"}
    measures = json.loads((run / "measures.json").read_text(encoding="utf-8"))
    card = {"name": out.name, "kind": "action_units", **json.loads(facts.read_text(encoding="utf-8"))}
    write_card(out, {**card, "metrics": [measures], "parts": {"estimator": part}})


@app.command()
def show(model: Model, image: Picture, out: Path, weights: Path = SHIPPED / "action-units") -> None:
    """The face, its reconstruction I2, its expression on the base identity I3, its identity alone I4, and its units."""
    face = load_face_model(model)
    save_picture(out, facial_pictures.shown(face, *looked_at(image, weights), base_paint(face)))


@app.command()
def transfer(model: Model, image: Picture, out: Path, weights: Path = SHIPPED / "action-units") -> None:
    """The expression of the largest face on other 3-D faces."""
    face = load_face_model(model)
    save_picture(out, facial_pictures.transferred(face, *looked_at(image, weights), base_paint(face)))


def looked_at(image: Path, weights: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The crop of the largest face, at the sheet's size, and its y [269]."""
    network = load_part(read_card(weights), "estimator")
    picture = decode(image.read_bytes())
    with tempfile.TemporaryDirectory() as cache:
        found = Engine.load(Path(cache), "fast", runtime="torch").pictures([picture])[0].faces
    if not found:
        raise typer.BadParameter("no face was found", param_hint="IMAGE")
    points = found[0].detection.landmarks
    with torch.inference_mode():
        y = network(torch.from_numpy(align(picture, points, SIDE, MARGIN)[None]))[0].numpy()
    return align(picture, points, facial_pictures.SIDE, MARGIN), y


def save_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    if not cv2.imwrite(str(path), picture[:, :, ::-1]):
        raise typer.BadParameter("cannot write there", param_hint="OUT")


def side_views(crops: Path, count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """``count`` of CFP's profiles [n, 128, 128, 3] with the labeller's yaw and pitch [n]."""
    lines = [line.split("\t") for line in (crops / "cfp.tsv").read_text(encoding="utf-8").splitlines()]
    rows = [row for row, line in enumerate(lines) if "profile" in line[0]]
    chosen = np.sort(np.random.default_rng(0).permutation(rows)[:count])
    pictures = np.load(crops / "cfp.npy", mmap_mode="r")[chosen]
    yaw, pitch = (np.array([lines[row][at] for row in chosen], np.float32) for at in (1, 2))
    return pictures, yaw, pitch


def photographs(crops: Path, meshes: Path, testing: bool, left_out: Path | None = None) -> list[Meshed]:
    """Of every set that has a mesh file: the people held out, or the others without those of ``left_out`` lists."""
    parts = []
    for name in SETS:
        if not (meshes / f"{name}.npz").exists():
            continue
        out = (left_out / f"{name}.txt").read_text(encoding="utf-8").splitlines() if left_out else []
        parts.append(meshed(name, crops, meshes, testing, frozenset(out)))
    return parts


def known_faces(model: Path, work: Path, painted_only: bool = False) -> tuple[list[RenderSet], torch.Tensor]:
    """The painted set, the redrawn photographs and the photographs, and what each identity number counts."""
    renders = work / "renders"
    sets = [load_set("varied", renders)]
    if not painted_only:
        sets += [load_set("redrawn", renders), load_set("photographs", renders)]
    return sets, modes_of(load_face_model(model))


def modes_of(face: FaceModel) -> torch.Tensor:
    return facial_stages.visibility(face.identity)


def trained(folder: Path) -> FacialParameters:
    """The network of a run. Raises ``FileNotFoundError`` where there is none."""
    return _restored(FacialParameters(), folder)


def trained_imitator(folder: Path) -> Imitator:
    """G of a run. Raises ``FileNotFoundError``."""
    return _restored(Imitator(), folder)


def _restored(network: N, folder: Path) -> N:
    state = Run(folder).load()
    if state is None:
        raise FileNotFoundError(f"{folder.name} holds no run")
    network.load_state_dict(state["network"])
    return network.eval()


if __name__ == "__main__":
    app()
