"""Each layout on a small made-up tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.data.readers import MULTI_PIE_YAW, READERS, Row, lag_is_young


def tree(root: Path, *paths: str) -> Path:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def rows(name: str, root: Path) -> list[Row]:
    return list(READERS[name].rows(root))


@pytest.mark.parametrize("name", ["casia_webface", "vggface2", "vggface2_69", "cpfd"])
def test_a_folder_is_a_person(name: str, tmp_path: Path) -> None:
    tree(tmp_path, "train/n000002/0001_01.jpg", "train/n000002/notes.txt", "n000001/0002.PNG", "loose.jpg")
    assert rows(name, tmp_path) == [
        Row("n000001/0002.PNG", "n000001"),
        Row("train/n000002/0001_01.jpg", "n000002"),
    ]


@pytest.mark.parametrize("name", ["lfw", "mfr2"])
def test_a_folder_is_a_named_person(name: str, tmp_path: Path) -> None:
    tree(tmp_path, "Ann_Lee/Ann_Lee_0001.jpg")
    assert rows(name, tmp_path) == [Row("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee", "Ann_Lee")]


def test_pins_names_without_the_prefix(tmp_path: Path) -> None:
    tree(tmp_path, "val/pins_Ann Lee/Ann Lee1_2.jpg")
    assert rows("pins105", tmp_path)[0].name == "Ann Lee"


def test_lag_tells_young_pictures_of_the_same_person(tmp_path: Path) -> None:
    tree(tmp_path, "ann_lee/a.png", "ann_lee/y/b.png", "README.txt")
    found = rows("lag", tmp_path)
    assert [row.identity for row in found] == ["ann_lee", "ann_lee"]
    assert [lag_is_young(row.path) for row in found] == [False, True]


def test_cfp_takes_names_from_its_list_and_both_layouts(tmp_path: Path) -> None:
    root = tree(tmp_path / "Data" / "Images", "001/frontal/01.jpg", "test/002/profile/04.jpg", "003/other/01.jpg")
    (tmp_path / "Data" / "list_name.txt").write_text("Ann Lee\nBo Ek\n", encoding="utf-8")
    assert rows("cfp", root) == [
        Row("001/frontal/01.jpg", "001", "Ann Lee"),
        Row("test/002/profile/04.jpg", "002", "Bo Ek"),
    ]


@pytest.mark.parametrize("place", ["Anno/identity_CelebA.txt", "img/identity_CelebA.txt", "identity_CelebA.txt"])
def test_celeba_looks_people_up(place: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "img", "000001.jpg", "000002.jpg")
    tree(tmp_path, place)
    (tmp_path / place).write_text("image identity\n000001.jpg 2880\n", encoding="utf-8")
    assert rows("celeba", root) == [Row("000001.jpg", "2880")]


def test_celeba_without_its_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"identity_CelebA\.txt"):
        rows("celeba", tree(tmp_path / "img", "000001.jpg"))


def test_utkface_tells_age_and_group_even_where_a_field_is_missing(tmp_path: Path) -> None:
    tree(tmp_path, "26_1_3_20170104221650071.jpg.chip.jpg", "61_1_20170109150557335.jpg.chip.jpg", "cover.jpg")
    first, second = rows("utkface", tmp_path)
    assert (first.age, first.group, first.identity) == (26, "indian", None)
    assert (second.age, second.group) == (61, None)


def test_all_age_faces_tells_age(tmp_path: Path) -> None:
    assert [row.age for row in rows("all_age_faces", tree(tmp_path, "00012A02.jpg", "13000A80.jpg"))] == [2, 80]


@pytest.mark.parametrize("name", ["cplfw", "calfw"])
def test_a_numbered_file_is_a_named_person(name: str, tmp_path: Path) -> None:
    tree(tmp_path, "Ann_Lee_0012.jpg", "sheet.jpg")
    assert rows(name, tmp_path) == [Row("Ann_Lee_0012.jpg", "Ann_Lee", "Ann_Lee")]


def test_a_web_face_has_a_name_to_compare_by_but_no_identity(tmp_path: Path) -> None:
    tree(tmp_path, "Ann_Lee_0012.jpg", "facial-expressions_2868582k.jpg")
    assert [(row.identity, row.name) for row in rows("muxspace", tmp_path)] == [(None, "Ann_Lee"), (None, None)]


def test_agedb_tells_name_and_age(tmp_path: Path) -> None:
    tree(tmp_path, "0_MariaCallas_35_f.jpg", "odd.jpg")
    assert rows("agedb", tmp_path) == [Row("0_MariaCallas_35_f.jpg", "MariaCallas", "MariaCallas", 35)]


def test_multi_pie_tells_yaw_by_camera_and_passes_over_overhead_ones(tmp_path: Path) -> None:
    tree(tmp_path, "001_01_01_051_06.png", "001_01_01_240_06.png", "002_02_01_110_00.png", "002_02_01_081_00.png")
    assert [(row.identity, row.yaw) for row in rows("multi_pie", tmp_path)] == [
        ("001", 0.0),
        ("001", 90.0),
        ("002", -90.0),
    ]
    assert sorted(MULTI_PIE_YAW.values()) == list(range(-90, 91, 15))


def test_feret_tells_yaw_by_pose_code(tmp_path: Path) -> None:
    tree(tmp_path, "00001_930831_fb_a.ppm", "00002_940307_pr.ppm", "00003bb010_930831.tif", "00003zz010_930831.tif")
    assert [(row.identity, row.yaw) for row in rows("feret", tmp_path)] == [
        ("00001", 0.0),
        ("00002", -90.0),
        ("00003", 60.0),
    ]


def test_megaface_has_named_people_and_nameless_distractors(tmp_path: Path) -> None:
    tree(tmp_path, "facescrub_images/Ann_Lee/1.png", "FlickrFinal2/100/10057@N05/2.jpg")
    assert [row.identity for row in rows("megaface", tmp_path)] == [None, "Ann_Lee"]


def test_links_to_folders_do_not_double_a_set(tmp_path: Path) -> None:
    tree(tmp_path, "train/001/frontal/01.jpg")
    (tmp_path / "001").symlink_to(tmp_path / "train" / "001")
    assert [row.path for row in rows("cfp", tmp_path)] == ["train/001/frontal/01.jpg"]
