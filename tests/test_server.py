"""The server on a real socket: TLS, proxies, and clients that send too much or too slowly."""

from __future__ import annotations

import base64
import json
import resource
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from app import server
from app.api import middleware
from app.main import create_app
from app.settings import Settings
from app.store.models import now
from tests.doubles import FakeEngine, photo

KEY = "a-key-of-some-length"


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[int]:
    """The port of a service as `frontalis serve` sets it up."""
    settings = Settings(data_dir=folder, threads=1, log_level="error", **options)
    config = server.configured(settings, create_app(settings, FakeEngine()))
    config.port = 0
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
    try:
        yield running.servers[0].sockets[0].getsockname()[1]
    finally:
        running.should_exit = True
        thread.join()


def talk(port: int, sent: bytes) -> bytes:
    """All that is answered to ``sent`` until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except ConnectionResetError:  # it hung up on what it did not read
            pass
        return answer


def hung_up(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:  # what was sent had not been read
        return True


def dripped(port: int, begun: bytes) -> int:
    """How many more bytes, one every twentieth of a second, are taken before the server hangs up; 600 at most."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as connection:
        connection.sendall(begun)
        for sent in range(600):
            try:
                connection.sendall(b"a")
                if connection.recv(65_536) == b"":
                    return sent
            except TimeoutError:
                continue
            except ConnectionError:
                return sent
    return 600


def test_headers_that_are_too_large(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        for huge in (b"X-A: " + b"a" * 100_000, b"\r\n".join(b"X-%d: a" % n for n in range(9000))):
            answer = talk(port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + huge)
            assert answer.startswith(b"HTTP/1.1 400")
        assert talk(port, b"GET /" + b"a" * 100_000).startswith(b"HTTP/1.1 400")
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_slow_clients_are_hung_up_on_and_hold_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 1.0)
    with serving(tmp_path) as port, ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(200)]
        for one in slow[::2]:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.")
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=60).status_code == 200
        assert all(hung_up(one) for one in slow), "those who said nothing too"
        assert dripped(port, b"GET /healthz HTTP/1.1\r\nX-A: ") < 600, "nor does a byte now and then buy time"
        answer = b"".join(talk(port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /hea").splitlines()[:1])
        assert answer == b"HTTP/1.1 200 OK", "also between two requests of one connection"


@pytest.fixture
def many_files() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most[0] < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most[1]), most[1]))


def test_a_thousand_clients_at_once(tmp_path: Path, many_files: None) -> None:
    ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with serving(tmp_path) as port, ExitStack() as stack:
        many = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(1000)]
        for one in many:
            one.sendall(ask)
        assert {one.recv(12) for one in many} == {b"HTTP/1.1 200"}


def test_a_thousand_clients_that_send_faces_are_served_or_told_to_come_back(tmp_path: Path, many_files: None) -> None:
    face = photo(1)
    head = (
        "POST /analyze HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body := json_body(face))}\r\n\r\n"
    )
    with serving(tmp_path, max_waiting=8) as port, ExitStack() as stack:
        many = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=120)) for _ in range(1000)]
        for one in many:
            one.sendall(head.encode() + body)
        answers = [all_of(one) for one in many]
        codes = Counter(answer[9:12] for answer in answers)
        assert set(codes) == {b"200", b"503"}
        assert all(b"retry-after" in answer.lower() for answer in answers if answer[9:12] == b"503")
        after = httpx2.post(
            f"http://127.0.0.1:{port}/analyze", content=body, headers={"Content-Type": "application/json"}
        )
        assert after.status_code == 200


def json_body(face: bytes) -> bytes:
    return json.dumps({"image": base64.b64encode(face).decode()}).encode()


def all_of(connection: socket.socket) -> bytes:
    """Until the server hangs up."""
    answer = b""
    while part := connection.recv(65_536):
        answer += part
    return answer


def test_a_body_that_trickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.2)
    head = (
        b"POST /identify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
    )
    with serving(tmp_path) as port:
        answer = talk(port, head + b'{"image": "')
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"TOO_SLOW"' in answer


@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8"])
def test_whose_word_counts_for_an_address(tmp_path: Path, trusted: str) -> None:
    options = {"api_key": KEY, "address_rate_limit": 1, "trusted_proxies": trusted}
    with serving(tmp_path, **options) as port:
        codes = [
            httpx2.get(f"http://127.0.0.1:{port}/healthz", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code
            for n in range(3)
        ]
    assert codes == ([200] * 3 if trusted else [200, 429, 429])


def test_not_everybody_can_be_a_proxy() -> None:
    for wrong in ("0.0.0.0/0", "::/0", "*", "proxy.example"):
        with pytest.raises(ValidationError):
            Settings(trusted_proxies=wrong)
    assert Settings(trusted_proxies="10.0.0.1, 192.0.2.0/24").trusted_proxies == "10.0.0.1/32,192.0.2.0/24"


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "frontalis")])
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return {"tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}


def test_tls_by_file(tmp_path: Path, certificate: dict[str, Path]) -> None:
    trust = ssl.create_default_context(cafile=str(certificate["tls_cert"]))
    with serving(tmp_path / "data", **certificate) as port:
        answer = httpx2.get(f"https://127.0.0.1:{port}/healthz", verify=trust)
        assert answer.status_code == 200
        assert "max-age" in answer.headers["strict-transport-security"]
        assert not talk(port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_half_of_tls_is_refused(certificate: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="FRONTALIS_TLS_KEY"):
        Settings(tls_cert=certificate["tls_cert"])
    with pytest.raises(ValidationError):
        Settings(tls_cert=tmp_path / "missing.pem", tls_key=certificate["tls_key"])
