"""The kiosk looks for faces itself, as the detector does; only what is near and sharp leaves the tablet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from safetensors.torch import load

from app.face.boxes import overlaps
from app.face.detect import Detector
from app.face.published import load_mtcnn
from app.main import create_app
from app.settings import Settings
from tests.web.conftest import CHROMIUM, FLAGS, ROUTED, served
from tests.web.film import Film, photograph, visitor
from tests.web.kiosk_page import looks_on, touch, unexpected, until, uploads
from tests.web.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.photos]


VISITOR, ASIDE = "subjects/cfp-056/frontal-01.jpg", "subjects/cfp-056/profile-01.jpg"
FINDER = "/door/finder"


def scene(photos: Path, kind: str) -> NDArray[np.uint8]:
    """What the camera shows, uint8 [480, 640, 3]."""
    face = photograph(photos / VISITOR)
    match kind:
        case "nobody":
            return visitor(np.full((8, 8, 3), 150, np.uint8))
        case "far":
            return visitor(face, side=100)
        case "blurred":
            return np.asarray(cv2.GaussianBlur(visitor(face), (0, 0), 8), np.uint8)
        case "aside":
            return visitor(photograph(photos / ASIDE))
    return visitor(face)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    stage = Stage()
    stage.enter(3)  # the service would see somebody whatever it is sent
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("near"), threads=1, log_level="error"), stage)


@pytest.fixture(scope="module")
def service(app: FastAPI) -> Iterator[str]:
    with served(app) as address:
        yield address


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return Film(tmp_path_factory.mktemp("camera") / "scenes.mjpeg")


@pytest.fixture(scope="module")
def browser(chromium: Any, film: Film) -> Iterator[Any]:
    flags = [*FLAGS, f"--use-file-for-fake-video-capture={film.path}"]
    opened = chromium.launch(executable_path=CHROMIUM, args=flags)
    yield opened
    opened.close()


@pytest.fixture
def page(browser: Any, service: str) -> Iterator[Any]:
    context = browser.new_context(base_url=service, viewport={"width": 1180, "height": 820}, locale="en-GB", **ROUTED)
    context.set_default_timeout(30_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if unexpected(told) else None)
    yield page
    context.close()
    assert wrong == []


def asked_at_the_door(page: Any) -> list[str]:
    """Somebody touched the button; what is sent from then on."""
    page.goto("/kiosk")
    until(page, "waiting")
    sent = uploads(page)
    touch(page)
    return sent


@pytest.mark.parametrize(("kind", "said"), [("nobody", "Look here"), ("far", "Come closer"), ("blurred", "Hold still")])
def test_nothing_leaves_the_tablet(page: Any, film: Film, photos: Path, kind: str, said: str) -> None:
    film.show(scene(photos, kind))
    sent = asked_at_the_door(page)
    until(page, "looking")
    page.get_by_role("heading", name=said).wait_for()
    looks_on(page, 5)
    assert sent == []
    assert page.locator("#headline").inner_text() == said


def test_an_automatic_door_sends_nothing_of_who_is_far(page: Any, film: Film, photos: Path) -> None:
    page.request.patch("/collections/default", data={"door": {"trigger": "auto"}})
    film.show(scene(photos, "far"))
    page.goto("/kiosk")
    until(page, "waiting")
    sent = uploads(page)
    looks_on(page, 2)
    assert sent == []
    page.request.patch("/collections/default", data={"door": {"trigger": "touch"}})


@pytest.mark.parametrize("kind", ["near", "aside"])
def test_who_is_near_and_sharp_is_sent(page: Any, film: Film, photos: Path, kind: str) -> None:
    """Also from the side. What is sent first is a look, and from it frames are cut."""
    film.show(scene(photos, kind))
    with page.expect_request("**/visits") as frames:
        sent = asked_at_the_door(page)
    assert frames.value.method == "POST"
    assert [url.rpartition("/")[2] for url in sent][:2] == ["analyze", "visits"]
    until(page, "unknown")


def test_without_the_weights_the_kiosk_says_so_and_sends_nothing(page: Any, film: Film, photos: Path) -> None:
    film.show(scene(photos, "near"))
    page.route(f"**{FINDER}**", lambda route: route.abort())
    sent = asked_at_the_door(page)
    until(page, "offline")
    assert sent == []
    page.unroute(f"**{FINDER}**")
    page.get_by_role("button", name="Try again").click()
    until(page, "unknown")


@pytest.mark.parametrize(
    "missing", ["delete window.Worker", "Worker.prototype.postMessage = () => { throw Error('x') }"]
)
def test_a_browser_that_cannot_look_says_so_and_sends_nothing(
    page: Any, film: Film, photos: Path, missing: str
) -> None:
    film.show(scene(photos, "near"))
    page.add_init_script(missing)
    sent = asked_at_the_door(page)
    until(page, "blind")
    assert sent == []
    assert page.get_by_role("button", name="Use a code").is_visible()


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As the page makes it small: uint8 [96, 128, 3]."""
    return np.asarray(cv2.resize(image, (128, 96), interpolation=cv2.INTER_AREA), np.uint8)


IN_THE_PAGE = """async ({ pixels, side, finder }) => {
  const bytes = await (await fetch(finder)).arrayBuffer();
  const { proposed, refined, tensors } = await import("/web/kiosk/near/networks.js");
  const { shrunk, windowOf } = await import("/web/kiosk/near/pixels.js");
  const { finder: made } = await import("/web/kiosk/near/find.js");
  const image = { data: new Uint8ClampedArray(pixels), width: 128, height: 96 };
  const weights = tensors(bytes);
  const planes = shrunk(image.data, 128, 96, 128, 96);
  const first = proposed(weights, planes);
  return {
    proposed: [...first.data], shape: [first.channels, first.height, first.width],
    refined: [...refined(weights, windowOf(image, [30, 10, 30 + side - 1, 10 + side - 1], side))],
    faces: made(bytes)(image),
  };
}"""


@pytest.mark.parametrize("kind", ["near", "aside", "far", "nobody"])
def test_the_page_finds_what_the_detectors_networks_find(page: Any, app: FastAPI, photos: Path, kind: str) -> None:
    cache = app.state.settings.data_dir / "converted"
    image = small(scene(photos, kind))
    page.goto("/kiosk")
    pixels = np.dstack([image, np.full((96, 128), 255, np.uint8)]).ravel().tolist()
    told = page.evaluate(IN_THE_PAGE, {"pixels": pixels, "side": 24, "finder": FINDER})

    pnet, rnet, _ = load_mtcnn(cache)
    with torch.no_grad():
        planes = torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1)[None])
        expected = pnet(planes)[0].numpy()
        judged = rnet(planes[:, :, 10:34, 30:54])[0].numpy()
    assert tuple(told["shape"]) == expected.shape
    found = np.array(told["proposed"]).reshape(expected.shape)
    assert np.abs(shares(found[0]) - shares(expected[0])).max() < 1e-3
    assert np.abs(found[1:] - expected[1:]).max() < 1e-3
    assert np.abs(np.array(told["refined"]) - judged).max() < 1e-3

    boxes = [face["box"] for face in told["faces"]]
    assert bool(boxes) == (kind != "nobody")
    if kind == "near":
        (whole,) = Detector.load(cache, runtime="torch").detect(
            [np.asarray(cv2.resize(image, None, fx=5, fy=5), np.uint8)]
        )
        assert overlaps(np.array(boxes[:1]), np.array([whole[0].box]) / 5).max() > 0.6


def shares(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def test_the_weights_are_sent_once_and_known_by_their_hash(app: FastAPI, service: str) -> None:
    client = TestClient(app, base_url="http://127.0.0.1")  # it runs already
    answer = client.get(FINDER)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["cache-control"] == "private, no-cache"
    weights = load(answer.content)
    assert {name.partition(".")[0] for name in weights} == {"pnet", "rnet"}
    assert all(value.dtype == torch.float32 for value in weights.values())
    again = client.get(FINDER, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(FINDER, headers={"If-None-Match": '"other"'}).status_code == 200
