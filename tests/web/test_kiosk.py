"""The kiosk in a real browser, with a made-up camera and an engine that is told who stands in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from tests.doubles import photo
from tests.web.conftest import ROUTED, served
from tests.web.kiosk_page import looks_on, overhears, said, touch, unexpected, until, uploads, visits
from tests.web.made_up_camera import SCENE, made_up_camera
from tests.web.stage import Stage

pytestmark = pytest.mark.slow


HOSTILE = "<img src=x onerror=alert(1)> Ada"


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def app(tmp_path: Path, stage: Stage) -> FastAPI:
    settings = Settings(data_dir=tmp_path, threads=2, log_level="error", address_rate_limit=100_000)
    made = create_app(settings, stage)
    # The camera asks who is on stage.
    made.add_api_route(SCENE, lambda: [near for _, near, _ in stage.people], include_in_schema=False)
    return made


@pytest.fixture(scope="module")
def camera() -> str:
    return made_up_camera()


@pytest.fixture
def context(browser: Any, address: str) -> Iterator[Any]:
    opened = browser.new_context(base_url=address, viewport={"width": 1180, "height": 820}, locale="en-GB", **ROUTED)
    opened.set_default_timeout(20_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: Any, camera: str) -> Iterator[Any]:
    wrong: list[str] = []
    page = context.new_page()
    page.add_init_script(camera)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if unexpected(told) else None)
    yield page
    page.close()
    assert wrong == []


def enrol(page: Any, person: int, name: str) -> str:
    """A subject of that face; answers its id."""
    files = {"name": name, "images": {"name": "a.png", "mimeType": "image/png", "buffer": photo(person)}}
    answer = page.request.post("/enroll", multipart=files)
    assert answer.status == 201, answer.text()
    subject: str = answer.json()["subject_id"]
    return subject


def test_a_visitor_is_guided_greeted_and_seen_out(page: Any, stage: Stage) -> None:
    enrol(page, 3, HOSTILE)
    page.goto("/kiosk")
    until(page, "waiting")
    assert visits(page, decision="any") == [], "nobody asked yet"
    stage.enter(3, near=0.1)
    touch(page)
    page.get_by_role("heading", name="Come closer").wait_for()
    assert visits(page, decision="any") == [], "not near enough to be looked for"
    overhears(page, "#several")
    stage.enter(3, 9)
    until(page, "welcome")
    assert "Several people in view" in said(page)
    assert page.locator("#headline").inner_text() == f"Welcome, {HOSTILE}"
    assert page.locator("main img").count() == 0
    (visit,) = visits(page)
    assert (visit["name"], visit["frames"], visit["method"]) == (HOSTILE, 3, "face")

    page.get_by_role("button", name="Done").click()
    until(page, "waiting")
    touch(page)
    until(page, "already")
    page.get_by_role("button", name="Sign out", exact=True).click()
    until(page, "waiting")
    page.get_by_role("button", name="Sign out with my face").click()
    until(page, "goodbye")
    assert visits(page)[0]["checked_out_at"]


def test_a_badge_or_a_typed_id_is_compared_with_that_one_person(page: Any, stage: Stage) -> None:
    subject = enrol(page, 3, HOSTILE)
    rules = {"trigger": "badge", "methods": ["verify", "staff"]}
    page.request.patch("/collections/default", data={"door": rules})
    stage.enter(3)
    page.goto("/kiosk")
    until(page, "waiting")
    field = page.get_by_label("Your code or visitor id")
    field.fill("nobody-1")
    page.keyboard.press("Enter")
    until(page, "codeUnknown")
    assert visits(page, decision="any") == []
    page.get_by_role("button", name="Try again").click()
    until(page, "waiting")
    field.fill(subject)
    page.keyboard.press("Enter")
    until(page, "welcome")
    (visit,) = visits(page)
    assert (visit["method"], visit["subject_id"]) == ("verify", subject)

    page.get_by_role("button", name="Done").click()
    until(page, "waiting")
    stage.enter(9)
    field.fill(subject)
    page.keyboard.press("Enter")
    until(page, "notYou")
    assert "do not belong together" in page.locator("#hint").inner_text()
    assert len(visits(page)) == 1


def test_a_code_at_a_door_that_also_compares_faces(page: Any, stage: Stage) -> None:
    subject = enrol(page, 3, "Ada")
    page.request.patch("/collections/default", data={"door": {"methods": ["face", "verify", "staff"]}})
    stage.enter(3)
    page.goto("/kiosk")
    page.get_by_role("button", name="Use a code").click()
    page.get_by_text("we compare you with this one person only").wait_for()
    page.get_by_label("Your code or visitor id").fill(subject)
    page.keyboard.press("Enter")
    until(page, "welcome")
    assert visits(page)[0]["method"] == "verify"


def test_an_automatic_door_greets_whoever_comes_near_and_each_once(page: Any, stage: Stage) -> None:
    enrol(page, 3, "Ada")
    page.request.patch("/collections/default", data={"door": {"trigger": "auto", "reentry_seconds": 0}})
    page.goto("/kiosk")
    until(page, "waiting")
    stage.enter(3)
    until(page, "welcome")
    page.get_by_role("button", name="Done").click()
    until(page, "waiting")
    sent = uploads(page)
    looks_on(page, 2)  # they stay where they are, and are seen
    assert sent == []
    assert len(visits(page)) == 1

    stage.enter()
    looks_on(page, 3)  # gone for longer than the door needs to believe it
    stage.enter(3)
    until(page, "welcome")
    assert len(visits(page)) == 2


def test_a_visitor_registers_by_themselves(page: Any, stage: Stage) -> None:
    rules = {"fields": [{"name": "company", "label": "Company <b>", "kind": "text", "required": True}]}
    page.request.patch("/collections/default", data={"door": rules})
    page.request.post("/consent/texts", data={"texts": {"en": "We measure <i>faces</i>.\n\nYou may refuse."}})
    stage.enter(5)
    page.goto("/kiosk")
    page.get_by_role("button", name="Register").click()
    page.get_by_text("We measure <i>faces</i>.").wait_for()
    page.get_by_role("button", name="I agree").click()
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_role("button", name="Next").click()
    page.get_by_text("Please fill this in.").wait_for()
    page.get_by_label("Company <b>").fill("Analytical Engines")
    page.get_by_role("button", name="Next").click()
    for turn, yaw, done in (("front", 0, 1), ("left", 20, 2), ("right", -20, 3)):
        page.wait_for_function("turn => document.body.dataset.turn === turn", arg=turn)
        stage.enter(5, yaw=yaw)
        if done < 3:
            page.locator("#body [data-state=done]").nth(done - 1).wait_for()
    until(page, "registered")
    assert page.locator("#headline").inner_text() == f"Thank you, {HOSTILE}"
    (visit,) = visits(page)
    subject = page.request.get(f"/subjects/{visit['subject_id']}").json()
    assert (subject["name"], subject["metadata"]) == (HOSTILE, {"company": "Analytical Engines"})
    assert len(subject["templates"]) == 3
    (consent,) = page.request.get(f"/subjects/{visit['subject_id']}/consent").json()["consents"]
    assert (consent["version"], consent["how"]) == (1, "kiosk")

    page.get_by_role("button", name="Done").click()
    until(page, "waiting")
    touch(page)
    until(page, "already")


def test_a_stranger_is_told_what_else_there_is(page: Any, stage: Stage) -> None:
    enrol(page, 3, "Ada")
    stage.enter(11)
    page.goto("/kiosk")
    until(page, "waiting")
    touch(page)
    until(page, "unknown")
    assert visits(page) == []
    assert page.get_by_role("button", name="Use a code").is_visible()
    page.get_by_role("button", name="Ask staff").click()
    until(page, "staff")


REFUSED = [
    ({"code": "LOW_QUALITY", "status": 422, "component": "brightness"}, "tooDark", "It is too dark"),
    ({"code": "RATE_LIMITED", "status": 429}, "busy", "Just a moment"),
    ({"code": "PRESENTATION_ATTACK", "status": 422}, "notReal", "Please ask staff"),
    ({"code": "GALLERY_UNAVAILABLE", "status": 503}, "notReady", "Not ready for faces"),
]


@pytest.mark.parametrize(("problem", "state", "said"), REFUSED, ids=[one[1] for one in REFUSED])
def test_refusals_have_words_of_their_own(
    page: Any, stage: Stage, problem: dict[str, Any], state: str, said: str
) -> None:
    stage.enter(3)
    page.route("**/visits", lambda route: route.fulfill(status=problem["status"], json={"title": "No", **problem}))
    page.goto("/kiosk")
    until(page, "waiting")
    touch(page)
    until(page, state)
    assert page.locator("#headline").inner_text() == said


def test_who_registers_with_a_covered_face_is_told_and_pictures_are_taken_again(page: Any, stage: Stage) -> None:
    page.request.post("/consent/texts", data={"texts": {"en": "We measure faces."}})
    rejected = [{"index": 0, "code": "OCCLUDED", "reason": "Covered", "hint": "try_again"}]
    problem = {"title": "No", "code": "ALL_REJECTED", "rejected": rejected}
    page.route("**/registrations", lambda route: route.fulfill(status=422, json=problem))
    stage.enter(5)
    page.goto("/kiosk")
    page.get_by_role("button", name="Register").click()
    page.get_by_role("button", name="I agree").click()
    page.get_by_label("Name", exact=True).fill("Ada")
    page.get_by_role("button", name="Next").click()
    for turn, yaw in (("front", 0), ("left", 20), ("right", -20)):
        page.wait_for_function("turn => document.body.dataset.turn === turn", arg=turn)
        stage.enter(5, yaw=yaw)
    until(page, "covered")
    page.get_by_text("Take off mask").wait_for()
    page.get_by_role("button", name="Try again").click()
    until(page, "photos")


def test_without_a_camera_a_code_signs_in(context: Any, page: Any) -> None:
    """Nobody has to show their face: refused by the visitor, or by the browser."""
    subject = enrol(page, 3, "Ada")
    code = page.request.post(f"/subjects/{subject}/codes", data={}).json()["code"]
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    page.goto("/kiosk")
    until(page, "refused")
    page.get_by_role("button", name="Use a code").click()
    page.get_by_label("Your code or visitor id").fill("not a code")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("Check it").wait_for()
    page.get_by_label("Your code or visitor id").fill(code)
    page.keyboard.press("Enter")
    until(page, "welcome")
    assert [one["method"] for one in visits(page)] == ["code"]


def test_nothing_is_lost_or_double_when_the_network_goes(context: Any, page: Any, stage: Stage) -> None:
    subject = enrol(page, 3, "Ada")
    code = page.request.post(f"/subjects/{subject}/codes", data={}).json()["code"]
    page.goto("/kiosk")
    until(page, "waiting")
    # The service takes the sign-in, but the answer gets lost: the same is sent again.
    seen: list[str] = []

    def lose_the_first(route: Any) -> None:
        seen.append(route.request.headers["idempotency-key"])
        if len(seen) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/visits", lose_the_first)
    stage.enter(3)
    touch(page)
    until(page, "welcome")
    assert len(seen) == 2
    assert len(set(seen)) == 1
    assert len(visits(page)) == 1
    page.unroute("**/visits")

    # Out with the network gone: kept, and sent once it is back.
    page.get_by_role("button", name="Sign out", exact=True).click()
    context.set_offline(True)
    page.get_by_role("button", name="Use a code").click()
    page.get_by_label("Your code or visitor id").fill(code)
    page.keyboard.press("Enter")
    until(page, "kept")
    page.locator("#link").get_by_text("1 to send").wait_for()
    assert visits(page, open="true")
    context.set_offline(False)
    page.locator("#link[data-state=ready]").get_by_text("Connected", exact=True).wait_for()
    assert len(visits(page)) == 1
    assert visits(page, open="true") == []


def test_a_kiosk_that_is_started_without_the_network_takes_codes(browser: Any, app: FastAPI, camera: str) -> None:
    """The page's own files are kept in the browser; what finds faces is not."""
    context = browser.new_context(viewport={"width": 1180, "height": 820}, locale="en-GB")
    page = context.new_page()
    page.add_init_script(camera)
    with served(app) as address:
        page.goto(f"{address}/kiosk")
        page.evaluate("navigator.serviceWorker.ready")
        page.wait_for_function("navigator.serviceWorker.controller !== null")
        page.reload()  # now through the worker, which keeps what it sees
        until(page, "waiting")
    page.reload()
    until(page, "waiting")
    sent = uploads(page)
    touch(page)
    until(page, "offline")
    assert sent == []
    page.get_by_role("button", name="Use a code").click()
    page.get_by_label("Your code or visitor id").fill("ABCD1234")
    page.keyboard.press("Enter")
    until(page, "kept")
    page.locator("#link").get_by_text("1 to send").wait_for()
    context.close()


def test_the_kiosk_speaks_chinese_and_works_by_keyboard(page: Any, stage: Stage) -> None:
    enrol(page, 3, "Ada")
    stage.enter(3)
    page.goto("/kiosk")
    until(page, "waiting")
    page.get_by_role("button", name="中文").click()
    page.get_by_role("heading", name="欢迎光临").wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("button", name="刷脸签到").focus()
    page.keyboard.press("Enter")
    until(page, "welcome")
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    page.reload()
    page.get_by_role("heading", name="欢迎光临").wait_for()


@pytest.mark.parametrize(("width", "height"), [(1180, 820), (820, 1180), (390, 844)])
def test_the_kiosk_fits_its_screen(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/kiosk")
    until(page, "waiting")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => b.offsetParent && b.offsetHeight < 44).map(b => b.id)"
    )
    assert small == [], "too small for a finger"
