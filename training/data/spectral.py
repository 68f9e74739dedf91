"""Data sets of faces in visible light and near infrared that a user may own: layouts, and their protocols.

None is at hand here: the readers follow the published layouts and lists, and are tested on small made-up trees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from training.data.readers import walk

Spectrum = Literal["visible", "infrared"]


@dataclass(frozen=True, slots=True)
class Picture:
    """``path`` relative to the set's folder, forward slashes; ``person`` unique within the set."""

    path: str
    person: str
    spectrum: Spectrum


@dataclass(frozen=True, slots=True)
class Fold:
    """Infrared ``probes`` are searched among the visible ``gallery``; ``training`` is what may be learnt from."""

    name: str
    gallery: tuple[Picture, ...]
    probes: tuple[Picture, ...]
    training: tuple[Picture, ...]


# --- layouts --------------------------------------------------------------------------------------


def casia_nir_vis(path: str) -> Picture | None:
    """CASIA NIR-VIS 2.0: ``s1..s4/{NIR,VIS}[_128x128]/PERSON/NNN.bmp|jpg`` (Li et al. 2013)."""
    found = re.search(r"(?:^|/)s\d/(NIR|VIS)[^/]*/(\d+)/[^/]+$", path)
    return Picture(path, found[2], _SPECTRA[found[1]]) if found else None


def lamp_hq(path: str) -> Picture | None:
    """LAMP-HQ: ``{NIR,VIS}/{NIR,VIS}_PERSON_....jpg``, people are P0001 or FP0001 (Yu et al. 2021)."""
    found = re.search(r"(?:^|/)(NIR|VIS)_(F?P\d+)_[^/]+$", path)
    return Picture(path, found[2], _SPECTRA[found[1]]) if found else None


def oulu_casia(path: str) -> Picture | None:
    """Oulu-CASIA NIR-VIS: ``{NI,VL}/{Strong,Weak,Dark}/PERSON/EXPRESSION/NNN.jpeg`` (Zhao et al. 2011)."""
    found = re.search(r"(?:^|/)(NI|VL)/(?:Strong|Weak|Dark)/(P\d+)/[^/]+/[^/]+$", path)
    return Picture(path, found[2], _SPECTRA[found[1]]) if found else None


def tufts(path: str) -> Picture | None:
    """Tufts: ``.../TD_{RGB,NIR}_{A,E}/PERSON/....jpg``; TD_IR is thermal and passed over (Panetta et al. 2020)."""
    found = re.search(r"(?:^|/)TD_(RGB|NIR)_[AE][^/]*/(\d+)/[^/]+$", path)
    return Picture(path, found[2], _SPECTRA[found[1]]) if found else None


_SPECTRA: Final[dict[str, Spectrum]] = {
    "NIR": "infrared",
    "NI": "infrared",
    "VIS": "visible",
    "VL": "visible",
    "RGB": "visible",
}

Parse = Callable[[str], Picture | None]


# --- protocols ------------------------------------------------------------------------------------


def casia_view_2(root: Path) -> list[Fold]:
    """The ten sub-experiments of view 2, from ``protocols/{vis_gallery,nir_probe,vis_train,nir_train}_N.txt``.

    About 358 people a fold, one visible picture each. Raises ``FileNotFoundError`` without the lists, which come
    with the set.
    """
    folder = _folder(root, ("protocols", "Protocol", "protocol"))
    folds = []
    for number in range(1, 11):
        listed = {
            kind: _listed(folder / f"{kind}_{number}.txt", casia_nir_vis)
            for kind in ("vis_gallery", "nir_probe", "vis_train", "nir_train")
        }
        training = (*listed["vis_train"], *listed["nir_train"])
        folds.append(Fold(f"view 2, {number}", listed["vis_gallery"], listed["nir_probe"], training))
    return folds


def lamp_hq_folds(root: Path) -> list[Fold]:
    """The ten folds, from ``Protocol/test/{gallery_vis,probe_nir}N.txt`` and ``Protocol/train/train_{vis,nir}N.txt``.

    Each line is a path and a person. Raises ``FileNotFoundError`` without the lists.
    """
    folder = _folder(root, ("Protocol", "protocol", "protocols"))
    return [
        Fold(
            f"fold {number}",
            _listed(folder / "test" / f"gallery_vis{number}.txt", lamp_hq),
            _listed(folder / "test" / f"probe_nir{number}.txt", lamp_hq),
            (
                *_listed(folder / "train" / f"train_vis{number}.txt", lamp_hq),
                *_listed(folder / "train" / f"train_nir{number}.txt", lamp_hq),
            ),
        )
        for number in range(1, 11)
    ]


FRAMES: Final = 8


def oulu_casia_fold(root: Path) -> list[Fold]:
    """One fold as the field runs it: strong light, eight frames of each of six expressions, half of the people for
    training, the other half for the test; visible pictures are the gallery (Shao and Fu 2017).

    Which people and frames are not published: here every second person by number, and frames spread evenly over the
    sequence. Say so beside a figure.
    """
    kept: dict[tuple[str, str], list[Picture]] = {}
    for picture in pictures(root, oulu_casia):
        if "/Strong/" in f"/{picture.path}":
            kept.setdefault((picture.person, str(PurePosixPath(picture.path).parent)), []).append(picture)
    people = sorted({person for person, _ in kept})
    tested = frozenset(people[1::2])
    chosen = [one for frames in kept.values() for one in _spread(frames, FRAMES)]
    return [_split("half of the people", chosen, tested)]


def tufts_fold(root: Path) -> list[Fold]:
    """One fold: the set has no protocol of its own. Of the people with both kinds, sorted, every fifth is a test
    person; all their visible pictures are the gallery, all near-infrared ones the probes."""
    found = list(pictures(root, tufts))
    both = {p.person for p in found if p.spectrum == "visible"} & {p.person for p in found if p.spectrum == "infrared"}
    tested = frozenset(sorted(both, key=int)[4::5])
    return [_split("every fifth person", [p for p in found if p.person in both], tested)]


PROTOCOLS: Final[dict[str, Callable[[Path], list[Fold]]]] = {
    "casia_nir_vis_2": casia_view_2,
    "lamp_hq": lamp_hq_folds,
    "oulu_casia": oulu_casia_fold,
    "tufts": tufts_fold,
}


def pictures(root: Path, parse: Parse) -> Iterable[Picture]:
    """All pictures under ``root`` that the layout knows, sorted by path."""
    return (one for one in map(parse, walk(root)) if one is not None)


def _folder(root: Path, names: Sequence[str]) -> Path:
    found = next((root / name for name in names if (root / name).is_dir()), None)
    if found is None:
        raise FileNotFoundError(f"{root} holds none of the folders {', '.join(names)}, where the lists should be")
    return found


def _listed(path: Path, parse: Parse) -> tuple[Picture, ...]:
    """Pictures that a list names: one a line, perhaps with backslashes, perhaps followed by the person.

    Raises ``ValueError`` for a line that the layout does not know: a protocol that skips lines is another one.
    """
    out = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        picture = parse(line.split()[0].replace("\\", "/"))
        if picture is None:
            raise ValueError(f"{path.name}, line {number}: not a picture of this set")
        out.append(picture)
    return tuple(out)


def _spread(frames: Sequence[Picture], number: int) -> list[Picture]:
    """``number`` of the frames, evenly over the sequence; all where there are no more."""
    if len(frames) <= number:
        return list(frames)
    return [frames[round(i * (len(frames) - 1) / (number - 1))] for i in range(number)]


def _split(name: str, found: Sequence[Picture], tested: frozenset[str]) -> Fold:
    return Fold(
        name,
        tuple(p for p in found if p.person in tested and p.spectrum == "visible"),
        tuple(p for p in found if p.person in tested and p.spectrum == "infrared"),
        tuple(p for p in found if p.person not in tested),
    )
