"""The official near-infrared protocols on a folder that you own, through the real engine.

    python -m training.spectral_protocols casia_nir_vis_2 FOLDER [--spectrum infrared|visible|auto]

Infrared probes are searched among visible templates: rank-1, and the verification rate where 0.1 % of the
non-mated comparisons are accepted, mean and deviation over the folds. A face that was not found is a miss.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from app.errors import FrontalisError
from app.face.decode import PictureLimits, decode
from app.face.engine import Engine
from app.face.spectrum import Asked
from training.data.spectral import PROTOCOLS, Fold, Picture
from training.protocols import rank_rate, search, tpr_at
from training.sources import nearest_the_middle

Embed = Callable[[Picture], NDArray[np.float32] | None]
"""The vector that the gallery would compare, unit length; None where no face was found."""


@dataclass(frozen=True, slots=True)
class Result:
    """Fractions, of one fold. ``lost``: pictures without a face, in gallery and probes."""

    name: str
    rank_1: float
    vr_1e3: float
    lost: int


def run(folds: Sequence[Fold], embed: Embed) -> list[Result]:
    """Every fold; a picture that several name is embedded once."""
    known: dict[str, NDArray[np.float32] | None] = {}

    def vectors(found: Sequence[Picture]) -> tuple[NDArray[np.float32], int]:
        for one in found:
            if one.path not in known:
                known[one.path] = embed(one)
        rows = [known[one.path] for one in found]
        width = next((len(row) for row in rows if row is not None), 1)
        lost = sum(row is None for row in rows)
        return np.stack([np.zeros(width, np.float32) if row is None else row for row in rows]), lost

    results = []
    for fold in folds:
        gallery, lost = vectors(fold.gallery)
        probes, lost_too = vectors(fold.probes)
        people = {person: i for i, person in enumerate(sorted({p.person for p in (*fold.gallery, *fold.probes)}))}
        enrolled = np.array([people[p.person] for p in fold.gallery])
        asked = np.array([people[p.person] for p in fold.probes])
        seen = np.any(probes, axis=1, keepdims=True) & np.any(gallery, axis=1, keepdims=True).T
        scores = np.where(seen, probes @ gallery.T, np.float32(-1))
        mated = asked[:, None] == enrolled[None, :]
        found = search(probes, asked, gallery, enrolled)
        results.append(
            Result(fold.name, rank_rate(found.rank, 1), tpr_at(scores.ravel(), mated.ravel(), 1e-3), lost + lost_too)
        )
    return results


def table(name: str, results: Sequence[Result]) -> Table:
    shown = Table(title=f"{name}: infrared probes among visible templates, %", title_justify="left")
    for column in ("fold", "rank-1", "VR@FAR 0.1 %", "faces not found"):
        shown.add_column(column)
    for one in results:
        shown.add_row(one.name, f"{100 * one.rank_1:.2f}", f"{100 * one.vr_1e3:.2f}", str(one.lost))
    rank, rate = np.array([one.rank_1 for one in results]), np.array([one.vr_1e3 for one in results])
    summary = (
        f"{100 * rank.mean():.2f} +- {100 * rank.std():.2f}",
        f"{100 * rate.mean():.2f} +- {100 * rate.std():.2f}",
    )
    shown.add_row("all", *summary, str(sum(one.lost for one in results)))
    return shown


def through(engine: Engine, root: Path, spectrum: Asked) -> Embed:
    """Picture files as a request would send them; ``spectrum`` is asked for infrared pictures, others are visible."""

    def embed(picture: Picture) -> NDArray[np.float32] | None:
        try:
            image = decode((root / picture.path).read_bytes(), PictureLimits())
            asked: Asked = spectrum if picture.spectrum == "infrared" else "visible"
            (seen,) = engine.pictures([image], spectrum=asked)
        except FrontalisError:
            return None
        face = nearest_the_middle(seen)
        return None if face is None else face.frontalized

    return embed


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=tuple(PROTOCOLS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spectrum", choices=("infrared", "visible", "auto"), default="infrared")
    parser.add_argument("--extractor", default="fast")
    parser.add_argument("--cache", type=Path, required=True, help="folder for converted weights")
    args = parser.parse_args(argv)
    folds = PROTOCOLS[args.name](args.folder)
    engine = Engine.load(args.cache, args.extractor)
    console = Console()
    console.print(table(args.name, run(folds, through(engine, args.folder, args.spectrum))))
    console.print(f"{engine.model_id}, spectrum={args.spectrum}")


if __name__ == "__main__":
    main()
