"""Pictures and landmarks become crops; a second run changes nothing, an interrupted one goes on."""

from __future__ import annotations

import lzma
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.face.align import template
from training.data import crops
from training.data.prepare import main


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Three AgeDB-style pictures whose face fills the template at 128 pixels; the second cannot be read."""
    rng = np.random.default_rng(0)
    names = ["0_AnnLee_35_f.jpg", "1_BoEk_8_m.jpg", "2_BoEk_60_m.jpg"]
    for name in names:
        file = tmp_path / "data" / "agedb" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), cv2.GaussianBlur(rng.integers(0, 255, (128, 128, 3), np.uint8), (0, 0), 5))
    (tmp_path / "data" / "agedb" / names[1]).write_bytes(b"not a picture")
    points = "\t".join(f"{v:.4f}" for v in template(128, crops.MARGIN).ravel())
    (tmp_path / "labels").mkdir()
    with lzma.open(tmp_path / "labels" / "agedb.tsv.xz", "wt", encoding="utf-8") as out:
        out.writelines(f"{name}\t0.9\t0\t0\t128\t128\t{points}\t{i}.0\t1.0\t2.0\n" for i, name in enumerate(names))
    return tmp_path


def run(root: Path) -> None:
    main(["--data", str(root / "data"), "--labels", str(root / "labels"), "--out", str(root / "out"), "--workers", "1"])


def test_crops_poses_people_and_ages(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folders)
    assert "agedb: 2 crops of 2 people" in capsys.readouterr().out
    made = np.load(folders / "out" / "agedb.npy")
    assert made.shape == (2, 128, 128, 3)
    original = cv2.imread(str(folders / "data" / "agedb" / "0_AnnLee_35_f.jpg"))[:, :, ::-1]
    assert np.abs(made[0].astype(int) - original).mean() < 1
    read = {p.name: p.read_text(encoding="utf-8") for p in (folders / "out").glob("*.tsv")}
    assert read == {
        "agedb.tsv": "0_AnnLee_35_f.jpg\t0.0\t1.0\t2.0\n2_BoEk_60_m.jpg\t2.0\t1.0\t2.0\n",
        "agedb.people.tsv": "0_AnnLee_35_f.jpg\tAnnLee\n2_BoEk_60_m.jpg\tBoEk\n",
        "agedb.ages.tsv": "0_AnnLee_35_f.jpg\t35\n2_BoEk_60_m.jpg\t60\n",
    }
    assert not list((folders / "out").glob("*.part*"))


def test_an_interrupted_run_ends_as_an_uninterrupted_one(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folders)
    whole = np.load(folders / "out" / "agedb.npy")
    table = (folders / "out" / "agedb.tsv").read_text(encoding="utf-8")
    for file in (folders / "out").iterdir():
        file.unlink()
    monkeypatch.setattr(crops, "CHUNK", 1)
    partial = np.lib.format.open_memmap(folders / "out" / "agedb.part.npy", "w+", np.uint8, (3, 128, 128, 3))
    partial[0] = whole[0]
    partial.flush()
    # two pictures were done and the third's line was being written when the power went
    (folders / "out" / "agedb.part.tsv").write_text("1\n0\n1", encoding="utf-8")
    run(folders)
    assert np.array_equal(np.load(folders / "out" / "agedb.npy"), whole)
    assert (folders / "out" / "agedb.tsv").read_text(encoding="utf-8") == table


def test_a_finished_set_is_left_alone(folders: Path) -> None:
    run(folders)
    before = (folders / "out" / "agedb.npy").stat().st_mtime_ns
    run(folders)
    assert (folders / "out" / "agedb.npy").stat().st_mtime_ns == before


def test_a_set_without_reader_is_refused(folders: Path) -> None:
    with pytest.raises(SystemExit):
        main(["nobody", "--data", "d", "--labels", "l", "--out", str(folders)])
