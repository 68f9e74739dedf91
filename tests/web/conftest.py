"""The service with the stand-in engine, asked in process and over a loopback port."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

ROUTED: dict[str, Any] = {"service_workers": "block"}
"""For contexts whose requests a test catches: those of a page that a service worker has taken over are not seen."""


def _service(folder: Path, key: str | None = None) -> FastAPI:
    settings = Settings(data_dir=folder, api_key=SecretStr(key) if key else None, threads=2, log_level="error")
    return create_app(settings, FakeEngine())


@pytest.fixture
def key() -> str | None:
    """The API key that the service asks for; a test may parametrise it."""
    return None


@pytest.fixture
def app(tmp_path: Path, key: str | None) -> FastAPI:
    return _service(tmp_path, key)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """For tests that change nothing."""
    with TestClient(_service(tmp_path_factory.mktemp("web")), base_url="http://127.0.0.1") as opened:
        yield opened


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of a real server, for a real browser."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, name="frontalis-test-server")
    thread.start()
    deadline = time.monotonic() + 120  # the first start converts the networks
    while not server.started and time.monotonic() < deadline and thread.is_alive():
        thread.join(0.02)
    assert server.started
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """What launches a real browser. Where none is installed its tests are skipped; the gate installs one."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as started:
        yield started.chromium


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Iterator[Any]:
    opened = chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield opened
    opened.close()


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Where the service of the test answers."""
    with served(app) as answers:
        yield answers
