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


def uploads(page: Any) -> list[str]:
    """The addresses of what the page sends from now on, other than questions: a list that grows."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method != "GET" else None)
    return sent


def overhears(page: Any, place: str) -> None:
    """Keeps every text that stands in ``place`` (a selector) from now on, however shortly, for ``said``."""
    page.evaluate(
        """place => {
          const watched = document.querySelector(place);
          window.said = [watched.textContent];
          new MutationObserver(() => window.said.push(watched.textContent))
            .observe(watched, { childList: true, characterData: true, subtree: true });
        }""",
        place,
    )


def said(page: Any) -> str:
    """What ``overhears`` has kept, a line each."""
    lines: list[str] = page.evaluate("() => window.said")
    return "\n".join(lines)


def looks_on(page: Any, times: int) -> None:
    """Waits until the page has looked for faces so often again."""
    page.evaluate(
        """() => {
          const post = Worker.prototype.postMessage;
          window.looks = 0;
          Worker.prototype.postMessage = function (message, moved) {
            if (message.image) window.looks += 1;
            return post.call(this, message, moved);
          };
        }"""
    )
    page.wait_for_function("times => window.looks >= times", arg=times)
