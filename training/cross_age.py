"""Cross-age recognition (method C), by command:

    python -m training.cross_age train    --data D --crops C --left-out L --cache M --run R
    python -m training.cross_age choose   ...
    python -m training.cross_age evaluate ... --lfw-pairs FILE [--out SHEETS] [--json FILE]
    python -m training.cross_age ablation ...
    python -m training.cross_age export   ... --weights app/weights

E is the extractor of ``--extractor`` and stays as it is; its last maps are computed once into the cache. ``train``
goes on where it was interrupted. ``choose`` prints what the conversion of children is worth to people who did not
teach it: its config is read off there. ``evaluate`` prints the conversion and the separation beside "E alone" and
"age regressor without separation", ``ablation`` retrains without one loss, and fits without one part, at a time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from app.face.nets.age import AgeSeparation
from app.face.nets.conversion import AdultConversion
from app.face.nets.heads import Frontalizer
from app.face.weights import load_part, write_card
from training.benchmarks import Frontalize, people_of
from training.checkpoint import Run
from training.conversion import ConversionConfig, Growing, fit_conversion
from training.conversion_choice import Choosers, choice_table, choices, judged
from training.conversion_report import Children, children, children_table, gain, gain_table, kept, ways_to_convert
from training.cross_age_report import (
    Embed,
    Test,
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

CONVERSIONS: Final[dict[str, dict[str, Any]]] = {
    "the child's mean alone": {"pull": float("inf"), "adult": 0.0},
    "no linear map": {"pull": float("inf")},
    "no look at the map": {"map_weight": 0.0},
    "no adult vector": {"adult": 0.0},
    "no gate": {"full": 200.0, "none": 201.0},
}

CARD: Final = Path(__file__).parent / "cards" / "age.json"


def train(bench: Bench, config: Config, folder: Path) -> AgeSeparation:
    """The separation of a run, trained to its end, its interval calibrated."""
    separation = fit(bench.samples(), bench.extractor, config, Run(folder))
    calibrate(separation, bench.aged())
    return separation


def convert(bench: Bench, separation: AgeSeparation, config: ConversionConfig) -> AdultConversion:
    """What LAG's training people teach."""
    lag = bench.sets["lag"]
    return fit_conversion(Growing.of(lag, bench.extractor, separation).at(lag.where("train")), config)


def frontalizer(bench: Bench) -> Frontalize | None:
    """The card's G, where it has one."""
    if "frontalizer" not in bench.card.parts:
        return None
    return partial(apply, cast(Frontalizer, load_part(bench.card, "frontalizer")))


def ways(bench: Bench, separation: AgeSeparation, conversion: AdultConversion) -> dict[str, Embed]:
    """E, the identity part and children converted, each alone and through the card's frontalizer."""
    e: Embed = partial(embeddings_of, bench.extractor)
    identity: Embed = partial(_identities, separation)
    g = frontalizer(bench)
    found = {"E alone": e, "identity part": identity}
    if g:
        found |= {"G(E)": lambda maps: g(e(maps)), "G(identity part)": lambda maps: g(identity(maps))}
    return found | ways_to_convert(bench.extractor, separation, conversion, g)


def choose(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Print the grid of conversions, best first; answer the best."""
    separation, lag = train(bench, config, args.run), bench.sets["lag"]
    choosers = Choosers.of(lag, Growing.of(lag, bench.extractor, separation))
    g = frontalizer(bench) or (lambda rows: rows)
    found = choices(choosers, g)
    Console(width=120).print(choice_table(found, judged(choosers, choosers.data.embeddings, g, ConversionConfig())))
    return asdict(found[0].config)


def evaluate(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Print the tables; answer their numbers."""
    separation = train(bench, config, args.run)
    conversion = convert(bench, separation, ConversionConfig())
    regressor = fit_regressor(bench.samples(), bench.extractor, config, Run(args.run / "regressor"))
    calibrate(regressor, bench.aged())
    tests, embeds = bench.tests(args.lfw_pairs), ways(bench, separation, conversion)
    recognition, numbers = recognition_table(tests, embeds)
    told = {
        name: aged(bench.aged(), partial(_intervals, one))
        for name, one in (("separation", separation), ("regressor without separation", regressor))
    }
    ages, years = age_table(told)
    console = Console(width=200)
    console.print(recognition, ages)
    across = _across(bench, tests, embeds, console)
    cost = milliseconds(separation, conversion, bench.sets["lag"].maps[:64])
    console.print(f"{cost:.2f} ms a face on one thread, beside E")
    if args.out:
        for path in failures(tests[0], embeds["converted"], told["separation"], bench.folders.crops, args.out):
            console.print(str(path))
    return {
        "recognition": numbers,
        "conversion": across,
        "age": years,
        "ms": round(cost, 3),
        "extractor": bench.card.extractor,
    }


def _across(bench: Bench, tests: Sequence[Test], embeds: Mapping[str, Embed], console: Console) -> dict[str, Any]:
    """Gains on LAG with their uncertainty, children among themselves, and how many faces keep their embedding."""
    lag, paths = tests[0], bench.sets["lag"].paths
    people = people_of(paths)
    vectors = {name: embed(lag.maps) for name, embed in embeds.items()}
    compared = [("E alone", "converted"), ("E alone", "G(converted)"), ("G(E)", "G(converted)")]
    gains = [
        gain(f"{after} over {before}", lag.pairs, people, vectors[before], vectors[after])
        for before, after in compared
        if after in vectors
    ]
    test = bench.sets["lag"].where("test")
    threshold = bench.card.thresholds.at_fmr(1e-3)[0]
    young = bench.sets["lag"].young[test]
    rows: dict[str, Children] = {
        name: children(vectors[name][test], young, people[test], threshold)
        for name in ("E alone", "converted", "G(E)", "G(converted)")
        if name in vectors
    }
    same = {test.pairs.name: 100 * kept(test, embeds["E alone"], embeds["converted"]) for test in tests}
    console.print(gain_table(gains), children_table(rows))
    console.print("faces that keep their embedding bit by bit, %:", {name: round(one, 2) for name, one in same.items()})
    return {
        "gain": {one.name: asdict(one) for one in gains},
        "children": {name: asdict(one) for name, one in rows.items()},
        "kept %": same,
    }


def ablation(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """One run a loss left out, beside the whole and beside E alone; then the conversion without one part of it."""
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
    converted, parts = recognition_table(tests, conversions(bench, train(bench, config, args.run)))
    Console(width=200).print(recognition, ages, converted)
    return {"recognition": numbers, "age": years, "conversion": parts}


def conversions(bench: Bench, separation: AgeSeparation) -> dict[str, Embed]:
    """E alone, the whole conversion, and without one part of it."""
    rows: dict[str, Embed] = {"E alone": partial(embeddings_of, bench.extractor)}
    for name, change in {"conversion": {}, **CONVERSIONS}.items():
        one = convert(bench, separation, replace(ConversionConfig(), **change))
        rows[name] = ways_to_convert(bench.extractor, separation, one, None)["converted"]
    return rows


def export(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Write ``<weights>/age-<extractor>/``: float16 weights and a card that names the extractor it fits."""
    separation = train(bench, config, args.run)
    conversion = convert(bench, separation, ConversionConfig())
    folder = args.weights / f"age-{bench.card.name}"
    save_weights(separation.state_dict(), folder / "age.safetensors")
    save_weights(conversion.state_dict(), folder / "conversion.safetensors")
    facts = json.loads(CARD.read_text(encoding="utf-8"))
    metrics = json.loads(args.json.read_text(encoding="utf-8")) if args.json and args.json.exists() else {}
    width = bench.extractor.width
    parts = {
        "estimator": {
            "architecture": "age_separation",
            "kwargs": {"width": separation.width, "channels": bench.extractor.embed.in_features},
            "file": "age.safetensors",
        },
        "conversion": {
            "architecture": "adult_conversion",
            "kwargs": {
                "width": width,
                "cells": len(conversion.centre),
                "full": conversion.full,
                "none": conversion.none,
            },
            "file": "conversion.safetensors",
        },
    }
    card = {
        **facts,
        "name": folder.name,
        "kind": "age",
        "fits": bench.card.extractor,
        "width": width,
        "metrics": [metrics],
        "parts": parts,
    }
    written = write_card(folder, card)
    Console().print(f"{written.model_id} fits {written.fits}")
    return metrics


def milliseconds(separation: AgeSeparation, conversion: AdultConversion, maps: NDArray[np.float16]) -> float:
    """Median of one face at a time, as the engine asks: its age, and the conversion as if it were a child's."""
    spent = []
    embedding = np.zeros((1, separation.width), np.float32)
    with torch.inference_mode():
        for one in maps.astype(np.float32):
            started = time.perf_counter()
            told = separation.interval(separation(torch.from_numpy(one[None])).age)
            conversion(torch.from_numpy(embedding), torch.from_numpy(one[None]), told[:, 0]).numpy()
            spent.append((time.perf_counter() - started) * 1e3)
    return float(np.median(spent))


def _identities(separation: AgeSeparation, maps: NDArray[np.float16]) -> NDArray[np.float32]:
    return outputs_of(separation, maps)[0]


def _intervals(separation: AgeSeparation, maps: NDArray[np.float16]) -> NDArray[np.float32]:
    return outputs_of(separation, maps)[1]


COMMANDS: Final[dict[str, Callable[[Bench, Config, argparse.Namespace], dict[str, Any]]]] = {
    "choose": choose,
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
