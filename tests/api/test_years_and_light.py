"""captured_at and spectrum: told, kept with the template, named by identify."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import ExifTags, Image

from tests.doubles import encode, photo, picture


def enroll(client: TestClient, image: bytes, **fields: str) -> Any:
    return client.post("/enroll", files={"images": image}, data=fields)


def candidate(client: TestClient, **fields: str) -> Any:
    answer = client.post("/identify", files={"image": photo(1)}, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["faces"][0]["candidates"][0]


def taken(when: str) -> bytes:
    exif = Image.fromarray(picture(1)).getexif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = when
    exif[ExifTags.Base.Model] = "camera"
    return encode(picture(1), "JPEG", exif=exif, quality=95)


def test_a_template_that_is_older_than_the_setting_is_named(client: TestClient) -> None:
    taken_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=10 * 365)
    made = enroll(client, photo(1), subject_id="ada", captured_at=taken_at.isoformat())
    assert made.status_code == 201, made.text
    found = candidate(client)
    assert found["template_old"] is True
    assert datetime.fromisoformat(found["template_captured_at"]) == taken_at
    (shown,) = client.get("/subjects/ada").json()["templates"]
    assert datetime.fromisoformat(shown["captured_at"]) == taken_at
    assert shown["spectrum"] == "visible"


@pytest.mark.parametrize("fields", [{}, {"captured_at": datetime.now(UTC).isoformat()}])
def test_a_template_of_today_or_of_nobody_knows_when_is_not_called_old(
    client: TestClient, fields: dict[str, str]
) -> None:
    assert enroll(client, photo(1), subject_id="ada", **fields).status_code == 201
    found = candidate(client)
    assert found["template_old"] is False
    assert (found["template_captured_at"] is None) == (not fields)


def test_the_cameras_own_time_counts_only_where_it_is_asked_for(client: TestClient) -> None:
    image = taken("2009:03:04 05:06:07")
    enroll(client, image, subject_id="ada")
    assert candidate(client)["template_captured_at"] is None
    client.delete("/subjects/ada")
    enroll(client, image, subject_id="ada", captured_at="exif")
    assert datetime.fromisoformat(candidate(client)["template_captured_at"]) == datetime(
        2009, 3, 4, 5, 6, 7, tzinfo=UTC
    )
    client.delete("/subjects/ada")
    enroll(client, taken("2909:03:04 05:06:07"), subject_id="ada", captured_at="exif")
    assert candidate(client)["template_captured_at"] is None


@pytest.mark.parametrize(
    "when", [(datetime.now(UTC) + timedelta(days=30)).isoformat(), "2014-01-01T00:00:00", "yesterday"]
)
def test_a_time_to_come_or_without_an_offset_is_refused(client: TestClient, when: str) -> None:
    refused = enroll(client, photo(1), subject_id="ada", captured_at=when)
    assert refused.status_code == 422
    assert refused.json()["code"] == "BAD_REQUEST"
    assert client.get("/subjects/ada").status_code == 404


def test_infrared_and_visible_pictures_meet_in_one_gallery(client: TestClient) -> None:
    made = enroll(client, photo(1), subject_id="ada", spectrum="infrared")
    assert made.json()["accepted"][0]["spectrum"] == "infrared"
    answer = client.post("/identify", files={"image": photo(1, spread=10)}, data={"spectrum": "visible"}).json()
    (face,) = answer["faces"]
    assert face["decision"] == "match"
    assert (face["spectrum"], face["match"]["template_spectrum"]) == ("visible", "infrared")
    verified = client.post("/verify", files={"image": photo(1)}, data={"subject_id": "ada", "spectrum": "infrared"})
    assert verified.json()["face"]["spectrum"] == "infrared"
    assert client.get("/subjects/ada").json()["templates"][0]["spectrum"] == "infrared"


def test_another_light_is_refused(client: TestClient) -> None:
    assert enroll(client, photo(1), spectrum="ultraviolet").status_code == 422


def test_nobody_asks_for_a_picture_in_the_dark_without_a_face(client: TestClient) -> None:
    black = encode(np.zeros((96, 96, 3), np.uint8))
    assert client.post("/identify", files={"image": black}, data={"spectrum": "auto"}).json()["code"] == "NO_FACE"
