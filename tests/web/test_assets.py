"""The files of the page: served whole, typed, self-contained, and asking only for what the API has."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import WEB

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())
MODULES = [WEB / name for name in FILES if name.endswith(".js")]
CALL = re.compile(r'call\("([A-Z]+)", "([^"]+)"')


class Markup(HTMLParser):
    """What a page loads, what it names, and what a strict policy would refuse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._script = tag in {"script", "style"}
        if tag in {"script", "img", "video"} and "src" in given:
            self.loads.append(given["src"])
        if tag == "link":
            self.loads.append(given["href"])
        if "id" in given:
            self.ids.append(given["id"])
        self.inline += [name for name in given if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._script = False


@pytest.fixture(scope="module")
def markup() -> Markup:
    return Markup((WEB / "index.html").read_text("utf-8"))


def _policy_of(answer: Any) -> dict[str, set[str]]:
    return policy(answer.headers["content-security-policy"])


def policy(header: str) -> dict[str, set[str]]:
    parts = [part.split() for part in header.split(";") if part.strip()]
    return {name: set(sources) for name, *sources in parts}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_with_its_type_under_the_strict_policy(reader: TestClient, name: str) -> None:
    answer = reader.get(f"/web/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == TYPES["." + name.rpartition(".")[2]]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == (WEB / name).read_bytes()
    rules = policy(answer.headers["content-security-policy"])
    assert rules["default-src"] == {"'self'"}
    assert all(sources <= {"'self'", "'none'", "blob:", "data:"} for sources in rules.values())
    assert not {"script-src", "style-src", "connect-src"} & rules.keys()


def test_the_root_is_the_page_and_no_part_of_the_api(reader: TestClient) -> None:
    answer = reader.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.content == (WEB / "index.html").read_bytes()
    assert not [path for path in reader.get("/openapi.json").json()["paths"] if path == "/" or path.startswith("/web")]


def test_the_page_loads_its_own_files_only_and_holds_no_inline_code(markup: Markup) -> None:
    assert markup.inline == []
    assert {load.removeprefix("/web/") for load in markup.loads} <= set(FILES)


def test_the_documentation_needs_this_server_only(reader: TestClient) -> None:
    answer = reader.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    page = Markup(answer.text)
    assert page.inline == []
    assert {load.rpartition("/")[2] for load in page.loads} >= {"swagger-ui.css", "swagger-ui-bundle.js", "docs.js"}
    for load in page.loads:
        assert re.match("/[^/]", load), "only this origin"
        answer = reader.get(load)
        assert (answer.status_code, bool(answer.content)) == (200, True), load
        assert all(sources <= {"'self'", "'none'", "blob:", "data:"} for sources in _policy_of(answer).values())


def test_files_name_no_address_beyond_this_server() -> None:
    for name in FILES:
        found = re.findall(r"https?://[^\s\"'`)<>]*", (WEB / name).read_text("utf-8"))
        assert set(found) <= {"http://www.w3.org/2000/svg", "https://"}, name


def test_modules_import_files_and_names_that_exist() -> None:
    exported = {
        path.name: set(re.findall(r"export (?:async )?(?:function|class|const) (\w+)", path.read_text("utf-8")))
        for path in MODULES
    }
    for path in MODULES:
        for names, source in re.findall(r'import \{([^}]+)\} from "\./([^"]+)"', path.read_text("utf-8")):
            assert {name.strip() for name in names.split(",")} <= exported[source], path.name


def test_modules_ask_for_ids_that_the_page_has_once(markup: Markup) -> None:
    assert len(markup.ids) == len(set(markup.ids))
    for path in MODULES:
        assert set(re.findall(r'byId\("([^"]+)"\)', path.read_text("utf-8"))) <= set(markup.ids), path.name


def test_every_address_the_page_asks_is_in_the_schema(reader: TestClient) -> None:
    paths = reader.get("/openapi.json").json()["paths"]
    asked = [(method, path) for module in MODULES for method, path in CALL.findall(module.read_text("utf-8"))]
    assert len(asked) >= 7
    for method, path in asked:
        assert method.lower() in paths[path], path
    for module in MODULES:
        text = module.read_text("utf-8")
        assert module.name == "api.js" or not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon)\b", text)


def test_names_never_become_markup_and_nothing_is_kept_beyond_the_tab() -> None:
    for path in MODULES:
        text = path.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)
        assert not re.search(r"localStorage|indexedDB|document\.cookie|history\.|location\b", text)


def test_a_score_is_never_called_a_probability() -> None:
    for name in FILES:
        text = (WEB / name).read_text("utf-8").lower()
        assert not re.search(r"probab|likelihood|confidence|% match|certainty", text), name
