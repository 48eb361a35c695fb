"""The echo contract on a real HTTP server, with real keys."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask, Response, request
from werkzeug.serving import make_server

from app.kernel import context
from app.kernel.balance import Instances
from app.kernel.contract import Contract, Unauthenticated, compile_contract
from app.kernel.rpc import Dispatcher, Remote, Resilience, remote
from app.kernel.tokens import ServiceSigner, ServiceVerifier
from app.kernel.transport import pool_for
from tests.kernel.echo import Echo, EchoService

CONTRACT = compile_contract(Echo, "echo")


@dataclass
class EchoServer:
    service: EchoService
    port: int
    key: Ed25519PrivateKey
    bodies: list[bytes] = field(default_factory=list)

    def bind(
        self,
        contract: Contract = CONTRACT,
        *,
        port: int = 0,
        ports: tuple[int, ...] = (),
        signer: ServiceSigner | None = None,
        **resilience: Any,
    ) -> Any:
        pools = [pool_for(f"http://127.0.0.1:{each}", Path("/")) for each in ports or (port or self.port,)]
        connection = Remote(
            "echo",
            Instances("echo", pools, concurrency=resilience.get("concurrency", 0)),
            signer or ServiceSigner("caller", self.key),
            Resilience(**resilience),
        )
        return remote(contract, connection)


def _actors(token: str) -> context.Actor:
    if token != "valid":
        raise Unauthenticated.by_token()
    return context.Actor("person", listener_id=UUID(int=1), name="ann", scopes=frozenset({"read"}), token=token)


@pytest.fixture(scope="session")
def echo_server() -> Iterator[EchoServer]:
    service = EchoService()
    key = Ed25519PrivateKey.generate()
    dispatcher = Dispatcher(CONTRACT, service, ServiceVerifier({"caller": key.public_key()}), _actors)
    app = Flask("echo")
    held = EchoServer(service, 0, key)

    @app.post("/rpc/echo/<name>")
    def call(name: str) -> Response:
        status, body = dispatcher.answer(name, request.headers, request.get_data())
        return Response(body, status=status, content_type="application/json")

    server = make_server("127.0.0.1", 0, app, threaded=True)
    held.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield held
    server.shutdown()


@pytest.fixture
def service(echo_server: EchoServer) -> EchoService:
    echo_server.service.calls = 0
    return echo_server.service
