"""Public face data sets as they come: folders and file names to rows of path, identity, age, pose.

A reader knows one layout. It is opened on the set's folder (some keep their identities in a list)
and then reads paths; :meth:`DataSet.rows` walks the folder. Pictures that a layout does not
recognise are passed over, so that thumbnails and contact sheets do no harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class Row:
    """One picture. ``path`` is relative to the set's folder, with forward slashes.

    ``identity`` is unique within the set, ``None`` where the set does not say; ``name`` is the
    person's real name where the set tells it; ``age`` in years; ``yaw`` the nominal camera angle in
    degrees (> 0: the subject looks to the picture's right), where the set fixes it; ``group`` the
    set's own label of skin tone or origin.
    """

    path: str
    identity: str | None = None
    name: str | None = None
    age: int | None = None
    yaw: float | None = None
    group: str | None = None


Parse = Callable[[str], Row | None]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A layout: ``open`` takes the set's folder and answers what reads its paths."""

    name: str
    open: Callable[[Path], Parse]

    def rows(self, root: Path) -> Iterator[Row]:
        """All pictures under ``root`` that the layout knows, sorted by path."""
        parse = self.open(root)
        for path in walk(root):
            row = parse(path)
            if row is not None:
                yield row


def walk(root: Path) -> list[str]:
    """Relative paths of all pictures under ``root``, sorted; links to folders are not followed."""
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix.lower() in PICTURES)


# --- layouts that the path tells alone ------------------------------------------------------------


def folder_is_person(path: str) -> Row | None:
    """``.../PERSON/picture``: CASIA-WebFace, VGGFace2, MegaFace's FaceScrub, CPFD, one's own folders."""
    parts = PurePosixPath(path).parts
    return Row(path, identity=parts[-2]) if len(parts) > 1 else None


def named_folder(path: str) -> Row | None:
    """``.../First_Last/picture``: LFW, MFR2."""
    row = folder_is_person(path)
    return row and Row(path, row.identity, row.identity)


def pins(path: str) -> Row | None:
    """``{train,val,test}/pins_First Last/picture``."""
    row = folder_is_person(path)
    if row is None or row.identity is None:
        return None
    return Row(path, row.identity, row.identity.removeprefix("pins_"))


def lag(path: str) -> Row | None:
    """``first_last/picture`` for adults, ``first_last/y/picture`` for the same person as a child or young."""
    parts = PurePosixPath(path).parts
    return Row(path, parts[0], parts[0]) if len(parts) > 1 else None


def lag_is_young(path: str) -> bool:
    """Is this LAG picture the young one of its person?"""
    return PurePosixPath(path).parent.name == "y"


UTK_GROUPS: Final = ("white", "black", "asian", "indian", "other")


def utkface(path: str) -> Row | None:
    """``AGE_GENDER_RACE_DATE.jpg``; a few names lack a field and then tell the age alone."""
    found = re.match(r"(\d{1,3})_(?:([01])_)?(?:([0-4])_)?\d{8,}", PurePosixPath(path).name)
    if found is None:
        return None
    group = UTK_GROUPS[int(found[3])] if found[2] and found[3] else None
    return Row(path, age=int(found[1]), group=group)


def all_age_faces(path: str) -> Row | None:
    """``NNNNNAyy.jpg``: running number, age."""
    found = re.match(r"\d+A(\d\d)$", PurePosixPath(path).stem)
    return Row(path, age=int(found[1]), group="asian") if found else None


def numbered_name(path: str) -> Row | None:
    """``First_Last_0001.jpg`` with or without a folder: CPLFW, CALFW."""
    found = re.match(r"(.+?)_(\d+)$", PurePosixPath(path).stem)
    return Row(path, found[1], found[1]) if found else None


def web_face(path: str) -> Row:
    """muxspace: many files are ``First_Last_0001.jpg``. Nobody checked the names, so they make no identity."""
    row = numbered_name(path)
    return Row(path, name=row.name if row else None)


def agedb(path: str) -> Row | None:
    """``NUMBER_FirstLast_AGE_GENDER.jpg``."""
    found = re.match(r"\d+_(.+)_(\d{1,3})_[mf]$", PurePosixPath(path).stem)
    return Row(path, found[1], found[1], int(found[2])) if found else None


MULTI_PIE_YAW: Final = {
    "24_0": 90, "01_0": 75, "20_0": 60, "19_0": 45, "04_1": 30, "05_0": 15, "05_1": 0,
    "14_0": -15, "13_0": -30, "08_0": -45, "09_0": -60, "12_0": -75, "11_0": -90,
}  # fmt: skip
"""Camera to yaw. The two overhead cameras (08_1, 19_1) are left out, as the field's protocols do."""


def multi_pie(path: str) -> Row | None:
    """``SUBJECT_SESSION_RECORDING_CAMERA_LIGHT.png`` anywhere below the folder; overhead cameras are passed over."""
    found = re.match(r"(\d{3})_(\d\d)_(\d\d)_(\d\d)(\d)_(\d\d)", PurePosixPath(path).stem)
    yaw = MULTI_PIE_YAW.get(f"{found[4]}_{found[5]}") if found else None
    return Row(path, found[1], yaw=float(yaw)) if found and yaw is not None else None


FERET_YAW: Final = {
    "fa": 0.0, "fb": 0.0, "ba": 0.0, "bj": 0.0, "bk": 0.0,
    "ql": 22.5, "hl": 67.5, "pl": 90.0, "qr": -22.5, "hr": -67.5, "pr": -90.0,
    "ra": 45.0, "rb": 15.0, "rc": -15.0, "rd": -45.0, "re": -75.0,
    "bb": 60.0, "bc": 40.0, "bd": 25.0, "be": 15.0, "bf": -15.0, "bg": -25.0, "bh": -40.0, "bi": -60.0,
}  # fmt: skip


def feret(path: str) -> Row | None:
    """Colour ``00001_930831_fb_a.ppm`` and grey ``00001fb010_930831.tif``."""
    found = re.match(r"(\d{5})(?:_\d{6}_|)([a-z]{2})", PurePosixPath(path).stem)
    yaw = FERET_YAW.get(found[2]) if found else None
    return Row(path, found[1], yaw=yaw) if found and yaw is not None else None


def megaface(path: str) -> Row | None:
    """FaceScrub people ``facescrub*/PERSON/picture``; all else are nameless Flickr distractors."""
    if any(part.lower().startswith("facescrub") for part in PurePosixPath(path).parts[:-2]):
        return named_folder(path)
    return Row(path)


# --- layouts with a list beside the pictures ------------------------------------------------------


def open_cfp(root: Path) -> Parse:
    """``[train/|test/]NNN/{frontal,profile}/NN.jpg``; names in ``list_name.txt``, one a line in order."""
    listing = _beside(root, "list_name.txt")
    names = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()] if listing else []

    def parse(path: str) -> Row | None:
        found = re.search(r"(?:^|/)(\d{3})/(?:frontal|profile)/\d+\.\w+$", path)
        if found is None:
            return None
        number = int(found[1])
        return Row(path, found[1], names[number - 1] if 0 < number <= len(names) else None)

    return parse


def open_celeba(root: Path) -> Parse:
    """Pictures in one folder, identities in ``identity_CelebA.txt`` beside it, in it, or in ``Anno``.

    Raises ``FileNotFoundError`` without the list: CelebA's pictures say nothing by themselves.
    """
    listing = _beside(root, "identity_CelebA.txt")
    if listing is None:
        raise FileNotFoundError(f"identity_CelebA.txt is neither in {root} nor beside it")
    pairs = (line.split() for line in listing.read_text(encoding="utf-8").splitlines())
    people = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    def parse(path: str) -> Row | None:
        identity = people.get(PurePosixPath(path).name)
        return Row(path, identity) if identity is not None else None

    return parse


def _beside(root: Path, name: str) -> Path | None:
    """The list ``name`` in the set's folder, in its ``Anno`` or ``Data``, or up to two folders above."""
    root = root.resolve()
    places = [root, root / "Anno", root / "Data", root.parent, root.parent / "Anno", root.parent.parent / "Anno"]
    return next((p / name for p in places if (p / name).is_file()), None)


def _by_path(parse: Parse) -> Callable[[Path], Parse]:
    return lambda root: parse


READERS: Final[dict[str, DataSet]] = {
    s.name: s
    for s in (
        DataSet("cfp", open_cfp),
        DataSet("lfw", _by_path(named_folder)),
        DataSet("lag", _by_path(lag)),
        DataSet("vggface2_69", _by_path(folder_is_person)),
        DataSet("pins105", _by_path(pins)),
        DataSet("celeba_wild", open_celeba),
        DataSet("utkface", _by_path(utkface)),
        DataSet("all_age_faces", _by_path(all_age_faces)),
        DataSet("muxspace", _by_path(web_face)),
        DataSet("mfr2", _by_path(named_folder)),
        DataSet("casia_webface", _by_path(folder_is_person)),
        DataSet("vggface2", _by_path(folder_is_person)),
        DataSet("celeba", open_celeba),
        DataSet("multi_pie", _by_path(multi_pie)),
        DataSet("feret", _by_path(feret)),
        DataSet("agedb", _by_path(agedb)),
        DataSet("cplfw", _by_path(numbered_name)),
        DataSet("calfw", _by_path(numbered_name)),
        DataSet("megaface", _by_path(megaface)),
        DataSet("cpfd", _by_path(folder_is_person)),
    )
}
