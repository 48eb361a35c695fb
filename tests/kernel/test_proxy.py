"""What the gateway passes on of a module's reply."""

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.testing import FlaskClient

from app.kernel import gateway
from app.kernel.balance import Instances
from app.kernel.context import Actor, acting_as
from app.kernel.http import install_errors
from app.kernel.routes import Api
from app.kernel.tokens import ServiceSigner
from app.kernel.transport import pool_for


class Module:
    """A server that says the same to everybody and hangs up."""

    def __init__(self) -> None:
        self.said = b""
        self.actors: list[bytes] = []  # for whom it was asked, each time
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                said = re.search(rb"X-Segue-Actor: (\S+)", connection.recv(65536))
                self.actors.append(said[1] if said else b"")
                connection.sendall(self.said)


@pytest.fixture
def module() -> Iterator[Module]:
    module = Module()
    yield module
    module.socket.close()


@pytest.fixture
def outcomes() -> list[bool]:
    """Of each request to the module whether it failed, as what judges a canary is told."""
    return []


@pytest.fixture
def client(module: Module, outcomes: list[bool]) -> FlaskClient:
    app = Flask("gateway")
    install_errors(app)
    pool = pool_for(f"http://127.0.0.1:{module.socket.getsockname()[1]}", Path("/"))
    signer = ServiceSigner("gateway", Ed25519PrivateKey.generate())
    instances = Instances("echo", [pool], told=outcomes.append)
    app.register_blueprint(gateway.proxy(Api("echo", ("echo",)), instances, signer))
    return app.test_client()


@pytest.mark.parametrize("length", [5, 100_000])
def test_a_reply_is_passed_on_as_it_is(client: FlaskClient, module: Module, length: int) -> None:
    module.said = b"HTTP/1.1 201 Created\r\nX-Kind: echo\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length
    reply = client.get("/api/v1/echo/it")
    assert (reply.status_code, reply.headers["X-Kind"], reply.data) == (201, "echo", b"x" * length)


def test_how_long_an_answer_to_head_would_be_is_passed_on(client: FlaskClient, module: Module) -> None:
    module.said = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    reply = client.head("/api/v1/echo/it")
    assert (reply.status_code, reply.headers["Content-Length"], reply.data) == (200, "5", b"")


@pytest.mark.parametrize(("method", "times"), [("GET", 3), ("POST", 1)])
def test_a_short_reply_that_breaks_off_is_none(client: FlaskClient, module: Module, method: str, times: int) -> None:
    module.said = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    reply = client.open("/api/v1/echo/it", method=method)
    assert (reply.status_code, reply.json["code"], len(module.actors)) == (503, "unavailable", times)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        (b'{"title":"-","status":401,"code":"unauthenticated","details":{"token":"refused"}}', [b"ended", b"new"]),
        (b'{"title":"-","status":401,"code":"unauthenticated"}', [b"ended"]),  # a wrong password, for instance
        (b"no JSON", [b"ended"]),
    ],
)
def test_a_token_that_ends_on_the_way_is_renewed_once(
    client: FlaskClient, module: Module, method: str, said: bytes, tokens: list[bytes]
) -> None:
    module.said = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)
    ann = Actor("person", token="ended", renew=lambda: Actor("person", token="new"))
    with acting_as(ann):
        reply = client.open("/api/v1/echo/it", method=method)
    assert (reply.status_code, reply.data) == (401, said)
    assert module.actors == tokens


@pytest.mark.parametrize(
    ("status", "kind", "failed"),
    [
        (b"200 OK", b"text/html", [False]),
        (b"404 Not Found", b"application/problem+json", [False]),
        (b"503 Service Unavailable", b"application/problem+json", [True]),  # the module itself says that
        (b"502 Bad Gateway", b"text/html", [True, True, True]),  # and this a proxy before it: there are other ways
    ],
)
def test_what_fails_is_counted(
    client: FlaskClient, module: Module, outcomes: list[bool], status: bytes, kind: bytes, failed: list[bool]
) -> None:
    module.said = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: 2\r\n\r\n{}" % (status, kind)
    client.get("/api/v1/echo/it")
    assert outcomes == failed
