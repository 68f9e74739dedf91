"""A refusal as one plain word that a kiosk can say in any language."""

from __future__ import annotations

from typing import Final, Literal

from app.errors import FrontalisError, LowQuality

Hint = Literal["come_closer", "more_light", "hold_still", "look_here", "one_at_a_time", "try_again"]

_BY_CODE: Final[dict[str, Hint]] = {
    "NO_FACE": "look_here",
    "POSE_TOO_EXTREME": "look_here",
    "MULTIPLE_FACES": "one_at_a_time",
    "TOO_MANY_FACES": "one_at_a_time",
    "OTHER_FACE": "one_at_a_time",
    "IMAGE_TOO_SMALL": "come_closer",
}
_BY_COMPONENT: Final[dict[str, Hint]] = {
    "size": "come_closer",
    "brightness": "more_light",
    "contrast": "more_light",
    "sharpness": "hold_still",
}


def hint_for(refusal: FrontalisError) -> Hint:
    """What the person in front of the camera can do about it."""
    if isinstance(refusal, LowQuality):
        return _BY_COMPONENT.get(str(refusal.extra.get("component")), "try_again")
    return _BY_CODE.get(refusal.code, "try_again")
