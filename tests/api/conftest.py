from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.doubles import FailingGallery, FakeEngine, photo

LIMITS = {"threads": 2, "max_body_bytes": 3_000_000, "max_image_bytes": 2_000_000, "log_level": "error"}


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path, database_url=database_url, **LIMITS)


@pytest.fixture
def gallery() -> FailingGallery:
    return FailingGallery()


@pytest.fixture
def client(settings: Settings, gallery: FailingGallery) -> Iterator[TestClient]:
    """The service on each kind of database."""
    app = create_app(settings, FakeEngine(), gallery)
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One service for all tests of a module; ada (picture 1) is enrolled."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"), database_url=shared_database_url, max_faces=20, **LIMITS
    )
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as opened:
        made = opened.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada", "name": "Ada"})
        assert made.status_code == 201
        yield opened
