"""The kiosk with the real engine, and a made-up camera that shows photographs of real people.

One visitor is followed. How many of many people are known from the side is measured elsewhere: `frontalis bench
door`, tests/test_photographs.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings
from tests.web.conftest import CHROMIUM, FLAGS, ROUTED, served
from tests.web.film import Film, close_up, photograph, printed, turns, visitor
from tests.web.kiosk_page import touch, unexpected, until, visits

pytestmark = [
    pytest.mark.photos,
    pytest.mark.slow,
    # OpenVINO still converts torch modules by tracing.
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]


VISITOR, STRANGER = "subjects/cfp-056", "strangers/cfp-009"
SHOWN = "subjects/cfp-082"  # somebody whose photograph fills the view as a person does who stands there
TURNED = "frontal-03.jpg"  # 16 degrees to their left; its mirror image stands for the other side
ASKS = "--use-fake-ui-for-media-stream"  # the flag that answers yes for the visitor


@pytest.fixture(scope="module")
def service(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real one."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("door"), threads=1, log_level="error")
    with served(create_app(settings)) as address:
        yield address


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return Film(tmp_path_factory.mktemp("camera") / "scenes.mjpeg")


@pytest.fixture(scope="module")
def browser(chromium: Any, film: Film) -> Iterator[Any]:
    opened = _launched(chromium, film, FLAGS)
    yield opened
    opened.close()


def _launched(chromium: Any, film: Film, flags: list[str]) -> Any:
    return chromium.launch(executable_path=CHROMIUM, args=[*flags, f"--use-file-for-fake-video-capture={film.path}"])


def _kiosk(browser: Any, address: str) -> tuple[Any, list[str]]:
    """A page of its own context, and what went wrong in it."""
    context = browser.new_context(base_url=address, viewport={"width": 1180, "height": 820}, locale="en-GB", **ROUTED)
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if unexpected(told) else None)
    return page, wrong


@pytest.fixture
def page(browser: Any, service: str) -> Iterator[Any]:
    page, wrong = _kiosk(browser, service)
    yield page
    page.context.close()
    assert wrong == []


def _sign_in(page: Any) -> None:
    page.goto("/kiosk")
    until(page, "waiting")
    touch(page)


@pytest.fixture(scope="module")
def registered(browser: Any, service: str, film: Film, photos: Path) -> str:
    """The visitor registers by themselves, from frontal pictures; answers their id."""
    page, wrong = _kiosk(browser, service)
    page.request.post("/consent/texts", data={"texts": {"en": "We measure faces."}})
    for other in sorted((photos / "subjects").iterdir())[-3:]:  # somebody to be mistaken for
        files = {"name": other.name, "images": other / "frontal-01.jpg"}
        assert page.request.post("/enroll", multipart=files).status == 201
    front, turned = (photograph(photos / VISITOR / name) for name in ("frontal-01.jpg", TURNED))
    mirrored = photograph(photos / VISITOR / TURNED, mirrored=True)
    film.show(*turns(front, turned, mirrored), seconds=4)
    page.goto("/kiosk")
    page.get_by_role("button", name="Register").click()
    page.get_by_role("button", name="I agree").click()
    page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    page.get_by_role("button", name="Next").click()
    until(page, "registered")
    (visit,) = visits(page)
    subject: str = visit["subject_id"]
    yaws = [one["pose"]["yaw"] for one in page.request.get(f"/subjects/{subject}").json()["templates"]]
    assert len(yaws) == 3
    assert max(map(abs, yaws)) < 30, "nothing from the side"
    page.context.close()
    assert wrong == []
    return subject


def test_who_registered_from_the_front_is_greeted_in_profile(
    page: Any, registered: str, film: Film, photos: Path
) -> None:
    page.request.post("/visits", data={"method": "staff", "subject_id": registered, "direction": "out"})
    for name in ("profile-01.jpg", "profile-02.jpg"):
        film.show(visitor(photograph(photos / VISITOR / name)))
        _sign_in(page)
        until(page, "welcome", "already")
        assert "Ada Lovelace" in page.locator("#headline").inner_text(), name
        page.goto("about:blank")
    assert {visit["subject_id"] for visit in visits(page)} == {registered}


def test_a_stranger_is_not_greeted(page: Any, registered: str, film: Film, photos: Path) -> None:
    before = len(visits(page))
    film.show(visitor(photograph(photos / STRANGER / "frontal-01.jpg")))
    _sign_in(page)
    until(page, "unknown")
    assert len(visits(page)) == before


@pytest.mark.parametrize("arrived", [True, False])
def test_a_network_that_goes_in_mid_sign_in_loses_and_doubles_nothing(
    page: Any, registered: str, film: Film, photos: Path, arrived: bool
) -> None:
    """``arrived``: the service takes the first request, and its answer is lost."""
    page.request.post("/visits", data={"method": "staff", "subject_id": registered, "direction": "out"})
    page.request.patch("/collections/default", data={"door": {"reentry_seconds": 0}})
    before = len(visits(page))
    film.show(visitor(photograph(photos / VISITOR / "frontal-02.jpg")))
    sent: list[str] = []

    def lose_answers(route: Any) -> None:
        sent.append(route.request.headers["idempotency-key"])
        if len(sent) == 1 and arrived:
            route.fetch()
        if len(sent) < 3:
            route.abort()
        else:
            route.continue_()

    page.route("**/visits", lose_answers)
    _sign_in(page)
    until(page, "welcome")
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert len(visits(page)) == before + 1
    page.request.patch("/collections/default", data={"door": {"reentry_seconds": 300}})


def test_a_camera_that_is_refused_leaves_the_other_ways(
    chromium: Any, service: str, registered: str, film: Film, photos: Path
) -> None:
    """By the browser itself: nobody says yes."""
    film.show(visitor(photograph(photos / VISITOR / "frontal-02.jpg")))
    refusing = _launched(chromium, film, [flag for flag in FLAGS if flag != ASKS])
    page, wrong = _kiosk(refusing, service)
    code = page.request.post(f"/subjects/{registered}/codes", data={}).json()["code"]
    page.goto("/kiosk")
    until(page, "refused")
    page.get_by_role("button", name="Use a code").click()
    page.get_by_label("Your code or visitor id").fill(code)
    page.keyboard.press("Enter")
    until(page, "welcome", "already")
    refusing.close()
    assert wrong == []


def test_a_print_is_refused_where_a_model_tells_it(browser: Any, film: Film, photos: Path, tmp_path: Path) -> None:
    """One photograph, on a sheet and as near as a visitor stands. The model tells many prints, and not all."""
    model = os.environ.get("FRONTALIS_PRESENTATION_MODEL")
    if not model:
        pytest.skip("no presentation-attack model: set FRONTALIS_PRESENTATION_MODEL")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    settings = Settings(
        data_dir=tmp_path, threads=1, log_level="error", presentation="refuse", presentation_model=Path(model)
    )
    shown = photograph(photos / SHOWN / "frontal-01.jpg")
    with served(create_app(settings)) as address:
        page, wrong = _kiosk(browser, address)
        files = {"name": "Ada", "images": photos / SHOWN / "frontal-02.jpg"}
        assert page.request.post("/enroll", multipart=files).status == 201
        film.show(printed(shown))
        _sign_in(page)
        until(page, "notReal")
        assert visits(page) == []
        page.goto("about:blank")
        film.show(close_up(shown))
        _sign_in(page)
        until(page, "welcome")
        page.context.close()
    assert wrong == []
