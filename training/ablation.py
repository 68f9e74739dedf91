"""Table 3 of the source on CFP: what each loss of the frontalizer gives, G trained on nine folds, tested on the tenth.

    python -m training.ablation --extractor fast --data DIR --labels DIR --crops DIR --cache DIR

Rows of ``ABLATIONS`` (method A, without one loss or the other, with ours, gated), the whitening base alone, and both.
Only CFP's own people of the other nine folds train G here, so that the rows differ by nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from app.face.engine import Engine
from training.benchmarks import Frontalize, Verified, cfp_pairs, people_of, scores_of, verify, with_folds_of_g
from training.evaluate import source_of
from training.frontalization import ABLATIONS, Classifiers, Config, Features, ablation, apply, fit_classifiers, train
from training.frontalizer import whitened, whitening
from training.sources import Folders

QUICK = Config(steps=400, batch=256, hidden=256, critic_steps=1)
"""Small, as nine folds hold 450 people; the same for every row."""

SHRINKAGE = 0.3


@dataclass(slots=True)
class Trainer:
    """Makes the ``G`` of one row. Classifiers are fitted once a fold and shared by the rows."""

    classifiers: dict[tuple[int, float], Classifiers] = field(default_factory=dict)

    def method_a(
        self, config: Config, embeddings: NDArray[np.float32], people: NDArray[np.int64], yaw: NDArray[np.float32]
    ) -> Frontalize:
        return partial(apply, train(*self._prepared(Features(embeddings, people, yaw)), config))

    def base(self, embeddings: NDArray[np.float32], people: NDArray[np.int64], yaw: NDArray[np.float32]) -> Frontalize:
        weights = whitening(Features(embeddings, people, yaw), SHRINKAGE)
        return lambda rows: _unit(rows @ weights)

    def both(
        self, config: Config, embeddings: NDArray[np.float32], people: NDArray[np.int64], yaw: NDArray[np.float32]
    ) -> Frontalize:
        data = Features(embeddings, people, yaw)
        weights = whitening(data, SHRINKAGE)
        g = train(*self._prepared(whitened(data, weights)), config)
        return lambda rows: apply(g, _unit(rows @ weights))

    def _prepared(self, data: Features) -> tuple[Features, Classifiers]:
        key = (len(data.embeddings), float(data.embeddings.sum()))
        if key not in self.classifiers:
            self.classifiers[key] = fit_classifiers(data, steps=200, batch=512)
        return data, self.classifiers[key]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--extractor", default="fast", help="model id, packaged, or FILE.onnx")
    for folder in ("data", "labels", "crops", "cache"):
        parser.add_argument(f"--{folder}", type=Path, required=True)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    engine = Engine.load(args.cache / "converted", args.extractor)
    source = source_of(engine, Folders(args.data, args.labels, args.crops, args.cache), args.extractor, "labels")
    cfp = source.embedded("cfp")
    protocol = (args.data / "cfp").resolve().parent.parent / "Protocol"
    lists = [cfp_pairs(kind, protocol, cfp.paths) for kind in ("FF", "FP")]
    people, trainer = people_of(cfp.paths), Trainer()
    rows: dict[str, Callable[[], list[Verified]]] = {
        "E alone": lambda: [verify(pairs, scores_of(pairs, cfp.vectors)) for pairs in lists]
    }
    for name in ABLATIONS:
        config = ablation(name, QUICK)
        rows[name] = partial(with_folds_of_g, lists, people, cfp, partial(trainer.method_a, config))
    rows["whitening"] = partial(with_folds_of_g, lists, people, cfp, trainer.base)
    rows["whitening, AFF"] = partial(with_folds_of_g, lists, people, cfp, partial(trainer.both, QUICK))
    table = Table("G", "FF Acc", "FP Acc", "FP EER", "FP TPR@0.1 %", title=f"{engine.model_id}, CFP, ten folds, %")
    console = Console()
    for name, made in rows.items():
        frontal, profile = made()
        cells = (frontal.folded.mean, profile.folded.mean, profile.eer, profile.tpr_1e3)
        table.add_row(name, *(f"{100 * cell:.2f}" for cell in cells))
        console.print(f"{name}: {table.row_count} of {len(rows)}")
    console.print(table)


if __name__ == "__main__":
    main()
