"""A real Postgres that goes away in the middle of the day and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import make_url

from app.main import create_app
from app.settings import Settings
from tests.conftest import administer, fresh_postgres
from tests.doubles import FakeEngine, photo

KEY = {"Idempotency-Key": "the-same"}


@contextmanager
def gone(server: str, database: str) -> Iterator[None]:
    """Every connection to it is cut, and none is let in."""
    administer(
        server,
        f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
    )
    try:
        yield
    finally:
        administer(server, f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true")


def test_it_is_refused_while_it_is_gone_and_done_once_when_it_is_back(postgres_server: str, tmp_path: Path) -> None:
    url = fresh_postgres(postgres_server)
    name = make_url(url).database
    assert name
    settings = Settings(data_dir=tmp_path, database_url=url, threads=2, log_level="error")
    with TestClient(create_app(settings, FakeEngine()), base_url="http://127.0.0.1") as client:
        sent = {"files": {"images": photo(1)}, "headers": KEY}
        client.post("/enroll", files={"images": photo(1)}, data={"subject_id": "ada"}).raise_for_status()
        with gone(postgres_server, name):
            for _ in range(5):  # as many as the pool holds connections that were cut, and more
                answer = client.post("/visits", **sent)
                assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        made = client.post("/visits", **sent)
        assert (made.status_code, made.json()["action"]) == (200, "checked_in")
        assert client.post("/visits", **sent).json()["replayed"] is True
        assert len(client.get("/visits").json()["visits"]) == 1
