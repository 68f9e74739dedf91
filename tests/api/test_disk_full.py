"""A disk that is full: what cannot be kept is refused whole, and once there is room everything goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import event

from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine, photo


@contextmanager
def full_disk(client: TestClient) -> Iterator[None]:
    """SQLite may take no page more than it has: it then says what it says of a full disk."""
    engine = client.app.state.running.parts.database.engine  # type: ignore[attr-defined]
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def limit(raw: Any, *_: Any) -> None:
        raw.execute(f"PRAGMA max_page_count = {pages}")

    def lift(raw: Any, *_: Any) -> None:
        raw.execute("PRAGMA max_page_count = 1073741823")

    event.listen(engine, "checkout", limit)
    try:
        yield
    finally:
        event.remove(engine, "checkout", limit)
        event.listen(engine, "checkout", lift)


def test_nothing_is_half_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, threads=1, log_level="error")
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as client:
        assert client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada"}).status_code == 201
        large = {"subject_id": "bob", "metadata": '{"note": "' + "x" * 16_000 + '"}'}
        with full_disk(client):
            for _ in range(30):  # what is free within the pages goes first
                refused = client.post("/enroll", files={"images": photo(2)}, data=large)
                if refused.status_code != 201:
                    break
                large["subject_id"] += "b"
            assert refused.status_code == 503
            assert refused.json()["code"] == "STORE_UNAVAILABLE"
            assert client.get(f"/subjects/{large['subject_id']}").json()["code"] == "SUBJECT_NOT_FOUND"
            found = client.post("/identify", files={"image": photo(1)}).json()["faces"][0]
            assert found["match"]["subject_id"] == "ada", "what was there is still found"
        assert client.post("/enroll", files={"images": photo(2)}, data=large).status_code == 201
