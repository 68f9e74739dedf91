"""Recognition from near infrared (method E), by command. All figures are of simulated infrared.

    python -m training.infrared train    --data D --crops C --left-out L --cache M --run R
    python -m training.infrared evaluate ... --lfw-pairs FILE [--out SHEETS] [--json FILE]
    python -m training.infrared ablation ...
    python -m training.infrared export   ... --weights app/weights

``train`` goes on where it was interrupted. ``ablation`` trains each row anew: the networks under one classifier
(joint), with a pull, distilled, infrared alone. Real pairs: see ``training.spectral_protocols``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console

from app.face.extract import load_extractor
from app.face.nets.infrared import InfraredEntry, infrared_extractor
from app.face.spectrum import extractor_of, is_colourless
from app.face.weights import write_card
from training.checkpoint import Run
from training.data.near_infrared import TEST, TRAINING
from training.embeddings import Embed
from training.export import save_weights
from training.frozen import Bench, add_arguments
from training.infrared_report import Sides, examples, failures, simulated, table, without_colour
from training.maps import embeddings_of
from training.spectra import ABLATIONS, Config, Pictures, entry_shape, fit, gathered

CARD: Final = Path(__file__).parent / "cards" / "infrared.json"


def pictures(bench: Bench) -> Pictures:
    """Every training picture of the bench's sets, with E's embedding of it."""
    sets = list(bench.sets.values())
    rows = [faces.where("train") for faces in sets]
    return gathered(
        [np.load(bench.folders.crops / f"{faces.name}.npy", mmap_mode="r") for faces in sets],
        [faces.rows[at] for faces, at in zip(sets, rows, strict=True)],
        [embeddings_of(bench.extractor, faces.maps[at]) for faces, at in zip(sets, rows, strict=True)],
        [[faces.people[i] for i in at.tolist()] for faces, at in zip(sets, rows, strict=True)],
    )


def train(bench: Bench, config: Config, folder: Path) -> InfraredEntry:
    return fit(pictures(bench), bench.extractor, config, Run(folder))


def network(bench: Bench, entry: InfraredEntry) -> Embed:
    """The infrared network, as it is served: crops uint8 [n, 112, 112, 3] to unit rows."""
    return extractor_of(infrared_extractor(entry, bench.extractor), bench.card).embed


def evaluate(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Print the table; answer its numbers."""
    entry = train(bench, config, args.run)
    test = bench.lfw(args.lfw_pairs)
    sides = Sides.of(test)
    gallery = embeddings_of(bench.extractor, test.maps)
    shown, numbers, found = table(
        sides, gallery, load_extractor(bench.card).embed, {"infrared network": network(bench, entry)}
    )
    console = Console(width=160)
    console.print(shown)
    told = decisions(sides)
    console.print(*(f"{100 * share:.2f} % of {what}" for what, share in told.items()), sep="\n")
    if args.out:
        worst = found["infrared (simulated) - visible, infrared network"]
        paths = [failures(sides, worst, args.out), examples(sides, {"training": TRAINING, "test": TEST}, args.out)]
        console.print(*map(str, paths), sep="\n")
    return {"LFW View 2, simulated": numbers, "spectrum": told, "extractor": bench.card.extractor}


def decisions(sides: Sides) -> dict[str, float]:
    """Shares of LFW's pictures that ``spectrum=auto`` takes for what they are."""
    kinds = {
        "colour pictures taken for visible": (sides.changed(lambda crop, row: crop), False),
        "simulations taken for infrared": (sides.changed(simulated()), True),
        "grey pictures taken for infrared, which they are not": (sides.changed(without_colour), True),
    }
    return {
        what: round(float(np.mean([is_colourless(crop) == wanted for crop in crops])), 5)
        for what, (crops, wanted) in kinds.items()
    }


def ablation(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    data, test = pictures(bench), bench.lfw(args.lfw_pairs)
    networks = {}
    for name, change in ABLATIONS.items():
        folder = args.run / name.replace(", ", "-").replace(" ", "-")
        networks[name] = network(bench, fit(data, bench.extractor, replace(config, **change), Run(folder)))
    shown, numbers, _ = table(
        Sides.of(test), embeddings_of(bench.extractor, test.maps), load_extractor(bench.card).embed, networks
    )
    Console(width=160).print(shown)
    return {"LFW View 2, simulated": numbers, "steps": config.steps}


def export(bench: Bench, config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Write ``<weights>/infrared-<extractor>/``: the entry in float16 and a card that names the extractor it fits."""
    entry = train(bench, config, args.run)
    folder = args.weights / f"infrared-{bench.card.name}"
    save_weights(entry.state_dict(), folder / "entry.safetensors")
    numbers = json.loads(args.json.read_text(encoding="utf-8")) if args.json and args.json.exists() else {}
    card = {
        **json.loads(CARD.read_text(encoding="utf-8")),
        "name": folder.name,
        "kind": "infrared",
        "fits": bench.card.extractor,
        "mean": list(bench.card.mean),
        "std": list(bench.card.std),
        "width": bench.extractor.width,
        "metrics": [numbers],
        "parts": {
            "entry": {
                "architecture": "infrared_entry",
                "kwargs": entry_shape(bench.extractor),
                "file": "entry.safetensors",
            }
        },
    }
    written = write_card(folder, card)
    Console().print(f"{written.model_id} fits {written.fits}")
    return numbers


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
