"""Requests made up from the OpenAPI schema: none may end in a 5xx or an answer that is not documented."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeEngine, photo

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    options = Settings(data_dir=tmp_path_factory.mktemp("schema"), threads=2, max_body_bytes=1_000_000)
    config = uvicorn.Config(create_app(options, FakeEngine()), port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    httpx2.post(f"{address}/enroll", files={"images": photo(1)}, data={"subject_id": "ada"}).raise_for_status()
    yield address
    server.should_exit = True
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_no_made_up_request_ends_in_a_server_error(served: str, mode: GenerationMode) -> None:
    asked = set()
    # A live board's stream does not end while somebody reads it.
    schema = schemathesis.openapi.from_url(f"{served}/openapi.json").exclude(path="/board/events")
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        def try_out(case: Any) -> None:
            asked.add(case.operation.label)
            case.call_and_validate(checks=CHECKS)

        # What takes no input cannot be asked wrongly.
        with contextlib.suppress(Unsatisfiable):
            try_out()
    assert len(asked) >= 10
