"""Webhooks: nothing that happened is lost, nothing reaches who must not be reached, a replay can be told."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from app.errors import StoreError, TargetRefused
from app.service import courier, targets, webhooks
from app.service.courier import Courier, backoff
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.parts import Parts
from app.service.signing import signature
from app.service.subjects import delete_subject
from app.service.visits import SignIn, sign_in
from app.settings import Settings
from app.store.outbox_models import Delivery, Event
from tests.doubles import FakeEngine, photo

ROOT = Path(__file__).resolve().parents[2]


class Receiver:
    """A webhook's other end: keeps what arrives, answers ``status`` or what ``answer`` does."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.answer: Callable[[BaseHTTPRequestHandler], object] | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                if receiver.answer is not None:
                    receiver.answer(self)
                    return
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=b"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, threads=1, webhook_private_targets=True)


@pytest.fixture
def parts(settings: Settings) -> Iterator[Parts]:
    with opened(settings, FakeEngine()) as made:
        enroll(made, Enrolment([photo(1)], subject_id="ada", name="Ada"))
        yield made


@pytest.fixture
def carrier(parts: Parts) -> Courier:
    return Courier(parts.database, private=True)


def deliveries(parts: Parts) -> list[Delivery]:
    with parts.database.reading() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def make_due(parts: Parts) -> None:
    with parts.database.writing() as session:
        session.execute(update(Delivery).values(due_at=datetime.now(UTC) - timedelta(seconds=1)))


def test_who_signs_in_is_told_of_and_signed(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    made = webhooks.add_webhook(parts, "default", receiver.url, [])
    visit = sign_in(parts, SignIn([photo(1)])).visit
    assert carrier.round() == 1
    ((headers, body),) = receiver.got
    told = json.loads(body)
    assert (told["type"], told["collection"]) == ("visit.checked_in", "default")
    assert (told["data"]["visit_id"], told["data"]["name"]) == (visit.visit_id, "Ada")
    assert headers["frontalis-event"] == told["id"]
    assert headers["content-type"] == "application/json"
    assert headers["host"] in receiver.url
    timestamp = int(re.findall(r"t=(\d+)", headers["frontalis-signature"])[0])
    assert abs(timestamp - time.time()) < 60
    assert made.secret is not None
    assert headers["frontalis-signature"] == signature(made.secret, timestamp, body)
    assert "probe" not in body.decode()
    assert carrier.round() == 0
    assert [one.state for one in deliveries(parts)] == ["delivered"]


def test_the_receivers_lines_of_the_documentation_tell_a_replay() -> None:
    (lines,) = re.findall(r"```python\n(def is_genuine.*?)```", (ROOT / "docs" / "door.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec("import hashlib, hmac, time\n" + lines, names)  # the documentation is ours
    genuine, body, now = names["is_genuine"], b'{"type": "visit.checked_in"}', int(time.time())
    assert genuine("secret", signature("secret", now, body), body)
    assert not genuine("secret", signature("secret", now - 301, body), body), "a replay, minutes later"
    assert not genuine("secret", signature("other", now, body), body)
    assert not genuine("secret", signature("secret", now, body), body + b" ")
    assert not genuine("secret", signature("secret", now - 301, body).replace(str(now - 301), str(now)), body)
    assert not genuine("secret", "", body)


def test_only_what_was_asked_for(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    webhooks.add_webhook(parts, "default", receiver.url, ["visit.checked_out"])
    sign_in(parts, SignIn([photo(1)]))
    assert deliveries(parts) == []
    sign_in(parts, SignIn([photo(1)], direction="out"))
    assert carrier.round() == 1
    assert json.loads(receiver.got[0][1])["type"] == "visit.checked_out"


def test_a_failure_is_tried_again_later_and_in_the_end_is_dead(
    parts: Parts, carrier: Courier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "ATTEMPTS", 3)
    hook = webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    receiver.status = 500
    for attempt in (1, 2, 3):
        assert carrier.round() == 1
        (one,) = deliveries(parts)
        assert (one.attempts, one.status, one.reason) == (attempt, 500, "status")
        assert carrier.round() == 0, "not before it is due"
        make_due(parts)
    (shown,) = webhooks.list_deliveries(parts, "default", hook.webhook_id, "dead", None, 10)
    assert (shown.state, shown.type, shown.attempts) == ("dead", "visit.checked_in", 3)
    assert [(one.dead, one.secret) for one in webhooks.list_webhooks(parts, "default")] == [(1, None)]
    receiver.status = 200
    assert webhooks.send_again(parts, "default", hook.webhook_id, ["no such event"]) == 0
    assert webhooks.send_again(parts, "default", hook.webhook_id, [shown.event_id]) == 1
    assert carrier.round() == 1
    assert [(one.state, one.attempts) for one in deliveries(parts)] == [("delivered", 1)]
    assert len({body for _, body in receiver.got}) == 1, "the same event under the same id"


def test_gone_is_gone(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    receiver.status = 410
    carrier.round()
    assert [one.state for one in deliveries(parts)] == ["dead"]


def test_nobody_listens(parts: Parts, carrier: Courier) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        webhooks.add_webhook(parts, "default", f"http://127.0.0.1:{free.getsockname()[1]}/", [])
    sign_in(parts, SignIn([photo(1)]))
    assert carrier.round() == 1
    assert [(one.state, one.status, one.reason) for one in deliveries(parts)] == [("pending", None, "ConnectError")]


def test_a_slow_receiver_is_left_and_holds_up_nobody(
    parts: Parts, carrier: Courier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "SECONDS", 0.5)
    leave = threading.Event()
    other = Receiver()
    try:
        receiver.answer = lambda _: leave.wait(30)
        for hook in (receiver, other):
            webhooks.add_webhook(parts, "default", hook.url, [])
        sign_in(parts, SignIn([photo(1)]))
        assert carrier.round() == 2
        assert [one.state for one in deliveries(parts)] == ["pending", "delivered"]
        assert deliveries(parts)[0].reason in ("timeout", "ReadTimeout")
    finally:
        leave.set()
        other.close()


def test_an_endless_answer_is_not_read(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(2**40))
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(65536))
        except OSError:
            pass

    receiver.answer = endless
    webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    assert carrier.round() == 1
    assert [one.state for one in deliveries(parts)] == ["delivered"]


def test_a_redirect_is_not_followed(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", receiver.url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.answer = elsewhere
    webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    carrier.round()
    assert len(receiver.got) == 1
    assert [(one.state, one.status) for one in deliveries(parts)] == [("pending", 307)]


def test_a_disabled_webhook_waits(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    hook = webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    webhooks.change_webhook(parts, "default", hook.webhook_id, {"enabled": False})
    assert carrier.round() == 0
    changed = webhooks.change_webhook(parts, "default", hook.webhook_id, {"enabled": True, "rotate_secret": True})
    assert changed.secret not in (None, hook.secret)
    assert carrier.round() == 1


def test_two_processes_deliver_once(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    """The second looks while the first is still sending."""
    second: list[int] = []

    def meanwhile(handler: BaseHTTPRequestHandler) -> None:
        second.append(Courier(parts.database, private=True).round())
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.answer = meanwhile
    webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    assert carrier.round() == 1
    assert second == [0]
    assert len(receiver.got) == 1


def test_what_is_erased_is_not_told_any_more(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    webhooks.add_webhook(parts, "default", receiver.url, ["visit.checked_in"])
    sign_in(parts, SignIn([photo(1)]))
    delete_subject(parts, "default", "ada")
    assert carrier.round() == 0
    assert deliveries(parts) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.1.2.3/",
        "https://192.168.0.1:8443/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://224.0.0.1/",
        "https://user@93.184.216.34/",
        "https://93.184.216.34/#a",
        "https://93.184.216.34:99999/",
        "ftp://93.184.216.34/",
        "file:///etc/passwd",
        "https:///",
        "https://a b/",
        "https://93.184.216.34/\r\nHost: x",
    ],
)
def test_what_is_not_on_the_public_net_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        targets.resolve(url, private=False)


def test_the_address_that_was_checked_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*addresses: str) -> None:
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)

    found("93.184.216.34")
    target = targets.resolve("https://hooks.example.org:8443/a?b=c", private=False)
    assert target == targets.Target("https://93.184.216.34:8443/a?b=c", "hooks.example.org:8443", "hooks.example.org")
    found("93.184.216.34", "10.0.0.1")
    with pytest.raises(TargetRefused):
        targets.resolve("https://hooks.example.org/", private=False)


def test_a_name_that_turns_private_later_is_not_reached(parts: Parts, receiver: Receiver) -> None:
    webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    assert Courier(parts.database, private=False).round() == 1
    assert [one.reason for one in deliveries(parts)] == ["target refused"]
    assert receiver.got == []


@given(st.integers(1, 40), st.floats(0, 1))
def test_waits_grow_have_an_end_and_differ(attempt: int, share: float) -> None:
    wait = backoff(attempt, share)
    assert timedelta(seconds=2.5) <= wait <= courier.LONGEST
    assert wait <= backoff(attempt + 1, 1.0)
    assert backoff(attempt, 0.0) < backoff(attempt, 1.0)


def test_a_clock_put_back_does_not_hold_deliveries_for_days(parts: Parts, carrier: Courier, receiver: Receiver) -> None:
    webhooks.add_webhook(parts, "default", receiver.url, [])
    sign_in(parts, SignIn([photo(1)]))
    with parts.database.writing() as session:
        session.execute(update(Delivery).values(due_at=datetime.now(UTC) + timedelta(days=400)))
    assert carrier.round() == 1


def test_a_database_that_is_away_is_waited_for(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAUSE", 0.01)
    stop, looks = threading.Event(), 0

    class Away(Courier):
        def round(self) -> int:
            nonlocal looks
            looks += 1
            if looks == 3:
                stop.set()
                return 0
            raise StoreError

    Away(parts.database, private=True).work(stop)
    assert looks == 3


@pytest.mark.slow
def test_killed_after_a_sign_in_the_next_start_tells_of_it(settings: Settings, receiver: Receiver) -> None:
    command = [sys.executable, "-m", "tests.service.killed_door", str(settings.data_dir), settings.database]
    child = subprocess.run([*command, receiver.url], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert child.returncode == -9, child.stderr
    assert receiver.got == []
    with opened(settings, FakeEngine()) as parts:
        assert Courier(parts.database, private=True).round() == 1
        ((_, body),) = receiver.got
        assert json.loads(body)["data"]["visit_id"] == child.stdout.split()[-1]
        again = sign_in(parts, SignIn([photo(1)], key="k-1"))
        assert (again.replayed, again.visit.visit_id) == (True, child.stdout.split()[-1])
        with parts.database.reading() as session:
            assert len(session.scalars(select(Event)).all()) == 1
