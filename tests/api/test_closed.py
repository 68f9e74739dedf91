"""Other people's pages, and addresses that reach for files."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine, photo

KEY = "a-key-of-some-length"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("house") / "data"
    settings = Settings(data_dir=folder, api_key=KEY, threads=1, log_level="error")
    headers = {"X-API-Key": KEY}
    with TestClient(create_app(settings, FakeEngine()), base_url="http://faces.example", headers=headers) as opened:
        yield opened


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_no_other_page_may_read_or_send(client: TestClient, origin: str) -> None:
    ask = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = client.options("/identify", headers=ask)
    assert preflight.status_code == 405
    for answer in (preflight, client.get("/subjects", headers={"Origin": origin})):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/web/base.css", "/nowhere"])
def test_no_other_page_may_frame_ours(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "reach",
    ["../settings.py", "..%2fsettings.py", "%2e%2e/settings.py", "..%5csettings.py", "....//settings.py", "%00"],
)
@pytest.mark.parametrize("base", ["/web", "/swagger", "/subjects", "/collections", "/keys", "/subjects/ada/templates"])
def test_addresses_do_not_reach_files(client: TestClient, base: str, reach: str) -> None:
    answer = client.get(f"{base}/{reach}")
    assert answer.status_code in (404, 405, 422)
    assert "FRONTALIS_" not in answer.text


@pytest.mark.parametrize("name", ["../../../evil.png", "/etc/evil.png", "..\\evil.png", "a\0b.png", "a" * 5000])
def test_file_names_are_nobodys_business(client: TestClient, name: str) -> None:
    house = Path(client.app.state.settings.data_dir).parent  # type: ignore[attr-defined]
    before = {path.name for path in house.rglob("*")}
    made = client.post("/enroll", files={"images": (name, photo(1), "image/png")}, data={"subject_id": "ada"})
    assert made.status_code in (201, 422)
    assert not {path.name for path in house.rglob("*")} - before
    assert not list(Path("/etc").glob("evil*"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.png", "file:///etc/passwd", "//evil.example/a.png"])
def test_no_address_in_a_request_is_ever_asked(client: TestClient, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *told, **_: asked.append(told))
    monkeypatch.setattr(socket.socket, "connect", lambda _, where: asked.append(where))
    for path, field in (("/enroll", "images"), ("/identify", "image"), ("/analyze", "image")):
        body = {field: [url] if field == "images" else url}
        assert client.post(path, json=body).status_code == 422
        assert client.post(path, data=body).status_code in (415, 422)
        assert client.post(path, json={**body, "url": url, f"{field}_url": url}).status_code == 422
    assert not asked


@pytest.mark.parametrize("wrong", ["../ada", "..", ".", "a/b", "a\0b", "a b", "<script>", "a" * 65, "é", ""])
def test_ids_are_plain(client: TestClient, wrong: str) -> None:
    picture = {"images": photo(1)}
    for field in ("subject_id", "collection"):
        if field == "subject_id" and wrong == "":
            continue  # what a form leaves empty is left out
        answer = client.post("/enroll", files=picture, data={field: wrong})
        assert answer.status_code == (201 if wrong == "" else 422), answer.text
    assert client.post("/collections", json={"name": wrong}).status_code == 422
    assert client.get("/subjects", params={"collection": wrong}).status_code == 422
