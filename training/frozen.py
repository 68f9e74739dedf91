"""What trainers of heads on a frozen E share: its card, its maps of the training sets, the test pairs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.face.nets.edgenext import EdgeNeXt
from app.face.weights import SHIPPED, ModelCard, find_card
from training.ages import AGED, PEOPLED, Faces, Folders, load
from training.cross_age_report import Test, cfp_tests, lag_test, lfw_test
from training.maps import cached_maps, frozen_extractor, map_of
from training.separation import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What every command works on."""

    card: ModelCard
    extractor: EdgeNeXt
    folders: Folders
    sets: dict[str, Faces]

    @classmethod
    def open(cls, args: argparse.Namespace) -> Bench:
        card = find_card(args.extractor, [args.weights, SHIPPED])
        maps = cache(lambda: map_of(card))
        folders = Folders(args.data, args.crops, args.left_out, args.cache, card.extractor, maps, args.share)
        return cls(card, frozen_extractor(card), folders, {name: load(name, folders) for name in (*AGED, *PEOPLED)})

    def samples(self) -> Samples:
        return Samples.of(list(self.sets.values()))

    def aged(self) -> list[Faces]:
        return [self.sets[name] for name in AGED]

    def maps(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """E's maps of these rows of any set's crop file."""
        return cached_maps(
            self.folders.crops / f"{name}.npy", self.folders.cache, self.card.extractor, self.folders.maps, rows
        )

    def lfw(self, lfw_pairs: Path) -> Test:
        """LFW View 2."""
        return lfw_test(self.folders.crops, lfw_pairs, self.maps)

    def tests(self, lfw_pairs: Path) -> list[Test]:
        """LAG, LFW View 2, CFP-FF, CFP-FP."""
        crops = self.folders.crops
        protocol = (self.folders.data / "cfp").resolve().parent.parent / "Protocol"
        return [
            lag_test(self.sets["lag"], crops),
            self.lfw(lfw_pairs),
            *cfp_tests(crops, protocol, self.maps),
        ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where everything lies, for ``Bench.open``."""
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder of pictures a set")
    parser.add_argument("--crops", type=Path, required=True, help="what training.data.prepare wrote")
    parser.add_argument("--left-out", type=Path, required=True, help="what training.data.leaks wrote")
    parser.add_argument("--cache", type=Path, required=True, help="folder for E's maps, filled where empty")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--extractor", default="fast", help="name or id of the card of E")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder of cards; export writes here")
    parser.add_argument("--share", type=float, default=1.0, help="share of the pictures with ages to use, 0-1")
    parser.add_argument("--lfw-pairs", type=Path, help="LFW's View-2 list")
    parser.add_argument("--out", type=Path, help="folder for the sheets of failures")
    parser.add_argument("--json", type=Path, help="evaluate and ablation write their numbers here; export reads them")
