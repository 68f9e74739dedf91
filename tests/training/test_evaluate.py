"""The evaluation from its sets to the report, on a made-up world where the answers are known."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.training.made_up_sets import cfp_paths, lfw_paths, world, write_cfp_protocol, write_lfw_pairs
from training import evaluate, report
from training.benchmarks import Embedded
from training.data.leaks import lag_test_people
from training.embeddings import unit
from training.results import MEASURES, Results, View, metrics, pairs_table, table


class World:
    """Every set of the evaluation, made up."""

    def __init__(self, noise: float = 0.1) -> None:
        paths = {
            "lfw": lfw_paths(40),
            "cfp": cfp_paths(40),
            "lag": [f"{who}/{p}" for who in sorted(lag_test_people()) for p in ("1.png", "y/2.png")],
            "mfr2": [path.replace(".jpg", ".png") for path in lfw_paths(4)],
            "utkface": [f"{20 + i % 50}_{i % 2}_{i % 3}_2017010922{i:07d}.jpg" for i in range(300)],
        }
        self.sets = {name: world(name, found, noise) for name, found in paths.items() if name != "utkface"}
        vectors = unit(np.random.default_rng(1).normal(size=(300, 48)))
        self.sets["utkface"] = Embedded("utkface", tuple(paths["utkface"]), vectors, np.zeros(300, np.float32))

    def embedded(self, name: str) -> Embedded:
        return self.sets[name]

    def crop(self, name: str, row: int) -> np.ndarray:
        assert row < len(self.sets[name].paths)
        return np.full((112, 112, 3), row % 255, np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> evaluate.Protocols:
    masks = tmp_path / "mfr2.txt"
    masks.write_text("P000 1 2\nP000 1 P001 2\n" * 10, encoding="utf-8")
    for name in ("lfw", "utkface"):
        listing = tmp_path / "distractors" / f"{name}.txt"
        listing.parent.mkdir(exist_ok=True)
        listing.write_text("P000/P000_0001.jpg\n", encoding="utf-8")
    cfp = write_cfp_protocol(tmp_path / "Protocol", 40)
    return evaluate.Protocols(write_lfw_pairs(tmp_path / "lfw.txt"), cfp, masks, tmp_path / "distractors")


@pytest.mark.slow
def test_one_run_measures_writes_and_prints_everything(files: evaluate.Protocols, tmp_path: Path) -> None:
    source = World(noise=0.6)
    results = evaluate.evaluate(
        source, files, Results("made <up>", "nowhere"), g=lambda v: v, train_g=lambda *_: lambda v: v
    )
    assert list(results.views) == ["E", "G", "G, nine folds"]
    figures = json.loads(json.dumps(metrics(results)))
    assert set(figures["views"]["E"]["pairs"]) == {"LFW", "CFP-FF", "CFP-FP", "LAG", "MFR2"}
    assert figures["views"]["E"] == figures["views"]["G"]
    assert figures["views"]["G, nine folds"]["pairs"]["CFP-FP"] == figures["views"]["E"]["pairs"]["CFP-FP"]
    assert [group["group"] for group in next(iter(figures["views"]["E"]["fmr_by_group"].values()))] == [
        "asian",
        "black",
        "white",
    ]
    sets = {"LFW": "lfw", "CFP-FF": "cfp", "CFP-FP": "cfp", "LAG": "lag", "MFR2": "mfr2"}
    page = report.write(results, lambda name, row: source.crop(sets[name], row), tmp_path / "out").read_text("utf-8")
    assert "made &lt;up&gt;" in page
    assert "CFP-FP: DET" in page
    assert page.count("data:image/png") == 2 * 5 + 1
    assert "data:image/jpeg" in page
    assert all(measure.name in page for measure in MEASURES)
    printed = io.StringIO()
    Console(width=200, file=printed).print(table(results), pairs_table(results))
    assert "LAG, G" in printed.getvalue()
    assert all(measure.name in printed.getvalue() for measure in MEASURES)


def test_only_what_was_asked_for_is_measured(files: evaluate.Protocols) -> None:
    results = evaluate.evaluate(World(), files, Results("x", "y"), tests=("mfr2",))
    assert list(results.views["E"].verified) == ["MFR2"]
    assert results.lost == {"mfr2": (0, 8)}


def test_a_missing_list_of_distractors_is_said_not_guessed(files: evaluate.Protocols, tmp_path: Path) -> None:
    bare = evaluate.Protocols(files.lfw, files.cfp, files.mfr2, tmp_path / "nowhere")
    results = evaluate.evaluate(World(), bare, Results("x", "y"), tests=("lfw", "distractors", "groups"))
    assert set(results.skipped) == {"search among distractors", "false matches by group"}
    assert results.views["E"].by_size == []
    assert "was left out" in report.write(results, None, tmp_path / "out").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("CFP-FP accuracy", 96.5, "bar"),
        ("CFP-FP accuracy", 98.2, "stretch"),
        ("CFP-FP accuracy", 96.0, "missed by 0.50"),
        ("CFP-FP EER", 3.6, "bar"),
        ("CFP-FP EER", 1.9, "stretch"),
        ("CFP-FP EER", 4.0, "missed by 0.40"),
    ],
)
def test_a_bar_is_met_or_missed_by_a_figure(name: str, value: float, verdict: str) -> None:
    measure = next(m for m in MEASURES if m.name == name)
    assert measure.met(value) == verdict
    assert measure.read(View()) is None
