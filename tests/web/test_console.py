"""The operator's console in a real browser, tab by tab, and the live board beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from app.api.routers import board
from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine, encode, photo
from tests.web.kiosk_page import unexpected

pytestmark = pytest.mark.slow


HOSTILE = "<img src=x onerror=alert(1)> Ada"
NOBODY = encode(np.zeros((96, 96, 3), np.uint8))


class Receiver(ThreadingHTTPServer):
    """Hears webhooks on this machine and answers ``answer``."""

    answer = 410

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Heard)
        self.url = f"http://127.0.0.1:{self.server_port}/<i>door</i>"


class Heard(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.answer)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as hears:
        thread = threading.Thread(target=hears.serve_forever)
        thread.start()
        yield hears
        hears.shutdown()
        thread.join()


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    own = Settings(data_dir=tmp_path, threads=2, log_level="error", webhook_private_targets=True)
    return create_app(own, FakeEngine())


@pytest.fixture
def context(browser: Any, address: str) -> Iterator[Any]:
    opened = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900}, locale="en-GB")
    opened.set_default_timeout(20_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: Any) -> Iterator[Any]:
    """Fails on any error of the page's own, and on any picture that a name became."""
    wrong: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if unexpected(told) else None)
    yield page
    assert page.locator("main img").count() == 0
    page.close()
    assert wrong == []


def enrol(page: Any, name: str, *people: int, **more: str) -> str:
    """A subject with a picture of each of those; answers its id."""
    parts = [("images", f"{at}.png", photo(person)) for at, person in enumerate(people)]
    boundary = "frontier"
    lines = [(key, value) for key, value in {"name": name, **more}.items()]
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in lines
    )
    for key, file, data in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"; filename="{file}"\r\n'
        body += head.encode() + b"Content-Type: image/png\r\n\r\n" + data + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    answer = page.request.post(
        "/enroll", data=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    assert answer.status == 201, answer.text()
    subject: str = answer.json()["subject_id"]
    return subject


def sign_in(page: Any, person: int, spread: int = 0) -> dict[str, Any]:
    file = {"name": "a.png", "mimeType": "image/png", "buffer": photo(person, spread=spread)}
    answered: dict[str, Any] = page.request.post("/visits", multipart={"images": file}).json()
    return answered


def console(page: Any, tab: str = "Overview") -> Any:
    """The panel of ``tab``, open."""
    page.goto("/admin")
    page.locator("#state[data-state=ready]").wait_for()
    page.get_by_role("tab", name=tab, exact=True).click()
    return page.get_by_role("tabpanel", name=tab, exact=True)


def confirm(page: Any, what: str) -> None:
    page.locator("#confirm").get_by_role("button", name=what).click()


def test_health_collections_and_the_threshold_at_the_present_size(page: Any) -> None:
    enrol(page, HOSTILE, 1)
    panel = console(page)
    panel.get_by_text("fake-1").first.wait_for()
    limit = page.request.get("/collections/default/threshold").json()
    assert panel.locator("#thresholds .figure").inner_text() == f"{limit['threshold']:.3f}"
    assert "among 1 subject" in panel.locator("#thresholds").inner_text()
    assert panel.locator("#thresholds tbody tr").count() == 3

    page.get_by_label("Name of a new collection").fill("spring-fair")
    page.get_by_role("button", name="Make a collection").click()
    panel.locator("#collections").get_by_text("spring-fair").wait_for()
    page.locator("#collection").select_option("spring-fair")
    panel.get_by_text("among 0 subjects").wait_for()
    panel.get_by_role("button", name="Delete spring-fair").click()
    confirm(page, "Keep")
    assert panel.locator("#collections").get_by_text("spring-fair").count() == 1
    panel.get_by_role("button", name="Delete spring-fair").click()
    confirm(page, "Delete")
    panel.locator("#collections").get_by_text("spring-fair").wait_for(state="detached")
    panel.get_by_text("among 1 subject").wait_for()


def test_the_health_of_the_service_in_words(page: Any) -> None:
    enrol(page, HOSTILE, 1)
    console(page)
    page.get_by_role("tab", name="Health").click()
    panel = page.locator("#health-panel")
    panel.get_by_text("SQLite, answers").wait_for()
    panel.get_by_text("faiss, ready; 1 template of 1 in the database").wait_for()
    panel.get_by_text("has not run yet").wait_for()
    audit = panel.locator("#health-parts div", has=page.get_by_text("Audit log", exact=True))
    assert "never checked" in audit.inner_text()
    assert "Have a look" in audit.inner_text(), "told by more than a colour"
    page.request.get("/audit/verify")
    panel.get_by_role("button", name="Look again").click()
    audit.get_by_text(": whole").wait_for()
    assert "Have a look" not in audit.inner_text()
    assert "fake-1" in panel.locator("#health-service").inner_text()

    page.route("**/health", lambda route: route.fulfill(json=ill(route.fetch().json())))
    panel.get_by_role("button", name="Look again").click()
    panel.get_by_role("alert").get_by_text("Act now: Disk").wait_for()
    assert "Database, Webhooks" in panel.get_by_role("alert").inner_text()
    panel.get_by_text("512 MiB free of 100 GiB").wait_for()
    panel.get_by_text("not known: the database does not answer").first.wait_for()


def ill(told: dict[str, Any]) -> dict[str, Any]:
    """The same answer on a bad day."""
    concerns = [("disk", "bad"), ("database", "look"), ("webhooks", "look")]
    return {
        **told,
        "database": {"kind": "sqlite", "answers": False},
        "disk": {"free": 2**29, "total": 100 * 2**30},
        "retention": None,
        "concerns": [{"about": about, "state": state} for about, state in concerns],
    }


def test_a_subject_is_opened_renamed_given_a_code_and_deleted(page: Any) -> None:
    enrol(page, HOSTILE, 1, 1, subject_id="ada", metadata='{"company": "<b>Engines</b>"}')
    panel = console(page, "Subjects")
    panel.get_by_role("button", name=f"Open {HOSTILE}").click()
    card = panel.locator("#subject")
    card.get_by_role("heading", name=HOSTILE).wait_for()
    assert card.locator(".templates li").count() == 2
    assert "yaw 0°" in card.locator(".dial").first.get_attribute("aria-label")
    assert card.get_by_text("<b>Engines</b>").count() == 1
    assert card.get_by_text("None written down.").count() == 1

    card.get_by_role("button", name="Delete this template").first.click()
    confirm(page, "Delete")
    card.locator(".templates li").nth(1).wait_for(state="detached")
    card.get_by_label("Name").fill("Ada <i>King</i>")
    card.get_by_role("button", name="Rename").click()
    panel.locator("#subjects-list").get_by_text("Ada <i>King</i>").wait_for()
    card.get_by_role("heading", name="Ada <i>King</i>").wait_for()
    card.get_by_role("button", name="Make a code").click()
    code = card.locator(".note.good b").inner_text()
    assert page.request.post("/visits", data={"method": "code", "code": code}).status == 200

    panel.get_by_label("Subject id").fill("nobody")
    panel.get_by_role("button", name="Open", exact=True).click()
    card.get_by_role("alert").get_by_text("no such subject").first.wait_for()
    panel.get_by_label("Subject id").fill("ada")
    panel.get_by_role("button", name="Open", exact=True).click()
    card.get_by_role("button", name="Erase Ada").click()
    confirm(page, "Erase")
    panel.locator("#subjects-list").get_by_text("Nobody is enrolled yet.").wait_for()
    assert "templates 1" in card.locator(".note.good").inner_text()
    (erased,) = page.request.get("/audit?act=subject.erased").json()["acts"]
    assert erased["ids"]["receipt"] == card.locator(".secret").inner_text()


def test_consent_is_withdrawn(page: Any) -> None:
    page.request.post("/consent/texts", data={"texts": {"en": "We measure faces."}})
    enrol(page, "Ada", 1, subject_id="ada", consent_version="1")
    panel = console(page, "Subjects")
    panel.get_by_role("button", name="Open Ada").click()
    panel.get_by_role("button", name="Withdraw consent of Ada").click()
    confirm(page, "Erase")
    panel.locator("#subjects-list").get_by_text("Nobody is enrolled yet.").wait_for()
    (erased,) = page.request.get("/audit?act=subject.erased").json()["acts"]
    assert erased["ids"]["reason"] == "withdrawn"


def test_the_audit_log_is_shown_and_checked(page: Any) -> None:
    for at in range(3):
        enrol(page, HOSTILE, 3 * at, subject_id=f"p{at}")
    page.request.post("/collections", data={"name": "fair"})
    panel = console(page, "Audit")
    rows = panel.locator("tbody tr")
    panel.get_by_text("collection.created").wait_for()
    assert rows.count() == 4
    assert "this machine, no key" in rows.first.inner_text()
    panel.get_by_label("Show").select_option("subject")
    panel.get_by_text("collection.created").wait_for(state="detached")
    assert rows.count() == 3
    assert "subject p2" in rows.first.inner_text()
    panel.get_by_role("button", name="Check the whole log").click()
    panel.get_by_text("Whole: 4 acts").wait_for()
    digest = page.request.get("/audit").json()["acts"][0]["digest"]
    assert panel.locator(".secret").inner_text() == digest


def folder(root: Path, **people: list[bytes]) -> Path:
    for name, pictures in people.items():
        (root / name).mkdir(parents=True)
        for place, data in enumerate(pictures):
            (root / name / f"{place}.png").write_bytes(data)
    return root


def test_a_folder_is_enrolled_with_progress_and_duplicates_are_resolved(page: Any, tmp_path: Path) -> None:
    enrol(page, HOSTILE, 1, subject_id="ada")
    chosen = folder(
        tmp_path / "people",
        grace=[photo(5), photo(5, spread=10)],
        edith=[photo(9), NOBODY],
        twin=[photo(1)],
        again=[photo(1)],
    )
    panel = console(page, "Enrol")
    panel.locator("#folder-input").set_input_files(chosen)
    panel.get_by_text("4 of 4 people: 5 accepted, 1 rejected").wait_for()
    assert "No face was found" in panel.locator("#folder-log").inner_text()
    assert panel.locator("progress").evaluate("bar => bar.value === bar.max")

    panel.locator("[data-pair='twin ada']").get_by_role("button", name="One person").click()
    confirm(page, "Merge them")
    panel.locator("[data-pair='twin ada']").wait_for(state="detached")
    panel.locator("[data-pair='again ada']").wait_for()
    left = {one["subject_id"]: one["templates"] for one in page.request.get("/subjects").json()["subjects"]}
    assert left["ada"] == 2
    assert "twin" not in left
    panel.locator("[data-pair='again ada']").get_by_role("button", name="Two people").click()
    panel.locator("#duplicates-said").get_by_text("None.").wait_for()
    page.reload()
    page.get_by_role("tab", name="Enrol").click()
    panel.locator("#duplicates-said").get_by_text("None.").wait_for()
    assert page.request.get("/subjects/again").status == 200


def test_scores_of_the_last_days_and_the_visits_as_a_file(page: Any) -> None:
    enrol(page, HOSTILE, 1)
    panel = console(page, "Visits")
    panel.get_by_text("No face was compared in these days.").wait_for()
    sign_in(page, 1)
    sign_in(page, 9)
    panel.get_by_label("Days").select_option("1")
    panel.get_by_text("2 sign-ins with a face").wait_for()
    assert "threshold" in panel.get_by_role("img").get_attribute("aria-label")
    told = panel.locator(".legend").inner_text().split("\n")
    assert [one.rsplit(" ", 1)[1] for one in told] == ["1", "0", "1"]

    rows = panel.locator("#visits-list tbody tr")
    rows.filter(has_text=HOSTILE).wait_for()
    assert rows.count() == 2
    panel.get_by_label("Outcome").select_option("no_match")
    rows.filter(has_text=HOSTILE).wait_for(state="detached")
    assert "nobody" in rows.first.inner_text()
    panel.get_by_label("Outcome").select_option("match")
    rows.filter(has_text=HOSTILE).wait_for()
    with page.expect_download() as saved:
        panel.get_by_role("button", name="Visits as CSV").click()
    table = Path(saved.value.path()).read_text("utf-8")
    assert HOSTILE in table
    assert "no_match" not in table, "as filtered"
    rows.get_by_role("button", name=f"Not them {HOSTILE}").click()
    page.locator("#wrong").get_by_role("button", name="Correct it").click()
    rows.filter(has_text=HOSTILE).wait_for(state="detached")


def test_rules_of_the_door_retention_and_consent(page: Any) -> None:
    panel = console(page, "Door")
    panel.get_by_text("There is no text yet").wait_for()
    panel.get_by_label("Name from a list").check()
    panel.get_by_label("What starts a search").select_option("badge")
    panel.get_by_label("Erase people so many days").fill("30")
    panel.get_by_label("Nobody is enrolled without consent").check()
    asked = panel.get_by_label("What is asked of who registers")
    asked.fill("this cannot be read")
    panel.get_by_role("button", name="Save the rules").click()
    panel.get_by_role("alert").get_by_text("A field cannot be read").wait_for()
    asked.fill("company*: Company <b> (text)\nmeal: Meal (choice, Vegetarian, Anything)")
    panel.get_by_role("button", name="Save the rules").click()
    panel.get_by_text("Saved. Kiosks read the rules").wait_for()
    rules = page.request.get("/door").json()["rules"]
    assert (rules["trigger"], rules["retention_days"], rules["consent_required"]) == ("badge", 30, True)
    assert "list" in rules["methods"]
    assert [(one["name"], one["label"], one["required"], one["options"]) for one in rules["fields"]] == [
        ("company", "Company <b>", True, []),
        ("meal", "Meal", False, ["Vegetarian", "Anything"]),
    ]
    panel.get_by_label("Erase people so many days").fill("")
    panel.get_by_role("button", name="Save the rules").click()
    panel.get_by_text("Saved. Kiosks read the rules").wait_for()
    assert page.request.get("/door").json()["rules"]["retention_days"] is None

    panel.get_by_label("English").fill("We measure <i>faces</i>.")
    panel.get_by_role("button", name="Put a new version in force").click()
    panel.get_by_text("Version 1, in force since").wait_for()
    panel.get_by_label("中文").fill("我们测量面部。")
    panel.get_by_role("button", name="Put a new version in force").click()
    panel.get_by_text("Version 2, in force since").wait_for()
    assert set(page.request.get("/consent/texts").json()["texts"][0]["texts"]) == {"en", "zh"}


def test_keys_are_shown_once_rotated_and_revoked(page: Any) -> None:
    panel = console(page, "Keys")
    panel.get_by_text("There is no key yet").wait_for()
    panel.get_by_label("Name").fill(HOSTILE)
    panel.get_by_role("button", name="Make a key").click()
    panel.locator(".secret").wait_for()
    admin = panel.locator(".secret").inner_text()
    panel.get_by_label("Name").fill("door")
    panel.get_by_label("For").select_option("kiosk")
    panel.get_by_role("button", name="Make a key").click()
    panel.get_by_text("door: copy it now").wait_for()
    kiosk = panel.locator(".secret").inner_text()
    assert admin not in page.content()
    row = panel.get_by_role("row").filter(has_text="door")
    assert "default" in row.inner_text()
    with_key = {"Authorization": f"Bearer {kiosk}"}
    assert page.request.get("/door", headers=with_key).status == 200

    panel.get_by_role("button", name="Rotate door").first.click()
    panel.get_by_text("The old one still opens").wait_for()
    assert page.request.get("/door", headers=with_key).status == 200
    page.get_by_role("tab", name="Overview").click()
    page.get_by_role("tab", name="Keys").click()
    panel.locator(".secret").wait_for(state="detached")

    rotated = panel.get_by_role("row").filter(has_text=kiosk.split("_")[1])
    rotated.get_by_role("button", name="Revoke").click()
    confirm(page, "Revoke")
    rotated.get_by_text("revoked").wait_for()
    assert page.request.get("/door", headers=with_key).json()["code"] == "KEY_REVOKED"
    page.reload()
    page.locator("#state[data-state=ready]").wait_for()


def test_webhooks_their_deliveries_and_the_dead_ones(page: Any, receiver: Receiver) -> None:
    panel = console(page, "Webhooks")
    panel.get_by_text("Nobody is told of what happens here yet.").wait_for()
    panel.get_by_label("Address").fill("http://[::]:0/")
    panel.get_by_role("button", name="Make a webhook").click()
    panel.get_by_role("alert").wait_for()
    panel.get_by_label("Address").fill(receiver.url)
    panel.get_by_role("button", name="Make a webhook").click()
    panel.get_by_text("copy it now, it is shown this once").wait_for()
    assert panel.locator(".secret").inner_text().startswith("whsec_")

    enrol(page, HOSTILE, 1, subject_id="ada")
    sign_in(page, 1)
    (hook,) = page.request.get("/webhooks").json()["webhooks"]
    ended = f"/webhooks/{hook['webhook_id']}/deliveries?state="
    reach = """async ([address, count]) => {
        const reached = async () => (await (await fetch(address)).json()).deliveries.length >= count;
        while (!(await reached())) await new Promise(next => setTimeout(next, 100));
    }"""
    page.evaluate(reach, [f"{ended}dead", 1])
    page.get_by_role("tab", name="Overview").click()
    page.get_by_role("tab", name="Webhooks").click()
    panel.locator(".secret").wait_for(state="detached")
    panel.get_by_role("button", name="Deliveries").click()
    panel.get_by_label("Show").select_option("dead")
    dead = panel.locator("#deliveries-list tbody tr").filter(has_text="visit.checked_in")
    assert "given up" in dead.inner_text()
    receiver.answer = 204
    dead.get_by_role("button", name="Send again").click()
    panel.get_by_text("1 delivery begins anew.").wait_for()
    page.evaluate(reach, [f"{ended}delivered", 1])
    panel.get_by_label("Show").select_option("delivered")
    panel.locator("#deliveries-list").get_by_text("204").wait_for()

    panel.get_by_role("button", name="Pause").click()
    panel.get_by_role("button", name="Go on").wait_for()
    panel.get_by_role("button", name="New secret").click()
    panel.locator(".secret").wait_for()
    panel.get_by_role("button", name="Delete").click()
    confirm(page, "Delete")
    panel.get_by_text("Nobody is told of what happens here yet.").wait_for()
    assert page.request.get("/webhooks").json()["webhooks"] == []


def test_the_board_follows_the_door(context: Any, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "LIFE_SECONDS", 3.0)  # so that the server of the test can end
    enrol(page, HOSTILE, 1, subject_id="ada")
    enrol(page, "Grace", 5, subject_id="grace")
    page.goto("/board")
    page.locator("#state[data-state=ready]").wait_for()
    page.get_by_text("Nobody is in yet.").wait_for()
    assert sign_in(page, 1)["decision"] == "match"
    page.locator("#in").get_by_text(HOSTILE).wait_for()
    page.locator("#events").get_by_text(f"{HOSTILE} came, by face").wait_for()
    sign_in(page, 9)
    page.locator("#events").get_by_text("Somebody not known").wait_for()
    sign_in(page, 5)
    page.locator("#count-in").get_by_text("2").wait_for()

    page.get_by_label("Find a name or id").fill("grace")
    assert page.locator("#in li").count() == 1
    page.get_by_label("Find a name or id").fill("")
    page.get_by_role("button", name="Check out Grace").click()
    page.locator("#events").get_by_text("Grace left").wait_for()
    assert page.locator("#count-out").inner_text() == "1"
    page.get_by_role("button", name=f"Not {HOSTILE}").click()
    assert HOSTILE in page.locator("#wrong-text").inner_text()
    page.get_by_role("button", name="Correct it").click()
    page.locator("#in").get_by_text(HOSTILE).wait_for(state="detached")
    assert sign_in(page, 1)["decision"] != "match", "the same face is not taken for them again"
    page.goto("/healthz")
