"""Each bad input gets the right problem and changes nothing."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import func, select

from app.store.models import Base
from tests.doubles import RED, encode, photo, picture

UNKNOWN = "0199d7a4-8f3e-7c41-9d15-3a0f6f0e2b11"


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def bomb() -> bytes:
    """A 100-megapixel grey PNG of about 1 MB: rows that deflate does not shrink to nothing."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(np.random.default_rng(0).integers(0, 2, 10_000, np.uint8))
    body = packer.compress(row * 600) + packer.compress(b"\0" * 10_001 * 9_400) + packer.flush()
    header = (10_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    out = BytesIO()
    frames = [Image.fromarray(picture(person)) for person in (1, 2)]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


REFUSED = {
    "empty": (b"", 422, "EMPTY_IMAGE"),
    "not an image": (b"%PDF-1.7 hello", 415, "NOT_AN_IMAGE"),
    "a GIF": (encode(picture(1), "GIF"), 415, "NOT_AN_IMAGE"),
    "truncated PNG": (photo(1)[:-200], 422, "TRUNCATED_IMAGE"),
    "truncated JPEG": (encode(picture(1), "JPEG")[:500], 422, "TRUNCATED_IMAGE"),
    "100 megapixels in a megabyte": (bomb(), 413, "IMAGE_TOO_LARGE"),
    "animated PNG": (animated("PNG"), 422, "ANIMATED_IMAGE"),
    "animated WebP": (animated("WEBP"), 422, "ANIMATED_IMAGE"),
    "10 pixels": (encode(np.zeros((10, 10, 3), np.uint8)), 422, "IMAGE_TOO_SMALL"),
    "no face": (encode(np.zeros((96, 96, 3), np.uint8)), 422, "NO_FACE"),
    "a file over the limit": (photo(1) + b"\0" * 2_000_000, 413, "IMAGE_TOO_LARGE"),
}


def rows(client: TestClient) -> dict[str, int]:
    database = client.app.state.running.parts.database  # type: ignore[attr-defined]
    with database.reading() as session:
        counts = {
            table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables
        }
        changes = session.scalar(select(func.sum(Base.metadata.tables["collections"].c.change)))
    return {**counts, "change": changes}


@contextmanager
def nothing_changes(client: TestClient) -> Iterator[None]:
    before, index = rows(client), client.get("/subjects/ada").json()
    yield
    assert rows(client) == before
    assert client.get("/subjects/ada").json() == index
    found = client.post("/identify", files={"image": photo(1)}).json()
    assert [one["subject_id"] for one in found["faces"][0]["candidates"]] == ["ada"]


def check(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= set(body)
    return body


@pytest.mark.parametrize("case", REFUSED)
def test_a_picture_that_cannot_be_used(shared: TestClient, case: str) -> None:
    file, status, code = REFUSED[case]
    with nothing_changes(shared):
        enrolled = check(shared.post("/enroll", files={"images": file}), 422, "ALL_REJECTED")
        assert [(one["index"], one["code"]) for one in enrolled["rejected"]] == [(0, code)]
        check(shared.post("/identify", files={"image": file}), status, code)
        check(shared.post("/verify", files={"image": file}, data={"subject_id": "ada"}), status, code)
        check(shared.post("/verify", files={"image": photo(1), "image_b": file}), status, code)
        check(shared.post("/analyze", files={"image": file}), status, code)
        if file and len(file) < 2_000_000:
            check(shared.post("/identify", json={"image": base64.b64encode(file).decode()}), status, code)


def test_thirty_faces(shared: TestClient) -> None:
    crowd = photo(*(person % 29 for person in range(30)), side=48)
    with nothing_changes(shared):
        enrolled = check(shared.post("/enroll", files={"images": crowd}), 422, "ALL_REJECTED")
        assert enrolled["rejected"][0]["code"] == "MULTIPLE_FACES"
        check(shared.post("/identify", files={"image": crowd}), 422, "TOO_MANY_FACES")
        check(shared.post("/analyze", files={"image": crowd}), 422, "TOO_MANY_FACES")
        check(shared.post("/verify", files={"image": crowd}, data={"subject_id": "ada"}), 422, "MULTIPLE_FACES")
    assert shared.post("/identify", files={"image": crowd}, data={"faces": "largest"}).status_code == 200


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    upright = Image.fromarray(picture(1))
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(turned[orientation])) if orientation in turned else upright
    out = BytesIO()
    stored.save(out, "JPEG", exif=tags, quality=95)
    return out.getvalue()


def palette() -> bytes:
    image = Image.fromarray(np.dstack([picture(1), np.full((96, 128), 255, np.uint8)])).quantize(32)
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def sixteen_bit() -> bytes:
    """A person whose three channels are alike: grey stays grey."""
    grey = np.zeros((96, 128), np.uint16)
    grey[:, 16:112] = RED[1] << 8
    out = BytesIO()
    Image.fromarray(grey).save(out, "PNG")
    return out.getvalue()


ODD = {
    "CMYK": lambda: encode_as("CMYK", "JPEG"),
    "grey": lambda: encode_as("L", "PNG"),
    "16-bit": sixteen_bit,
    "palette with alpha": palette,
    **{f"EXIF {orientation}": (lambda turn=orientation: exif(turn)) for orientation in range(1, 9)},
}


def encode_as(mode: str, kind: str) -> bytes:
    out = BytesIO()
    Image.fromarray(picture(1)).convert(mode).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("case", ODD)
def test_an_odd_picture_is_read_like_a_plain_one(shared: TestClient, case: str) -> None:
    answer = shared.post("/analyze", files={"image": ODD[case]()})
    assert answer.status_code == 200, answer.text
    (face,) = answer.json()["faces"]
    assert face["box"] == pytest.approx([16, 0, 112, 96], abs=2)


def test_a_body_over_the_limit_by_its_length_and_by_its_bytes(shared: TestClient) -> None:
    big = b"0" * 3_000_001

    def unannounced() -> Iterator[bytes]:
        yield from (big[start : start + 100_000] for start in range(0, len(big), 100_000))

    with nothing_changes(shared):
        for path in ("/enroll", "/identify", "/verify", "/analyze", "/collections"):
            check(shared.post(path, content=big, headers={"content-type": "application/json"}), 413, "BODY_TOO_LARGE")
            answer = shared.post(path, content=unannounced(), headers={"content-type": "application/json"})
            check(answer, 413, "BODY_TOO_LARGE")
        check(shared.post("/identify", files={"image": big}), 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("kind", ["text/plain", "image/png", "application/x-www-form-urlencoded", ""])
def test_a_wrong_content_type(shared: TestClient, kind: str) -> None:
    with nothing_changes(shared):
        for path in ("/enroll", "/identify", "/verify", "/analyze", "/collections"):
            answer = shared.post(path, content=photo(1), headers={"content-type": kind})
            check(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
        check(
            shared.patch("/subjects/ada", content=b"{}", headers={"content-type": kind}), 415, "UNSUPPORTED_MEDIA_TYPE"
        )


@pytest.mark.parametrize("text", ["%%%", "AAA", "data:image/png;base64,AAAA", "ü", "AA AA", "AAAA\n"])
def test_bad_base64(shared: TestClient, text: str) -> None:
    with nothing_changes(shared):
        check(shared.post("/enroll", json={"images": [text]}), 422, "BAD_BASE64")
        check(shared.post("/identify", json={"image": text}), 422, "BAD_BASE64")
        check(shared.post("/verify", json={"image": text, "subject_id": "ada"}), 422, "BAD_BASE64")
        check(shared.post("/analyze", json={"image": text}), 422, "BAD_BASE64")


@pytest.mark.parametrize(
    "metadata",
    [
        "{",
        "[]",
        "1",
        "nonsense",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        json.dumps({"a": "x" * 20_000}),
        '{"a":' * 20 + "1" + "}" * 20,
        '{"a":' * 9_000 + "1" + "}" * 9_000,
    ],
    ids=lambda text: text[:16],
)
def test_bad_metadata(shared: TestClient, metadata: str) -> None:
    with nothing_changes(shared):
        answer = shared.post("/enroll", files={"images": photo(2)}, data={"subject_id": "bob", "metadata": metadata})
        check(answer, 422, "BAD_METADATA")
        body = f'{{"metadata": {metadata}}}'.encode()
        answer = shared.patch("/subjects/ada", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422


@pytest.mark.parametrize("body", [b"{", b"", b"[1]", b"null", b"[" * 100_000, b'"\\ud800"', b"\xff\xfe"])
def test_bad_json(shared: TestClient, body: bytes) -> None:
    with nothing_changes(shared):
        for path in ("/enroll", "/identify", "/verify", "/analyze", "/collections"):
            answer = shared.post(path, content=body, headers={"content-type": "application/json"})
            check(answer, 422, "BAD_REQUEST")


@pytest.mark.parametrize("ill", ["a b", "a/b", "ä", "a" * 65, "%00", "a%0a", "a\\b"])
def test_ids_ill_formed(shared: TestClient, ill: str) -> None:
    with nothing_changes(shared):
        for answer in (
            shared.get(f"/subjects/{ill}"),
            shared.delete(f"/subjects/{ill}"),
            shared.patch(f"/subjects/{ill}", json={"name": "x"}),
            shared.get(f"/collections/{ill}"),
            shared.delete(f"/collections/{ill}"),
            shared.get(f"/subjects/ada/templates/{ill}"),
        ):
            assert answer.status_code in (404, 405, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
        for name in ("subject_id", "collection"):
            check(shared.post("/enroll", files={"images": photo(2)}, data={name: ill}), 422, "BAD_REQUEST")
        check(shared.get("/subjects", params={"collection": ill}), 422, "BAD_REQUEST")
        check(shared.post("/collections", json={"name": ill}), 422, "BAD_REQUEST")


def test_ids_unknown(shared: TestClient) -> None:
    ada = "/subjects/ada/templates/"
    with nothing_changes(shared):
        for method in ("GET", "DELETE"):
            check(shared.request(method, "/subjects/nobody"), 404, "SUBJECT_NOT_FOUND")
            check(shared.request(method, ada + UNKNOWN), 404, "TEMPLATE_NOT_FOUND")
            check(shared.request(method, f"/subjects/nobody/templates/{UNKNOWN}"), 404, "SUBJECT_NOT_FOUND")
            check(shared.request(method, "/collections/none"), 404, "COLLECTION_NOT_FOUND")
        check(shared.patch("/subjects/nobody", json={"name": "x"}), 404, "SUBJECT_NOT_FOUND")
        check(
            shared.post("/verify", files={"image": photo(1)}, data={"subject_id": "nobody"}), 404, "SUBJECT_NOT_FOUND"
        )


def test_an_unknown_collection(shared: TestClient) -> None:
    with nothing_changes(shared):
        where = {"collection": "none"}
        for answer in (
            shared.post("/enroll", files={"images": photo(2)}, data=where),
            shared.post("/identify", files={"image": photo(2)}, data=where),
            shared.post("/verify", files={"image": photo(2)}, data={"subject_id": "ada", **where}),
            shared.get("/subjects", params=where),
            shared.get("/subjects/ada", params=where),
            shared.patch("/subjects/ada", params=where, json={}),
            shared.delete("/subjects/ada", params=where),
        ):
            check(answer, 404, "COLLECTION_NOT_FOUND")


@pytest.mark.parametrize(
    "fields",
    [
        {"top_k": "0"},
        {"top_k": "101"},
        {"top_k": "many"},
        {"threshold": "nan"},
        {"threshold": "inf"},
        {"threshold": "1.5"},
        {"fpir": "0"},
        {"fpir": "nan"},
        {"threshold": "0.5", "fpir": "0.01"},
        {"faces": "some"},
        {"unheard": "of"},
    ],
    ids=str,
)
def test_numbers_out_of_range(shared: TestClient, fields: dict[str, str]) -> None:
    with nothing_changes(shared):
        body = check(shared.post("/identify", files={"image": photo(1)}, data=fields), 422, "BAD_REQUEST")
        assert body["errors"]


def test_nan_in_json(shared: TestClient) -> None:
    body = b'{"image": "", "threshold": NaN}'
    answer = shared.post("/identify", content=body, headers={"content-type": "application/json"})
    check(answer, 422, "BAD_REQUEST")


def test_a_duplicate_subject(shared: TestClient) -> None:
    with nothing_changes(shared):
        fields = {"subject_id": "eve", "duplicates": "refuse"}
        body = check(shared.post("/enroll", files={"images": photo(1)}, data=fields), 409, "DUPLICATE_SUBJECT")
        assert body["duplicates"][0]["subject_id"] == "ada"


def test_a_collection_that_is_there(shared: TestClient) -> None:
    with nothing_changes(shared):
        check(shared.post("/collections", json={"name": "default"}), 409, "COLLECTION_EXISTS")


def test_pictures_sent_as_text_twice_or_too_many(shared: TestClient) -> None:
    with nothing_changes(shared):
        check(shared.post("/identify", data={"image": "text"}, files={"x": b""}), 422, "BAD_REQUEST")
        twice = [("image", photo(1)), ("image", photo(2))]
        check(shared.post("/identify", files=twice), 422, "BAD_REQUEST")
        many = [("images", photo(2)) for _ in range(21)]
        check(shared.post("/enroll", files=many), 422, "BAD_REQUEST")
        check(shared.post("/enroll", json={"images": []}), 422, "BAD_REQUEST")
        check(shared.post("/enroll", data={"subject_id": "x"}, files={"faces": b"single"}), 422, "BAD_REQUEST")
        check(shared.post("/verify", files={"image": photo(1)}), 422, "BAD_REQUEST")


def test_names_that_no_database_keeps(shared: TestClient) -> None:
    with nothing_changes(shared):
        for name in ("a\0b", "a\nb", "x" * 201, "\ud800"):
            body = json.dumps({"name": name}).encode()
            answer = shared.patch("/subjects/ada", content=body, headers={"content-type": "application/json"})
            check(answer, 422, "BAD_REQUEST")


def test_addresses_and_methods_that_are_not(shared: TestClient) -> None:
    check(shared.get("/nowhere"), 404, "NOT_FOUND")
    answer = shared.get("/identify")
    check(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "POST"


def test_an_answer_never_repeats_what_was_sent(shared: TestClient) -> None:
    answer = shared.post("/enroll", json={"images": [base64.b64encode(b"secret" * 9).decode()], "name": "Se\0cret"})
    assert "Se" not in answer.json()["detail"]
    assert "secret" not in answer.text.lower().replace("secret" * 9, "")
