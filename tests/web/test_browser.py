"""The page in a real browser: enrol, identify, verify, delete, and what is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.doubles import encode, photo, picture

pytestmark = pytest.mark.slow


HOSTILE = "<img src=x onerror=alert(1)> Ada"
MATCH_COLOUR = (0x35, 0xD6, 0x92)
SIDE = 96
NOBODY = encode(np.zeros((SIDE, SIDE, 3), np.uint8))


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page at the size of a desktop; fails on any error of its own and on any request to elsewhere."""
    wrong: list[str] = []
    page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if _unexpected(told) else None)
    page.on("request", lambda asked: None if _own(asked.url, address) else wrong.append(asked.url))
    page.goto("/")
    yield page
    page.close()
    assert wrong == []


def _unexpected(told: Any) -> bool:
    # Chromium reports every 4xx as an error, and refusals are part of the test.
    return told.type in {"error", "warning"} and not re.search("status of (401|422)", told.text)


def _own(url: str, address: str) -> bool:
    return url.startswith((f"{address}/", "blob:", "data:"))


def _file(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def _enrol(page: Any, name: str, *pictures: bytes) -> None:
    page.get_by_role("tab", name="Enrol").click()
    page.get_by_label("Name").fill(name)
    files = [_file(f"{place}.png", data) for place, data in enumerate(pictures)]
    page.locator("#enrol input[type=file]").set_input_files(files)
    page.locator("#enrol-queue li").nth(len(files) - 1).wait_for()
    page.get_by_role("button", name="Enrol", exact=True).click()


def _pixels(page: Any, points: list[tuple[float, float]], width: int) -> list[list[int]]:
    """The colours drawn at ``points`` of a picture that is ``width`` pixels wide."""
    script = """(canvas, [points, width]) => {
        const scale = canvas.width / width;
        const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const at = ([x, y]) => 4 * (Math.floor(y * scale) * canvas.width + Math.floor(x * scale));
        return points.map(point => [...all.slice(at(point), at(point) + 3)]);
    }"""
    found: list[list[int]] = page.locator("#identify-results .shot canvas").evaluate(script, [points, width])
    return found


def test_a_newcomer_enrols_identifies_verifies_and_deletes(page: Any) -> None:
    assert page.get_by_role("tab", name="Enrol").get_attribute("aria-selected") == "true"

    _enrol(page, HOSTILE, photo(1), photo(1, spread=20), NOBODY)
    page.get_by_text("is enrolled").wait_for()
    assert page.locator("[data-outcome=accepted]").count() == 2
    rejected = page.locator("[data-outcome=rejected]")
    assert "No face was found" in rejected.inner_text()
    assert "brighter picture" in rejected.inner_text()
    assert page.locator("#enrol-said").inner_text().startswith(HOSTILE)

    _enrol(page, "Grace", photo(5))
    page.get_by_text("Grace is enrolled").wait_for()
    page.get_by_role("button", name="Now identify someone").click()

    seen = picture(1, 9)
    page.locator("#identify input[type=file]").set_input_files(_file("both.png", encode(seen)))
    cards = page.locator("#identify-results article.face")
    cards.nth(1).wait_for()
    assert sorted(cards.nth(at).get_attribute("data-decision") for at in range(2)) == ["match", "no_match"]
    matched = page.locator("article.face[data-decision=match]")
    assert matched.get_by_role("heading", level=3).inner_text() == f"1 {HOSTILE}"
    assert matched.locator(".badge").inner_text() == "Match"
    scores = [float(text.split(",")[0]) for text in matched.locator(".number").all_inner_texts()]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    _bars_agree_with_scores(matched, scores)
    assert "yaw 0°" in matched.locator(".dial").get_attribute("aria-label")
    assert page.locator("#identify-results").get_by_text("detect 1.0 ms").count() == 1

    drawn = page.locator("#identify-results .shot canvas")
    assert HOSTILE in drawn.get_attribute("aria-label")
    height, width = seen.shape[:2]
    left = 16  # where the first square of the picture begins, so where its box is drawn
    edge, inside = _pixels(page, [(left, height * 0.7), (left + SIDE * 0.5, height * 0.7)], width)
    assert edge == pytest.approx(MATCH_COLOUR, abs=40)
    assert inside == pytest.approx(seen[70, left + 48].tolist(), abs=6)

    page.get_by_role("tab", name="Verify").click()
    for place, person in (("#verify-a", 1), ("#verify-b", 9)):
        page.locator(f"{place} input[type=file]").set_input_files(_file("one.png", photo(person)))
    page.locator(".verdict[data-decision=no_match]").wait_for()

    page.get_by_role("tab", name="Subjects").click()
    page.get_by_role("button", name=f"Delete {HOSTILE}").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    page.locator("#subjects-list li").get_by_text("Grace").wait_for()
    page.get_by_text("1 subject, 1 template").wait_for()
    assert page.locator("#subjects-list li").count() == 1

    assert page.locator("main img").count() == 0
    assert page.evaluate("location.pathname + location.search + location.hash") == "/"
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_what_hides_a_face_is_drawn_told_and_costs_it(page: Any) -> None:
    _enrol(page, "Ada", photo(1))
    page.get_by_text("Ada is enrolled").wait_for()
    _enrol(page, "Grace", photo(5, covered=0.4))
    page.locator("[data-outcome=rejected]").get_by_text("take off mask, scarf or sunglasses").wait_for()

    page.get_by_role("tab", name="Identify").click()
    seen = picture(1, covered=0.4)
    page.locator("#identify input[type=file]").set_input_files(_file("covered.png", encode(seen)))
    card = page.locator("#identify-results article.face")
    told = card.locator("[data-trait=occlusion]")
    told.get_by_text("40 % of the face is covered").wait_for()
    assert "A face mask is worn" in told.inner_text()
    assert "stricter than for a bare face" in card.inner_text()
    heated, outside = _pixels(page, [(16 + 0.5 * SIDE, 0.7 * SIDE), (4, 4)], seen.shape[1])
    plain = seen[round(0.7 * SIDE), 16 + SIDE // 2].astype(int)
    assert np.abs(plain - heated).max() > 12, "a tint well beyond what drawing itself changes"
    assert outside == pytest.approx([0, 0, 0], abs=6)

    page.get_by_label("What covers it").uncheck()
    page.locator("#identify-results [data-trait=occlusion]").wait_for(state="detached")
    card.wait_for()  # asked again about the same picture
    assert told.count() == 0
    # This engine has no other estimator, so no other is offered.
    assert page.locator("#identify-asked input").count() == 1


def test_an_old_picture_is_named(page: Any) -> None:
    page.get_by_label("Taken on").fill("2009-05-01")
    _enrol(page, "Ada", photo(1))
    page.get_by_text("Ada is enrolled").wait_for()
    page.get_by_role("tab", name="Identify").click()
    page.locator("#identify input[type=file]").set_input_files(_file("now.png", photo(1)))
    page.locator("article.face").get_by_text("An old picture").wait_for()
    assert "2009" in page.locator("article.face .note").inner_text()


def _bars_agree_with_scores(card: Any, scores: list[float]) -> None:
    """A bar reaches the threshold line exactly when its score does."""
    reach, line = card.evaluate("""card => {
        const at = parseFloat(getComputedStyle(card.querySelector(".bar")).getPropertyValue("--at"));
        const wide = node => node.getBoundingClientRect().width;
        return [[...card.querySelectorAll(".bar")].map(bar => 100 * wide(bar.firstChild) / wide(bar)), at];
    }""")
    threshold = float(card.locator(".axis b").inner_text().split()[1])
    assert [width >= line for width in reach] == [score >= threshold for score in scores]


def test_refusals_are_told_and_the_webcam_gives_a_picture(page: Any) -> None:
    _enrol(page, "Nobody", NOBODY)
    page.locator("#enrol-said .note.bad").get_by_text("nothing was written").first.wait_for()
    assert page.locator("[data-outcome=rejected]").count() == 1

    page.get_by_role("tab", name="Identify").click()
    dropped = page.evaluate_handle(
        """bytes => {
            const carried = new DataTransfer();
            carried.items.add(new File([new Uint8Array(bytes)], "none.png", { type: "image/png" }));
            return carried;
        }""",
        list(NOBODY),
    )
    page.locator("#identify .drop").dispatch_event("drop", {"dataTransfer": dropped})
    page.locator("#identify-said [role=alert]").get_by_text("No face was found").wait_for()

    page.get_by_role("tab", name="Enrol").click()
    page.locator("#enrol").get_by_role("button", name="Use the webcam").click()
    page.get_by_role("button", name="Take it").click()
    page.locator("#enrol-queue").get_by_label("webcam.jpg", exact=True).wait_for()
    assert page.locator("#camera-view").evaluate("view => view.srcObject") is None


@pytest.mark.parametrize("key", ["a key of more than sixteen"])
def test_a_key_is_asked_for_and_stays_in_the_tab(page: Any, key: str) -> None:
    dialog = page.locator("#key")
    dialog.get_by_label("Key").fill("not the key at all")
    dialog.get_by_role("button", name="Use it").click()
    page.locator("#state").get_by_text("The key is missing or wrong").wait_for()
    page.get_by_role("button", name="API key").click()
    dialog.get_by_label("Key").fill(key)
    dialog.get_by_role("button", name="Use it").click()
    page.get_by_text("0 subjects, 0 templates").wait_for()
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
    assert key not in page.content()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (320, 640)])
def test_no_panel_is_wider_than_the_screen_and_tabs_work_by_keyboard(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.get_by_role("tab", name="Enrol").focus()
    for name in ("Identify", "Verify", "Subjects", "Enrol"):
        page.keyboard.press("ArrowRight")
        assert page.get_by_role("tab", name=name).get_attribute("aria-selected") == "true"
        assert page.get_by_role("tabpanel", name=name).is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_documentation_shows_every_request_and_sends_one(page: Any) -> None:
    page.goto("/docs")
    page.locator(".opblock").filter(has_text="/healthz").locator(".opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status").get_by_text("200").wait_for()
    assert page.locator(".opblock").count() >= 15
