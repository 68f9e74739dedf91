"""Cross-age recognition (method C), by command:

    python -m training.cross_age train    --data D --crops C --left-out L --cache M --run R
    python -m training.cross_age evaluate ... --lfw-pairs FILE [--out SHEETS] [--json FILE]
    python -m training.cross_age ablation ...
    python -m training.cross_age export   ... --weights app/weights

E is the extractor of ``--extractor`` and stays as it is; its last maps are computed once into the cache. ``train``
goes on where it was interrupted. ``evaluate`` prints the separation beside "E alone" and "age regressor without
separation", ``ablation`` retrains without one loss at a time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from app.face.nets.age import AgeSeparation
from app.face.nets.heads import Frontalizer
from app.face.weights import load_part, write_card
from training.checkpoint import Run
from training.cross_age_report import (
    Embed,
    age_table,
    aged,
    failures,
    recognition_table,
)
from training.export import save_weights
from training.frontalization import apply
from training.frozen import Bench, add_arguments
from training.maps import embeddings_of
from training.separation import Config, calibrate, fit, fit_regressor, outputs_of

ABLATIONS: Final[dict[str, dict[str, Any]]] = {
    "no L_age": {"age": 0.0},
    "no L_x": {"cross": 0.0},
    "no L_I": {"identity": 0.0},
    "no L_K": {"keep": 0.0},
}

CARD: Final = Path(__file__).parent / "cards" / "age.json"


def train(bench: Bench, config: Config, folder: Path) -> AgeSeparation:
    """The separation of a run, trained to its end, its interval calibrated."""
    separation = fit(bench.samples(), bench.extractor, config, Run(folder))
    calibrate(separation, bench.aged())
    return separation


def ways(bench: Bench, separation: AgeSeparation) -> dict[str, Embed]:
    """E and the identity part, each alone and through the card's frontalizer."""
    e: Embed = partial(embeddings_of, bench.extractor)

    identity: Embed = partial(_identities, separation)
    found = {"E alone": e, "identity part": identity}
    if "frontalizer" in bench.card.parts:
        g = partial(apply, cast(Frontalizer, load_part(bench.card, "frontalizer")))
        found |= {"G(E)": lambda maps: g(e(maps)), "G(identity part)": lambda maps: g(identity(maps))}
    return found


def evaluate(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Print the tables; answer their numbers."""
    separation = train(bench, config, args.run)
    regressor = fit_regressor(bench.samples(), bench.extractor, config, Run(args.run / "regressor"))
    calibrate(regressor, bench.aged())
    tests = bench.tests(args.lfw_pairs)
    recognition, numbers = recognition_table(tests, ways(bench, separation))
    told = {
        name: aged(bench.aged(), partial(_intervals, one))
        for name, one in (("separation", separation), ("regressor without separation", regressor))
    }
    ages, years = age_table(told)
    console = Console(width=160)
    console.print(recognition, ages)
    cost = milliseconds(separation, bench.sets["lag"].maps[:64])
    console.print(f"{cost:.2f} ms a face on one thread, beside E")
    if args.out:
        alone = ways(bench, separation)["identity part"]
        for path in failures(tests[0], alone, told["separation"], bench.folders.crops, args.out):
            console.print(str(path))
    return {"recognition": numbers, "age": years, "ms": round(cost, 3), "extractor": bench.card.extractor}


def ablation(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """One run a loss left out, beside the whole and beside E alone."""
    tests = bench.tests(args.lfw_pairs)
    data = bench.samples()
    rows: dict[str, Embed] = {"E alone": partial(embeddings_of, bench.extractor)}
    told = {}
    for name, change in {"all": {}, **ABLATIONS}.items():
        folder = args.run if name == "all" else args.run / name.replace(" ", "-")
        separation = fit(data, bench.extractor, replace(config, **change), Run(folder))
        calibrate(separation, bench.aged())
        rows[name] = partial(_identities, separation)
        told[name] = aged(bench.aged(), partial(_intervals, separation))
    recognition, numbers = recognition_table(tests, rows)
    ages, years = age_table(told)
    Console(width=200).print(recognition, ages)
    return {"recognition": numbers, "age": years}


def export(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Write ``<weights>/age-<extractor>/``: float16 weights and a card that names the extractor it fits."""
    separation = train(bench, config, args.run)
    folder = args.weights / f"age-{bench.card.name}"
    save_weights(separation.state_dict(), folder / "age.safetensors")
    facts = json.loads(CARD.read_text(encoding="utf-8"))
    metrics = json.loads(args.json.read_text(encoding="utf-8")) if args.json and args.json.exists() else {}
    part = {
        "architecture": "age_separation",
        "kwargs": {"width": separation.width, "channels": bench.extractor.embed.in_features},
        "file": "age.safetensors",
    }
    card = {
        **facts,
        "name": folder.name,
        "kind": "age",
        "fits": bench.card.extractor,
        "width": separation.width,
        "metrics": [metrics],
        "parts": {"estimator": part},
    }
    written = write_card(folder, card)
    Console().print(f"{written.model_id} fits {written.fits}")
    return metrics


def milliseconds(separation: AgeSeparation, maps: NDArray[np.float16]) -> float:
    """Median of one face at a time, as the engine asks."""
    spent = []
    with torch.inference_mode():
        for one in maps.astype(np.float32):
            started = time.perf_counter()
            separation.interval(separation(torch.from_numpy(one[None])).age).numpy()
            spent.append((time.perf_counter() - started) * 1e3)
    return float(np.median(spent))


def _identities(separation: AgeSeparation, maps: NDArray[np.float16]) -> NDArray[np.float32]:
    return outputs_of(separation, maps)[0]


def _intervals(separation: AgeSeparation, maps: NDArray[np.float16]) -> NDArray[np.float32]:
    return outputs_of(separation, maps)[1]


COMMANDS: Final[dict[str, Callable[[Bench, Config, argparse.Namespace], dict[str, Any]]]] = {
    "evaluate": evaluate,
    "ablation": ablation,
    "export": export,
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("train", *COMMANDS))
    add_arguments(parser)
    parser.add_argument("--steps", type=int, default=Config().steps)
    args = parser.parse_args(argv)
    if args.command in ("evaluate", "ablation") and args.lfw_pairs is None:
        parser.error("--lfw-pairs is needed")
    torch.set_num_threads(1)
    bench, config = Bench.open(args), Config(steps=args.steps)
    if args.command == "train":
        train(bench, config, args.run)
        return
    numbers = COMMANDS[args.command](bench, config, args)
    if args.json and args.command != "export":
        args.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
