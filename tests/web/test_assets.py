"""The files of the pages: served whole, typed, self-contained, and asking only for what the API has."""

from __future__ import annotations

import json
import posixpath
import re
from html.parser import HTMLParser
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient

from app import errors
from app.api.problems import MEDIA_TYPE
from app.face.action_units import UNITS
from app.face.align import TEMPLATE
from app.main import PAGES, WEB
from app.service.hints import Hint
from app.service.pictures import COMPONENTS

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())
MODULES = [name for name in FILES if name.endswith(".js")]
TEXTS = {name: (WEB / name).read_text("utf-8") for name in FILES}
OURS = {path: page for path, page in PAGES.items() if page.endswith(".html") and page != "docs.html"}
WORKER = "kiosk-worker.js"
FINDER = "kiosk/near/worker.js"
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


def imports(name: str) -> list[tuple[set[str], str]]:
    """The names that a module imports, and from which file."""
    found = re.findall(r'^import (?:\{([^}]+)\}|\w+) from "([^"]+)"', TEXTS[name], re.MULTILINE)
    return [
        (
            {one.strip() for one in names.split(",") if one.strip()},
            posixpath.normpath(posixpath.join(posixpath.dirname(name), source)),
        )
        for names, source in found
    ]


def modules_of(page: str) -> set[str]:
    """Every module that a page comes to load."""
    loads = [load.removeprefix("/web/") for load in Markup(TEXTS[page]).loads if load.endswith(".js")]
    return {one for load in loads for one in reached_from(load)}


def reached_from(module: str) -> set[str]:
    queue = [module]
    seen: set[str] = set()
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += [source for _, source in imports(name)]
    return seen


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


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_served_and_no_part_of_the_api(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(TYPES["." + PAGES[path].rpartition(".")[2]])
    assert answer.content == (WEB / PAGES[path]).read_bytes()
    assert path not in reader.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_can_be_framed(reader: TestClient, path: str) -> None:
    headers = reader.get(path).headers
    assert headers["x-frame-options"] == "DENY"
    assert policy(headers["content-security-policy"])["frame-ancestors"] == {"'none'"}
    assert headers["permissions-policy"].startswith("camera=(self), microphone=()")


@pytest.mark.parametrize("page", OURS.values())
def test_pages_load_their_own_files_only_and_hold_no_inline_code(page: str) -> None:
    markup = Markup(TEXTS[page])
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
        name: set(re.findall(r"export (?:async )?(?:function\*?|class|const) (\w+)", TEXTS[name])) for name in MODULES
    }
    for name in MODULES:
        for names, source in imports(name):
            assert names <= exported[source], name
    assert set(MODULES) == {WORKER, "docs.js"} | reached_from(FINDER) | set().union(*map(modules_of, OURS.values())), (
        "no module without a page"
    )


@pytest.mark.parametrize("page", OURS.values())
def test_modules_ask_for_ids_that_their_page_has_once(page: str) -> None:
    ids = Markup(TEXTS[page]).ids
    assert len(ids) == len(set(ids))
    for name in modules_of(page):
        text = TEXTS[name]
        asked = set(re.findall(r'byId\("([^"]+)"\)', text))
        for listed in re.findall(r"\[([^\]]+)\]\.map\(byId\)", text):
            asked |= set(re.findall(r'"([^"]+)"', listed))
        # What several pages share may serve something that not all of them have.
        assert asked <= set(ids) or name in {"camera.js", "key.js"}, name


def test_every_address_the_pages_ask_is_in_the_schema(reader: TestClient) -> None:
    paths = reader.get("/openapi.json").json()["paths"]
    asked = [(method, path) for name in MODULES for method, path in CALL.findall(TEXTS[name])]
    asked += [
        ("GET", path) for name in MODULES for path in re.findall(r'(?:stream|download|fetched)\("([^"]+)"', TEXTS[name])
    ]
    assert len(asked) >= 7
    for method, path in asked:
        assert method.lower() in paths[path], path
    for name in set(MODULES) - {"api.js", WORKER}:
        assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon)\b", TEXTS[name]), name


def test_names_never_become_markup_and_little_is_kept_beyond_the_tab() -> None:
    for name in MODULES:
        text = TEXTS[name]
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            name
        )
        assert not re.search(r"localStorage|document\.cookie|history\.", text), name
        # The kiosk keeps its key and sign-ins without a face, and its files: never a picture.
        assert "indexedDB" not in text or name == "kiosk/store.js"
        assert "caches" not in text or name == WORKER
        assert not re.search(r"\blocation\b", text) or name == WORKER
    assert "indexedDB" not in "".join(TEXTS[name] for name in modules_of("index.html"))


def test_both_languages_say_everything() -> None:
    def shape(name: str) -> dict[str, str]:
        """Of each entry: is it text, two lines, or a function of one value."""
        entries = re.findall(
            r"^  (\w+): (\(\w+\) => \[|\(\w+\) => |\[|\")", TEXTS[f"kiosk/words-{name}.js"], re.MULTILINE
        )
        return {key: re.sub(r"\w+", "x", kind).replace("`", '"') for key, kind in entries}

    assert len(shape("en")) > 80
    assert shape("en") == shape("zh")


def _table(name: str, text: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+): "(\w+)"', text.partition(f"const {name} = {{")[2].partition("};")[0]))


def _family(error: type[errors.FrontalisError]) -> set[str]:
    return {error.code}.union(*map(_family, error.__subclasses__()))


def test_the_kiosk_has_words_for_every_code_it_can_meet(reader: TestClient) -> None:
    operations = [one for path in reader.get("/openapi.json").json()["paths"].values() for one in path.values()]
    asked = [one for one in operations if "kiosk" in one["x-scopes"]]
    assert len(asked) >= 6
    answers = [
        content
        for one in asked
        for answer in one["responses"].values()
        for content in answer.get("content", {}).items()
    ]
    met = {code for kind, content in answers if kind == MEDIA_TYPE for code in content["examples"]}
    # Of single pictures, before any route, and of what may fail everywhere.
    for family in (errors.FaceError, errors.PictureError, errors.Unauthorized, errors.SealError, errors.WeightsError):
        met |= _family(family)
    met |= {one.code for one in (errors.ForeignOrigin, errors.TooSlow, errors.FrontalisError)}

    outcomes = TEXTS["kiosk/outcome.js"]
    refusals, hints, components = (_table(name, outcomes) for name in ("REFUSALS", "HINTS", "COMPONENTS"))
    assert met <= set(refusals), met - set(refusals)
    assert set(get_args(Hint)) == set(hints)
    assert set(COMPONENTS) == set(components)
    for language in ("en", "zh"):
        lines = set(re.findall(r"^  (\w+): (?:\(name\) => )?\[", TEXTS[f"kiosk/words-{language}.js"], re.MULTILINE))
        assert {*refusals.values(), *hints.values(), *components.values()} <= lines


def test_the_page_names_the_movements_that_the_server_answers() -> None:
    table = TEXTS["traits.js"].partition("export const UNITS = {")[2].partition("};")[0]
    assert dict(re.findall(r'(\w+): "([^"]+)"', table)) == {unit.name: unit.title for unit in UNITS}


def test_the_heat_map_lies_where_the_crop_was_cut() -> None:
    points = re.search(r"POINTS = (\[\[.+\]\]);", TEXTS["heat.js"])
    assert points is not None
    assert json.loads(points[1]) == TEMPLATE.tolist()


def test_a_score_is_never_called_a_probability() -> None:
    for name in FILES:
        text = (WEB / name).read_text("utf-8").lower()
        assert not re.search(r"probab|likelihood|confidence|% match|certainty", text), name
