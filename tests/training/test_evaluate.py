"""Pair lists, searches and the whole report, on a made-up world where the answers are known."""

from __future__ import annotations

import io
import json
import lzma
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from app.face.faces import Detection, Face, Picture, Pose, Quality
from app.face.thresholds import ThresholdTable
from training import benchmarks, evaluate, identification, protocols, report
from training.benchmarks import Embedded, Pairs
from training.data.leaks import lag_test_people
from training.embeddings import cached, unit
from training.results import MEASURES, Results, View, metrics, pairs_table, table
from training.sources import Folders, LabelledCrops, ThroughEngine, nearest_the_middle
from training.thresholds import search_table

HELD = sorted(lag_test_people())[:20]


def world(name: str, paths: Sequence[str], noise: float, width: int = 48, seed: int = 3) -> Embedded:
    """A person is a direction; a picture is the person's direction and noise, three times as much of it at profile."""
    rng = np.random.default_rng(seed)
    people = benchmarks.people_of(paths)
    centres = rng.normal(size=(people.max() + 1, width))
    turned = np.array(["profile" in path for path in paths])
    spread = noise * np.where(turned, 3, 1)[:, None] * rng.normal(size=(len(paths), width))
    yaw = np.where(turned, rng.choice([-40, 50, 70], len(paths)), 0).astype(np.float32)
    return Embedded(name, tuple(paths), unit(centres[people] + spread), yaw)


def cfp_paths(people: int) -> list[str]:
    kinds = [("frontal", 10), ("profile", 4)]
    return [
        f"train/{p:03d}/{kind}/{n:02d}.jpg" for p in range(1, people + 1) for kind, k in kinds for n in range(1, k + 1)
    ]


def lfw_paths(people: int) -> list[str]:
    return [f"P{i:03d}/P{i:03d}_{n:04d}.jpg" for i in range(people) for n in (1, 2)]


def write_cfp_protocol(folder: Path, people: int) -> Path:
    """Ten folds of ``people / 10`` people each; the first frontal with the second, or with the first profile."""
    for letter, kind, count in (("F", "frontal", 10), ("P", "profile", 4)):
        lines = [
            f"../Data/Images/{p:03d}/{kind}/{n:02d}.jpg" for p in range(1, people + 1) for n in range(1, count + 1)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        numbered = "".join(f"{i} {line}\n" for i, line in enumerate(lines, 1))
        (folder / f"Pair_list_{letter}.txt").write_text(numbered, encoding="utf-8")
    size = people // 10
    for kind, count, partner in (("FF", 10, 2), ("FP", 4, 1)):
        for fold in range(10):
            inside = range(fold * size, (fold + 1) * size)
            here = folder / "Split" / kind / f"{fold + 1:02d}"
            here.mkdir(parents=True)
            same = [f"{p * 10 + 1},{p * count + partner}" for p in inside]
            diff = [f"{p * 10 + 1},{((p + 1 - inside[0]) % size + inside[0]) * count + partner}" for p in inside]
            (here / "same.txt").write_text("\n".join(same), encoding="utf-8")
            (here / "diff.txt").write_text("\n".join(diff), encoding="utf-8")
    return folder


def write_lfw_pairs(file: Path, folds: int = 10, each: int = 4) -> Path:
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        lines += [f"P{fold * each + i:03d}\t1\t2" for i in range(each)]
        lines += [f"P{fold * each + i:03d}\t1\tP{fold * each + (i + 1) % each:03d}\t2" for i in range(each)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


# --- pair lists -----------------------------------------------------------------------------------


def test_lfw_pairs_folds_and_labels(tmp_path: Path) -> None:
    paths = lfw_paths(40)
    pairs = benchmarks.named_pairs("LFW", write_lfw_pairs(tmp_path / "pairs.txt"), paths)
    assert np.bincount(pairs.folds).tolist() == [8] * 10
    people = benchmarks.people_of(paths)
    assert np.array_equal(people[pairs.left] == people[pairs.right], pairs.mated)


def test_pairs_without_a_head_line_are_dealt_to_ten_folds(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("P000 1 2\nP000 1 P001 2\n" * 10, encoding="utf-8")
    pairs = benchmarks.named_pairs("MFR2", tmp_path / "pairs.txt", lfw_paths(2))
    assert np.bincount(pairs.folds).tolist() == [2] * 10


def test_a_pair_without_its_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2"):
        benchmarks.named_pairs("LFW", write_lfw_pairs(tmp_path / "pairs.txt"), lfw_paths(1))


@pytest.mark.parametrize("kind", ["FF", "FP"])
def test_cfp_pairs_name_the_right_pictures(kind: str, tmp_path: Path) -> None:
    paths = cfp_paths(20)
    pairs = benchmarks.cfp_pairs(kind, write_cfp_protocol(tmp_path / "Protocol", 20), paths)
    assert np.bincount(pairs.folds).tolist() == [4] * 10
    people = benchmarks.people_of(paths)
    assert np.array_equal(people[pairs.left] == people[pairs.right], pairs.mated)
    assert all("/frontal/" in paths[i] for i in pairs.left)
    assert all(("/profile/" in paths[i]) == (kind == "FP") for i in pairs.right)


def lag_paths() -> list[str]:
    return [
        f"{who}/{picture}" for who in [*HELD, "somebody_else"] for picture in ("1.png", "2.png", "y/3.png", "y/4.png")
    ]


def test_lag_pairs_are_all_young_adult_pairs_of_the_held_out_people_and_as_many_strangers() -> None:
    paths = lag_paths()
    pairs = benchmarks.lag_pairs(paths, frozenset(HELD))
    assert pairs.mated.sum() == (~pairs.mated).sum() == 20 * 4
    assert all("/y/" in paths[i] for i in pairs.left)
    assert not any("/y/" in paths[i] for i in pairs.right)
    who = [paths[i].split("/")[0] for i in range(len(paths))]
    assert all((who[a] == who[b]) == m for a, b, m in zip(pairs.left, pairs.right, pairs.mated, strict=True))
    assert "somebody_else" not in {who[i] for i in np.concatenate([pairs.left, pairs.right])}
    for person in HELD:
        folds = {f for a, b, f in zip(pairs.left, pairs.right, pairs.folds, strict=True) if person in (who[a], who[b])}
        assert len(folds) == 1
    assert np.array_equal(pairs.right, benchmarks.lag_pairs(paths, frozenset(HELD)).right)


# --- verification ---------------------------------------------------------------------------------


def test_a_lost_face_is_rejected_and_counted() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], np.float32)
    pairs = Pairs(
        "t", np.array([0, 0, 0, 1]), np.array([1, 2, 3, 3]), np.array([1, 0, 1, 0], bool), np.array([0, 1, 0, 1])
    )
    found = benchmarks.verify(pairs, benchmarks.scores_of(pairs, vectors))
    assert found.scores.tolist() == [1, 0, -1, -1]
    assert found.lost == 2
    assert found.folded.mean == 0.5
    assert found.interval.rate == 0.5


def test_g_of_a_fold_never_saw_its_people(tmp_path: Path) -> None:
    cfp = world("cfp", cfp_paths(20), 0.1)
    people = benchmarks.people_of(cfp.paths)
    lists = [benchmarks.cfp_pairs(k, write_cfp_protocol(tmp_path / k, 20), cfp.paths) for k in ("FF", "FP")]
    seen: list[np.ndarray] = []

    def train(vectors: np.ndarray, identities: np.ndarray, yaw: np.ndarray) -> benchmarks.Frontalize:
        assert len(vectors) == len(yaw)
        assert identities.max() == 17
        rows = [int(np.flatnonzero((cfp.vectors == v).all(axis=1))[0]) for v in vectors]
        seen.append(np.unique(people[rows]))
        return lambda v: v

    found = benchmarks.with_folds_of_g(lists, people, cfp, train)
    assert len(seen) == 10
    for fold, trained in enumerate(seen):
        assert set(range(20)) - set(trained.tolist()) == {2 * fold, 2 * fold + 1}
    assert np.array_equal(found[1].scores, benchmarks.scores_of(lists[1], cfp.vectors))


def test_folds_that_share_a_person_are_refused() -> None:
    both = Pairs("t", np.array([0, 1]), np.array([1, 0]), np.array([True, True]), np.array([0, 1]))
    seen = Embedded("t", ("a/1.jpg", "a/2.jpg"), np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="shares people"):
        benchmarks.with_folds_of_g([both], np.array([0, 0]), seen, lambda *_: lambda v: v)


# --- identification -------------------------------------------------------------------------------


def test_the_open_set_split_parts_people_and_pictures() -> None:
    paths = cfp_paths(20)
    split = identification.cfp_split(paths)
    people = benchmarks.people_of(paths)
    assert len(split.enrolled) == 20
    assert {paths[i].split("/")[-1] for i in split.enrolled} == {"01.jpg", "02.jpg"}
    assert (len(split.frontal), len(split.profile)) == (80, 40)
    assert (len(split.stranger_frontal), len(split.stranger_profile)) == (100, 40)
    known = set(people[split.enrolled])
    assert set(people[split.profile]) == known
    assert not known & set(people[split.stranger_profile])


def test_open_set_finds_everybody_in_an_easy_world_and_misses_lost_faces() -> None:
    cfp = world("cfp", cfp_paths(20), 0.02)
    frontal, profile = identification.open_set(cfp)
    assert (frontal.fnir_1e2.rate, profile.fnir_1e2.rate, profile.rank1) == (0, 0, 1)
    assert set(profile.rank1_by_difficulty) == {"Medium", "Hard"}
    vectors = cfp.vectors.copy()
    vectors[identification.cfp_split(cfp.paths).profile[:4]] = 0
    lost = identification.open_set(Embedded("cfp", cfp.paths, vectors, cfp.yaw))[1]
    assert lost.lost == 4
    assert lost.fnir_1e2.rate == pytest.approx(0.1)
    assert lost.rank5 == pytest.approx(0.9)


def test_a_person_who_could_not_be_enrolled_is_missed() -> None:
    cfp = world("cfp", cfp_paths(20), 0.02)
    vectors = cfp.vectors.copy()
    vectors[identification.cfp_split(cfp.paths).enrolled[:2]] = 0
    frontal, _ = identification.open_set(Embedded("cfp", cfp.paths, vectors, cfp.yaw))
    assert frontal.subjects == 9
    assert frontal.fnir_1e2.rate == pytest.approx(0.1)


def test_the_service_s_own_threshold_keeps_its_rate_where_the_table_is_right() -> None:
    cfp = world("cfp", cfp_paths(60), 0.35)
    strangers = unit(np.random.default_rng(9).normal(size=(400, 48)))
    vectors = unit(np.random.default_rng(10).normal(size=(3000, 48)))
    searches = ThresholdTable.of(search_table(vectors, np.arange(3000) // 2, np.zeros(3000, np.float32))[0])
    found = identification.open_set(cfp, strangers, searches)
    served = [one.served for one in found]
    assert all(one is not None and one.fpir <= 0.03 for one in served)
    assert identification.open_set(cfp, strangers)[0].served is None


def test_more_distractors_never_help() -> None:
    cfp = world("cfp", cfp_paths(20), 0.35)
    strangers = unit(np.random.default_rng(9).normal(size=(500, 48)))
    found = identification.against_gallery_size(cfp, strangers, (10, 100, 510, 10_000))
    profile = [one for one in found if one.probes == "profile"]
    assert [one.subjects for one in profile] == [10, 100, 510]
    assert profile[0].rank1 >= profile[1].rank1 >= profile[2].rank1
    thresholds = [one.threshold_1e2 for one in profile]
    assert all(more >= less - 1e-6 for less, more in pairwise(thresholds)), "float32 products round by shape"


def test_rank_by_yaw_counts_each_probe_once() -> None:
    cfp = world("cfp", cfp_paths(20), 0.02)
    found, probes = identification.frontal_gallery(cfp)
    assert len(probes) == 20 * 13
    bins = identification.rank_by_yaw(found, cfp.yaw[probes])
    assert sum(one.probes for one in bins) == len(probes)
    assert all(one.rank1 == 1 for one in bins)


def test_false_matches_by_group_by_hand() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 1], [0, 0]], np.float32)
    rates = identification.fmr_by_group(vectors, ["a", "a", "a", "b", "b", "b"], 0.5)
    assert [(r.group, r.pictures, r.pairs) for r in rates] == [("a", 3, 3), ("b", 2, 1)]
    assert [r.fmr.rate for r in rates] == [pytest.approx(1 / 3), 0]


# --- sources --------------------------------------------------------------------------------------


def write_crops(folder: Path, name: str, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = np.random.default_rng(0).integers(0, 255, (count, 128, 128, 3), np.uint8)
    np.save(folder / f"{name}.npy", pictures)
    (folder / f"{name}.tsv").write_text(
        "".join(f"a/{i}.jpg\t{i}.0\t0.0\t0.0\n" for i in range(count)), encoding="utf-8"
    )
    return folder / f"{name}.npy"


@pytest.mark.parametrize(("whole", "side"), [(False, 112), (True, 128)])
def test_embeddings_are_computed_once_and_again_when_the_crops_change(whole: bool, side: int, tmp_path: Path) -> None:
    file = write_crops(tmp_path / "crops", "t", 5)
    calls: list[int] = []

    def embed(crops: np.ndarray) -> np.ndarray:
        assert crops.shape[1:] == (side, side, 3)
        calls.append(len(crops))
        return unit(crops.reshape(len(crops), -1)[:, :8])

    first = cached(file, tmp_path / "cache", "x", embed, whole, chunk=2)
    again = cached(file, tmp_path / "cache", "x", embed, whole, chunk=2)
    assert calls == [2, 2, 1]
    assert np.array_equal(first, again)
    kept = tmp_path / "cache" / "t_x.npy"
    os.utime(kept, (0, 0))
    cached(file, tmp_path / "cache", "x", embed, whole)
    assert calls == [2, 2, 1, 5]


def face(x: float, vector: Sequence[float]) -> Face:
    found = Detection((x, 40, x + 20, 60), np.zeros((5, 2), np.float32), 0.9)
    quality = Quality(50, 50, 50, 50, 50, 20)
    embedding = np.array(vector, np.float32)
    return Face(found, Pose(0, 0, 0), quality, embedding, embedding)


def test_the_face_nearest_the_middle_is_meant() -> None:
    faces = (face(0, [1, 0]), face(42, [0, 1]))
    assert nearest_the_middle(Picture(faces, (100, 100), (100, 100), {})) is faces[1]
    assert nearest_the_middle(Picture((), (100, 100), (100, 100), {})) is None


class BlackIsNoFace:
    """An engine that finds two faces in any picture that is not black."""

    model_id, detector, width = "double-1", "double", 2

    def __init__(self) -> None:
        self.seen = 0

    def pictures(self, images: Sequence[np.ndarray]) -> list[Picture]:
        self.seen += len(images)
        both = (face(0, [1, 0]), face(42, [0, 1]))
        return [Picture(both if image.any() else (), (100, 100), (100, 100), {}) for image in images]


def test_pictures_go_through_the_engine_once_and_lost_faces_are_rows_of_zeros(tmp_path: Path) -> None:
    (tmp_path / "data" / "t").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "t" / "grey.png"), np.full((100, 100, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "data" / "t" / "black.png"), np.zeros((100, 100, 3), np.uint8))
    (tmp_path / "data" / "t" / "broken.png").write_bytes(b"nothing")
    (tmp_path / "labels").mkdir()
    with lzma.open(tmp_path / "labels" / "t.tsv.xz", "wt", encoding="utf-8") as out:
        numbers = "\t".join(["0"] * 15)
        out.writelines(f"{n}.png\t{numbers}\t{yaw}\t0\t0\n" for n, yaw in (("grey", 5), ("black", 6), ("broken", 7)))
    engine = BlackIsNoFace()
    source = ThroughEngine(
        Folders(tmp_path / "data", tmp_path / "labels", tmp_path / "crops", tmp_path / "cache"), engine
    )
    for _ in range(2):
        found = source.embedded("t")
        assert found.lost.tolist() == [False, True, True]
        assert found.vectors[0].tolist() == [0, 1]
        assert found.yaw.tolist() == [5, 6, 7]
    assert engine.seen == 2


# --- the whole ------------------------------------------------------------------------------------


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


def test_labelled_crops_come_with_paths_and_yaws(tmp_path: Path) -> None:
    write_crops(tmp_path / "crops", "t", 3)
    folders = Folders(tmp_path, tmp_path, tmp_path / "crops", tmp_path / "cache")
    source = LabelledCrops(folders, "x", lambda crops: unit(crops.reshape(len(crops), -1)[:, :4]))
    found = source.embedded("t")
    assert found.paths == ("a/0.jpg", "a/1.jpg", "a/2.jpg")
    assert found.yaw.tolist() == [0, 1, 2]
    assert source.crop("t", 2).shape == (128, 128, 3)


def test_tables_of_rates_hold_what_the_pairs_can_carry() -> None:
    rows = unit(np.random.default_rng(0).normal(size=(200, 16)))
    counts = protocols.all_pairs(rows, np.arange(200) // 2)
    assert [rate for rate, _ in counts.threshold_table((1e-1, 1e-3, 1e-5))] == [1e-1, 1e-3]
