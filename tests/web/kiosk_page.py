"""The kiosk's page as tests use it: its states, its buttons, the record behind it."""

from __future__ import annotations

import re
from typing import Any


def until(page: Any, *states: str) -> None:
    """Waits for one of ``states``."""
    page.wait_for_function("states => states.includes(document.body.dataset.state)", arg=states)


def touch(page: Any) -> None:
    page.get_by_role("button", name="Sign in with my face").click()


def visits(page: Any, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.request.get("/visits", params=query).json()["visits"]
    return found


def unexpected(told: Any) -> bool:
    """Chromium reports refusals and a network that is gone as errors, and both are part of the tests."""
    return told.type == "error" and not re.search(
        r"status of (4\d\d|503)|ERR_INTERNET_DISCONNECTED|ERR_FAILED", told.text
    )
