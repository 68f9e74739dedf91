from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.face.decode import decode
from app.face.thresholds import ThresholdTable
from app.main import create_app
from app.settings import Settings
from tests.doubles import FailingGallery, FakeEngine, encode, photo, picture


def enroll(client: TestClient, *pictures: bytes, **fields: str) -> Any:
    files = [("images", ("a.png", one, "image/png")) for one in pictures]
    return client.post("/enroll", files=files, data=fields)


def identify(client: TestClient, image: bytes, **fields: str) -> Any:
    answer = client.post("/identify", files={"image": image}, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_who_is_enrolled_is_found_by_the_next_request(client: TestClient) -> None:
    answer = enroll(client, photo(1), photo(1, spread=40), subject_id="ada", name="Ada", metadata='{"team": "A"}')
    assert answer.status_code == 201
    body = answer.json()
    assert [one["index"] for one in body["accepted"]] == [0, 1]
    assert body["rejected"] == body["duplicates"] == []
    assert answer.headers["location"] == "/subjects/ada?collection=default"

    found = identify(client, photo(1, spread=20))
    (face,) = found["faces"]
    assert face["decision"] == "match"
    assert face["match"]["subject_id"] == "ada"
    assert face["match"]["template_id"] in [one["template_id"] for one in body["accepted"]]
    assert face["match"]["distance"] == pytest.approx((2 - 2 * face["match"]["score"]) ** 0.5)
    assert found["threshold"]["subjects"] == 1
    assert found["threshold"]["review"] < found["threshold"]["threshold"]
    assert found["model_id"] == "fake-1"
    assert found["request_id"]


def test_json_with_base64_is_the_same(client: TestClient) -> None:
    image = base64.b64encode(photo(3)).decode()
    made = client.post("/enroll", json={"images": [image], "subject_id": "ada", "metadata": {"a": [1, None]}})
    assert made.status_code == 201
    found = client.post("/identify", json={"image": image}).json()
    assert found["faces"][0]["match"]["subject_id"] == "ada"
    assert client.post("/verify", json={"image": image, "image_b": image}).json()["match"] is True
    assert client.post("/analyze", json={"image": image, "attributes": "pose"}).status_code == 200
    assert client.get("/subjects/ada").json()["metadata"] == {"a": [1, None]}


def test_without_an_id_a_subject_gets_one(client: TestClient) -> None:
    one, two = enroll(client, photo(1)).json(), enroll(client, photo(2)).json()
    assert one["created"] is True
    assert one["subject_id"][14] == "7"
    assert one["subject_id"] < two["subject_id"]


def test_the_same_subject_again_adds_templates(client: TestClient) -> None:
    enroll(client, photo(1), subject_id="ada", name="Ada")
    again = enroll(client, photo(1, spread=60), subject_id="ada").json()
    assert again["created"] is False
    shown = client.get("/subjects/ada").json()
    assert (shown["name"], len(shown["templates"])) == ("Ada", 2)


def test_pictures_that_cannot_be_used_are_named_and_the_others_enrolled(client: TestClient) -> None:
    nobody = encode(np.zeros((96, 96, 3), np.uint8))
    body = enroll(client, photo(1, 2), photo(1), b"", photo(1, quality=5), nobody).json()
    assert [one["index"] for one in body["accepted"]] == [1]
    assert [(one["index"], one["code"]) for one in body["rejected"]] == [
        (0, "MULTIPLE_FACES"),
        (2, "EMPTY_IMAGE"),
        (3, "LOW_QUALITY"),
        (4, "NO_FACE"),
    ]


def test_the_largest_face_is_taken_when_asked_for(client: TestClient) -> None:
    large, small = picture(1, side=96), picture(2, side=64)
    both = encode(np.hstack([small, large[:64]]))
    assert enroll(client, both, subject_id="ada", faces="largest").status_code == 201
    assert identify(client, photo(1))["faces"][0]["decision"] == "match"
    assert identify(client, photo(2))["faces"][0]["decision"] == "no_match"


def test_candidates_are_subjects_each_by_the_mean_of_its_templates(client: TestClient) -> None:
    for person in range(4):
        enroll(client, *(photo(person, spread=spread) for spread in (0, 30, 60, 90)), subject_id=f"p{person}")
    found = identify(client, photo(2, spread=30), top_k="3")["faces"][0]["candidates"]
    assert len(found) == 3
    assert len({one["subject_id"] for one in found}) == 3
    assert found[0]["subject_id"] == "p2"
    assert found[0]["template_pose"]["yaw"] == pytest.approx(7.5), "the nearest template is shown"
    vectors = [FakeEngine().pictures([decode(photo(2, spread=spread))])[0].faces[0] for spread in (0, 30, 60, 90)]
    mean = np.sum([face.frontalized for face in vectors], axis=0)
    assert found[0]["score"] == pytest.approx(vectors[1].frontalized @ mean / np.linalg.norm(mean), abs=1e-4)
    for here, after in pairwise(found):
        assert here["margin"] == pytest.approx(here["score"] - after["score"])


def test_one_subject_matches_at_most_one_face_of_a_picture(client: TestClient) -> None:
    enroll(client, photo(1), subject_id="ada")
    faces = identify(client, encode(np.hstack([picture(1, spread=60), picture(1)])))["faces"]
    assert sorted(face["decision"] for face in faces) == ["match", "review"]
    best = max(faces, key=lambda face: face["candidates"][0]["score"])
    assert best["decision"] == "match"


def test_the_threshold_knows_the_size_of_the_collection(client: TestClient) -> None:
    enroll(client, photo(0))
    alone = identify(client, photo(0))["threshold"]
    for person in range(1, 9):
        enroll(client, photo(person))
    among = identify(client, photo(0))["threshold"]
    assert (alone["subjects"], among["subjects"]) == (1, 9)
    assert among["fmr"] == pytest.approx(1 - 0.99 ** (1 / 9))
    assert among["threshold"] > alone["threshold"]
    strict = identify(client, photo(0), fpir="0.0000001")["threshold"]
    assert strict["threshold"] > among["threshold"]
    assert strict["extrapolated"] is True
    named = identify(client, photo(0), threshold="0.25")["threshold"]
    assert (named["threshold"], named["fmr"], named["fpir"]) == (0.25, 1.0, 1.0), "below the table: anything goes"
    again = identify(client, photo(0), threshold=repr(among["threshold"]))["threshold"]
    assert again["fmr"] == pytest.approx(among["fmr"], rel=1e-3)
    assert again["fpir"] == pytest.approx(0.01, rel=1e-3)
    assert again["review"] == pytest.approx(among["review"], abs=1e-4)


def test_review_is_the_band_just_below(client: TestClient) -> None:
    enroll(client, photo(1), subject_id="ada")
    score = identify(client, photo(1, spread=100))["faces"][0]["candidates"][0]["score"]

    def decision(threshold: float) -> str:
        return str(identify(client, photo(1, spread=100), threshold=repr(threshold))["faces"][0]["decision"])

    assert decision(score) == "match"
    assert decision(score + 0.01) == "review"
    assert decision(score + 0.07) == "no_match", "a decade is 0.04 of the table's slope, 0.06 beyond its end"


def test_strangers_are_nobody(client: TestClient) -> None:
    enroll(client, photo(1))
    (face,) = identify(client, photo(2))["faces"]
    assert (face["decision"], face["match"]) == ("no_match", None)


def test_deleted_is_gone_from_the_next_request(client: TestClient) -> None:
    template = enroll(client, photo(1), subject_id="ada").json()["accepted"][0]["template_id"]
    enroll(client, photo(2), subject_id="bob")
    assert client.delete(f"/subjects/ada/templates/{template}").status_code == 204
    assert identify(client, photo(1))["faces"][0]["decision"] == "no_match"
    assert client.get("/subjects/ada").json()["templates"] == []
    assert client.delete("/subjects/bob").status_code == 204
    assert identify(client, photo(2))["faces"][0]["candidates"] == []
    assert client.get("/subjects/bob").status_code == 404


def test_collections_do_not_see_each_other(client: TestClient) -> None:
    assert client.post("/collections", json={"name": "fair"}).status_code == 201
    enroll(client, photo(1), subject_id="ada", collection="fair")
    assert identify(client, photo(1))["faces"][0]["candidates"] == []
    assert identify(client, photo(1), collection="fair")["faces"][0]["decision"] == "match"
    assert client.delete("/collections/fair").status_code == 204
    assert client.post("/collections", json={"name": "fair"}).status_code == 201
    assert identify(client, photo(1), collection="fair")["faces"][0]["candidates"] == []


def test_the_default_collection_is_emptied_not_lost(client: TestClient) -> None:
    enroll(client, photo(1))
    assert client.delete("/collections/default").status_code == 204
    shown = client.get("/collections/default").json()
    assert (shown["subjects"], shown["templates"], shown["model_id"]) == (0, 0, None)
    assert identify(client, photo(1))["faces"][0]["candidates"] == []


def test_duplicates_are_reported_refused_or_allowed(client: TestClient) -> None:
    enroll(client, photo(1), subject_id="ada")
    (reported,) = enroll(client, photo(1, spread=10), subject_id="eve").json()["duplicates"]
    assert (reported["subject_id"], reported["index"]) == ("ada", 0)
    assert enroll(client, photo(1), subject_id="mal", duplicates="allow").json()["duplicates"] == []
    refused = enroll(client, photo(1), subject_id="joe", duplicates="refuse")
    assert refused.status_code == 409
    assert refused.json()["code"] == "DUPLICATE_SUBJECT"
    assert client.get("/subjects/joe").status_code == 404
    assert enroll(client, photo(1), subject_id="ada", duplicates="refuse").status_code == 409, "eve and mal have it"
    assert enroll(client, photo(2), subject_id="bob", duplicates="refuse").status_code == 201
    assert enroll(client, photo(2), subject_id="bob", duplicates="refuse").status_code == 201, "it is bob's own"


def test_verify_against_a_subject_and_against_a_picture(client: TestClient) -> None:
    enroll(client, photo(1), photo(1, spread=80), subject_id="ada")

    def against(image: bytes, **fields: str) -> Any:
        return client.post("/verify", files={"image": image}, data={"subject_id": "ada", **fields}).json()

    assert against(photo(1))["match"] is True
    assert against(photo(2))["match"] is False
    assert against(photo(2), threshold="-1")["match"] is True
    assert against(photo(1))["threshold"]["fmr"] == 1e-4
    pair = client.post("/verify", files={"image": photo(1), "image_b": photo(1, spread=20)}).json()
    assert pair["match"] is True
    assert pair["template_id"] is None
    assert pair["face_b"]["pose"]["yaw"] == 5.0


def test_analyze_answers_what_was_asked_for_and_keeps_nothing(client: TestClient) -> None:
    found = client.post("/analyze", files={"image": photo(1, 2)}, data={"attributes": "pose, quality"}).json()
    assert len(found["faces"]) == 2
    assert set(found["faces"][0]) == {"box", "detection_score", "pose", "quality"}
    assert client.get("/collections/default").json()["templates"] == 0


def test_a_failing_index_says_what_was_written_and_is_rebuilt(client: TestClient, gallery: FailingGallery) -> None:
    enroll(client, photo(1), subject_id="ada")
    gallery.broken = True
    lost = enroll(client, photo(2), subject_id="bob", duplicates="allow")
    assert (lost.status_code, lost.json()["code"], lost.json()["written"]) == (503, "GALLERY_UNAVAILABLE", True)
    assert client.get("/readyz").status_code == 503
    assert client.post("/identify", files={"image": photo(1)}).status_code == 503
    assert enroll(client, photo(3)).status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.delete("/subjects/ada").status_code == 204, "the rows are there to be deleted"
    gallery.broken = False
    client.app.state.running.parts.index.rebuild()  # type: ignore[attr-defined]
    assert client.get("/readyz").status_code == 200
    assert identify(client, photo(2))["faces"][0]["match"]["subject_id"] == "bob"
    assert identify(client, photo(1))["faces"][0]["decision"] == "no_match"


@pytest.mark.parametrize("route", ["analyze", "identify", "enroll"])
def test_attributes_that_are_not_there(client: TestClient, route: str) -> None:
    files = {"images" if route == "enroll" else "image": photo(1)}
    answer = client.post(f"/{route}", files=files, data={"attributes": "gaze"})
    assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_ATTRIBUTE")
    assert client.post(f"/{route}", files=files, data={"attributes": "pose"}).status_code in (200, 201)


def test_what_covers_a_face_is_told_when_asked_for(client: TestClient) -> None:
    image = photo(1, covered=0.25)
    told = client.post("/analyze", files={"image": image}, data={"attributes": "occlusion"}).json()["faces"][0]
    assert set(told) == {"box", "detection_score", "occlusion"}
    assert told["occlusion"]["pattern"] == {"rows": [3, 4], "cols": [0, 4]}
    assert told["occlusion"]["covered"] == pytest.approx(0.25, abs=0.02)
    assert told["occlusion"]["mask"] is True
    assert len(told["occlusion"]["cells"]) == 14
    bare = client.post("/analyze", files={"image": photo(1)}, data={"attributes": "occlusion"}).json()["faces"][0]
    assert bare["occlusion"]["pattern"] is None
    enroll(client, photo(1), subject_id="ada")
    assert "occlusion" in identify(client, image, attributes="occlusion")["faces"][0]
    assert "occlusion" not in identify(client, image)["faces"][0]
    (accepted,) = enroll(client, photo(2), attributes="occlusion").json()["accepted"]
    assert accepted["occlusion"]["covered"] == 0


def test_an_attribute_that_this_server_lacks(client: TestClient) -> None:
    answer = client.post("/analyze", files={"image": photo(1)}, data={"attributes": "pose,age"})
    assert (answer.status_code, answer.json()["code"]) == (422, "ATTRIBUTE_UNAVAILABLE")
    assert "occlusion" in answer.json()["detail"], "it says what there is"


def test_covered_faces_are_not_enrolled(client: TestClient) -> None:
    body = enroll(client, photo(1), photo(1, covered=0.45)).json()
    assert [one["index"] for one in body["accepted"]] == [0]
    assert [(one["index"], one["code"]) for one in body["rejected"]] == [(1, "OCCLUDED")]


def test_where_less_is_seen_the_threshold_is_stricter_and_says_so(client: TestClient) -> None:
    enroll(client, photo(1), subject_id="ada")
    whole = identify(client, encode(np.hstack([picture(1), picture(2, covered=0.25)])))
    bare, covered = sorted((face["threshold"] for face in whole["faces"]), key=lambda one: one["raised"])
    assert bare == whole["threshold"]
    assert bare["raised"] == 0
    assert covered["raised"] == pytest.approx(0.1, abs=0.01)
    assert covered["threshold"] == pytest.approx(bare["threshold"] + covered["raised"])
    assert covered["review"] == pytest.approx(bare["review"] + covered["raised"])
    assert covered["fmr"] == bare["fmr"], "the rate stays, the cosine rises"
    named = identify(client, photo(1, covered=0.25), threshold="0.5")["faces"][0]["threshold"]
    assert (named["threshold"], named["raised"]) == (0.5, 0)
    pair = {"image": photo(1), "image_b": photo(1, covered=0.25)}
    assert client.post("/verify", files=pair).json()["threshold"]["raised"] == pytest.approx(0.1, abs=0.01)


def test_a_face_is_judged_against_the_crowd_and_the_answer_says_so(settings: Settings) -> None:
    engine = FakeEngine()
    engine.search_thresholds = ThresholdTable.of([(0.5, 0.0), (1e-1, 0.2), (1e-6, 0.55)])
    with TestClient(create_app(settings, engine), base_url="http://127.0.0.1") as client:
        for person in range(24):
            enroll(client, photo(person))
        answer = identify(client, photo(3))
        (face,) = answer["faces"]
        assert (face["decision"], answer["threshold"]["contrast"]) == ("match", 0)
        assert face["threshold"]["contrast"] != 0
        assert face["threshold"]["threshold"] == pytest.approx(
            answer["threshold"]["threshold"] + face["threshold"]["contrast"]
        )
        named = identify(client, photo(3), threshold="0.5")["faces"][0]["threshold"]
        assert (named["threshold"], named["contrast"]) == (0.5, 0)
