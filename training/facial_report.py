"""The tables of ``docs/action-units.md`` from what ``measure`` found, so that page and card say the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.face.action_units import UNITS

Measures = Mapping[str, Any]
"""The JSON that ``training.facial_parameters measure`` writes."""

EXPRESSIONS: Final[Mapping[str, str]] = {
    "happy": "AU12 in happy",
    "surprise": "AU1, 2, 5, 26 in surprise",
    "anger": "AU4 in anger",
    "disgust": "AU9, 10 in disgust",
}
PARTED: Final = ("AU9", "AU10")
"""Units of disgust that say so different things that their mean says little."""


def table_of_bars(measures: Measures) -> str:
    """One row a bar of a measure: bar, wanted, found, met or missed."""
    renders, pose, ckplus = measures["renders"], measures["pose"], measures["ckplus"]
    served, profiles = measures["served pose"]["photographs"], measures["served pose"]["profiles"]
    agreement = measures["blendshapes"]
    worst = max(renders["yaw"], renders["pitch"])
    rows = [
        (
            "renders, mean ICC(3,1) over 23 units",
            ">= 0.85",
            f"{renders['icc']:.3f} ({renders['icc_within']:.3f} within 60 degrees)",
            renders["icc"] >= 0.85,
        ),
        ("renders, mean absolute error of units", "<= 0.08", f"{renders['mae']:.3f}", renders["mae"] <= 0.08),
        (
            "renders, head angles, degrees",
            "<= 3",
            f"yaw {renders['yaw']:.1f}, pitch {renders['pitch']:.1f}",
            worst <= 3,
        ),
        (
            "photographs, pose within 60 degrees, served",
            "<= 6",
            f"yaw {served['yaw']:.1f}, pitch {served['pitch']:.1f}",
            max(served["yaw"], served["pitch"]) <= 6,
        ),
        ("the same by R", "", f"yaw {pose['yaw']:.1f}, pitch {pose['pitch']:.1f}", None),
        (
            "profiles, direction right, served",
            ">= 99 %",
            f"{100 * profiles['direction']:.1f} %",
            profiles["direction"] >= 0.99,
        ),
        ("profiles, median of the yaw, served", ">= 55", f"{profiles['median']:.1f}", profiles["median"] >= 55),
        (
            "the same by R",
            "",
            f"{100 * measures['profiles']['direction']:.1f} %, {measures['profiles']['median']:.1f}",
            None,
        ),
        *(
            (f"CK+48, {words}, AUC", ">= 0.85", f"{ckplus[name]:.3f}", ckplus[name] >= 0.85)
            for name, words in EXPRESSIONS.items()
        ),
        ("AU9 alone, AU10 alone in disgust", "", ", ".join(f"{ckplus[f'{u} in disgust']:.3f}" for u in PARTED), None),
        (
            f"Pearson with the landmarker's blendshapes, {len(agreement['moving'])} units that move",
            ">= 0.6",
            f"{agreement['mean']:.3f}",
            agreement["mean"] >= 0.6,
        ),
    ]
    verdict = {True: "met", False: "missed", None: ""}
    lines = [f"| {bar} | {wanted} | {found} | {verdict[met]} |" for bar, wanted, found, met in rows]
    return "\n".join(["| bar | wanted | found | |", "|---|---|---|---|", *lines]).replace("|  |", "| |")


def table_of_units(measures: Measures) -> str:
    """One row a unit: ICC on renders, Pearson on photographs."""
    moving, icc = measures["blendshapes"]["moving"], measures["renders"]["by_unit"]
    lines = [
        f"| {unit.name} | {unit.title} | {icc[unit.name]:.2f} | "
        + (f"{moving[unit.name]:.2f} |" if unit.name in moving else "still in the labeller |")
        for unit in UNITS
    ]
    return "\n".join(["| unit | name | ICC, renders | Pearson, photographs |", "|---|---|---|---|", *lines])


def row_of_run(measures: Measures) -> str:
    """What one run found, in a row: ICC, Pearson, yaw error, median yaw of profiles, the four of CK+48."""
    areas = ", ".join(f"{measures['ckplus'][name]:.3f}" for name in EXPRESSIONS)
    return (
        f"| {measures['renders']['icc']:.3f} | {measures['blendshapes']['mean']:.3f} | {measures['pose']['yaw']:.1f} "
        f"| {measures['profiles']['median']:.1f} | {areas} |"
    )
