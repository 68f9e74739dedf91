"""Readers and protocols of near-infrared sets, on small made-up trees: the sets themselves are not at hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from training.data.spectral import (
    Fold,
    Picture,
    casia_nir_vis,
    casia_view_2,
    lamp_hq,
    lamp_hq_folds,
    oulu_casia,
    oulu_casia_fold,
    tufts,
    tufts_fold,
)
from training.spectral_protocols import run


def touch(root: Path, paths: Iterable[str]) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")


def test_layouts_tell_person_and_spectrum_and_pass_over_the_rest() -> None:
    assert casia_nir_vis("s1/NIR/00081/001.bmp") == Picture("s1/NIR/00081/001.bmp", "00081", "infrared")
    assert casia_nir_vis("s3/VIS_128x128/20480/002.bmp") == Picture("s3/VIS_128x128/20480/002.bmp", "20480", "visible")
    assert lamp_hq("NIR/NIR_FP0001_1_DOWN_a.jpg") == Picture("NIR/NIR_FP0001_1_DOWN_a.jpg", "FP0001", "infrared")
    assert lamp_hq("VIS/VIS_P0388_1_a.jpg") == Picture("VIS/VIS_P0388_1_a.jpg", "P0388", "visible")
    assert oulu_casia("NI/Strong/P001/Anger/000.jpeg") == Picture("NI/Strong/P001/Anger/000.jpeg", "P001", "infrared")
    assert tufts("TD_RGB_A/100/TD_RGB_A_3_6.jpg") == Picture("TD_RGB_A/100/TD_RGB_A_3_6.jpg", "100", "visible")
    for parse, other in ((casia_nir_vis, "s1/NIR/readme.bmp"), (lamp_hq, "VIS/sheet.jpg"), (tufts, "TD_IR_A/1/a.jpg")):
        assert parse(other) is None


def test_casia_view_2_is_what_its_lists_say(tmp_path: Path) -> None:
    for number in range(1, 11):
        for kind, spectrum, people in (
            ("vis_gallery", "VIS", (1, 2)),
            ("nir_probe", "NIR", (1, 2)),
            ("vis_train", "VIS", (3,)),
            ("nir_train", "NIR", (3,)),
        ):
            lines = [f"s1\\{spectrum}\\{person:05d}\\00{number % 10}.bmp" for person in people]
            write(tmp_path / "protocols" / f"{kind}_{number}.txt", lines)
    folds = casia_view_2(tmp_path)
    assert len(folds) == 10
    assert folds[2].gallery == tuple(Picture(f"s1/VIS/0000{p}/003.bmp", f"0000{p}", "visible") for p in (1, 2))
    assert {one.spectrum for one in folds[2].probes} == {"infrared"}
    assert {one.person for one in folds[2].training} == {"00003"}
    write(tmp_path / "protocols" / "nir_probe_4.txt", ["s1\\NIR\\cover.bmp"])
    with pytest.raises(ValueError, match="line 1"):
        casia_view_2(tmp_path)
    with pytest.raises(FileNotFoundError, match="lists"):
        casia_view_2(tmp_path / "s1")


def test_lamp_hq_has_ten_folds_of_its_lists(tmp_path: Path) -> None:
    for number in range(1, 11):
        write(tmp_path / f"Protocol/test/gallery_vis{number}.txt", [f"VIS/VIS_P000{number % 3}_1_a.jpg P000{number}"])
        write(tmp_path / f"Protocol/test/probe_nir{number}.txt", [f"NIR/NIR_P000{number % 3}_1_UP_a.jpg P000{number}"])
        write(tmp_path / f"Protocol/train/train_vis{number}.txt", ["VIS/VIS_FP0009_1_a.jpg FP0009"])
        write(tmp_path / f"Protocol/train/train_nir{number}.txt", ["NIR/NIR_FP0009_1_UP_a.jpg FP0009"])
    folds = lamp_hq_folds(tmp_path)
    assert [fold.gallery[0].person for fold in folds[:3]] == ["P0001", "P0002", "P0000"]
    assert all(fold.probes[0].spectrum == "infrared" and len(fold.training) == 2 for fold in folds)


def test_oulu_casia_is_split_by_people_in_strong_light_with_eight_frames(tmp_path: Path) -> None:
    touch(
        tmp_path,
        (
            f"{kind}/{light}/P{person:03d}/Anger/{frame:03d}.jpeg"
            for kind in ("NI", "VL")
            for light in ("Strong", "Dark")
            for person in range(1, 5)
            for frame in range(20)
        ),
    )
    (fold,) = oulu_casia_fold(tmp_path)
    assert {one.person for one in fold.gallery} == {"P002", "P004"}
    assert {one.person for one in fold.training} == {"P001", "P003"}
    assert len(fold.probes) == len(fold.gallery) == 2 * 8
    assert not any("Dark" in one.path for one in (*fold.probes, *fold.training))


def test_tufts_tests_every_fifth_person_that_has_both_kinds(tmp_path: Path) -> None:
    touch(tmp_path, (f"TD_{kind}_E/{person}/a.jpg" for kind in ("RGB", "NIR") for person in range(1, 11)))
    touch(tmp_path, ["TD_RGB_E/99/a.jpg", "TD_IR_E/1/a.jpg"])
    (fold,) = tufts_fold(tmp_path)
    assert [one.person for one in fold.gallery] == [one.person for one in fold.probes]
    assert {one.person for one in fold.gallery} == {"5", "10"}
    assert "99" not in {one.person for one in fold.training}


def test_rank_and_verification_by_hand() -> None:
    def shown(path: str, person: str) -> Picture:
        return Picture(path, person, "infrared" if path.startswith("n") else "visible")

    gallery = (shown("v1", "a"), shown("v2", "b"))
    probes = (shown("n1", "a"), shown("n2", "b"), shown("n3", "b"), shown("n4", "a"))
    vectors = {
        "v1": np.array([1, 0], np.float32),
        "v2": np.array([0, 1], np.float32),
        "n1": np.array([0.8, 0.6], np.float32),
        "n2": np.array([0.6, 0.8], np.float32),
        "n3": np.array([0.96, 0.28], np.float32),  # nearer to a: rank 2
    }
    (result,) = run([Fold("one", gallery, probes, ())], lambda picture: vectors.get(picture.path))
    assert result.rank_1 == pytest.approx(2 / 4)
    assert result.lost == 1
    assert result.vr_1e3 == 0  # the best non-mated score is 0.96
