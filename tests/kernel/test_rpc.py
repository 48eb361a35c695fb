import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.bench.system import free_port
from app.kernel.context import SYSTEM, Actor, acting_as, budget
from app.kernel.contract import (
    Access,
    ContractMismatch,
    DeadlineExceeded,
    DomainError,
    NotFound,
    ServiceUnavailable,
    Unauthenticated,
    compile_contract,
    query,
)
from app.kernel.tokens import ServiceSigner
from tests.kernel.conftest import EchoServer
from tests.kernel.echo import Echo, EchoService, Thing, ThingNotFound
from tests.support.faultproxy import FaultProxy


@pytest.fixture
def proxy(echo_server: EchoServer) -> Iterator[FaultProxy]:
    proxy = FaultProxy(("127.0.0.1", echo_server.port))
    yield proxy
    proxy.close()


def test_a_remote_call_returns_what_the_service_returned(echo_server: EchoServer) -> None:
    assert echo_server.bind().get_thing(3) == Thing(3, "thing 3")


def test_an_error_crosses_the_wire_as_its_own_type(echo_server: EchoServer) -> None:
    with pytest.raises(ThingNotFound) as caught:
        echo_server.bind().get_thing(-1)
    assert caught.value.details == {"number": -1}


class NewerEcho(Echo, Protocol):
    @query(access=Access.PUBLIC, former="get_thing")
    def get_named_thing(self, number: int) -> Thing | None:
        """A thing."""

    @query(access=Access.PUBLIC)
    def count_things(self) -> int:
        """How many there are."""


def test_where_a_method_is_missing_its_former_answers(echo_server: EchoServer) -> None:
    newer = echo_server.bind(compile_contract(NewerEcho, "echo"))
    assert newer.get_named_thing(3) == Thing(3, "thing 3")
    with pytest.raises(ThingNotFound):
        newer.get_named_thing(-1)
    with pytest.raises(NotFound, match="no method 'count_things'"):
        newer.count_things()


def test_a_callers_deadline_travels_and_shrinks(echo_server: EchoServer) -> None:
    with budget(0.8):
        left = echo_server.bind().remaining_after(0.2)
    assert 0.3 < left < 0.6


def test_a_callers_budget_beats_the_methods_timeout(echo_server: EchoServer) -> None:
    started = time.monotonic()
    with budget(0.2), pytest.raises(DeadlineExceeded):
        echo_server.bind().remaining_after(1.5)
    assert time.monotonic() - started < 0.5


def test_a_methods_timeout_ends_a_slow_call(echo_server: EchoServer) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        echo_server.bind().hurry(1.0)
    assert time.monotonic() - started < 0.7


@pytest.mark.parametrize(
    ("mode", "error", "within_s"),
    [("swallow", DeadlineExceeded, 1.4), ("reset", ServiceUnavailable, 1.0), ("cut", ServiceUnavailable, 1.0)],
)
def test_a_spoiled_connection_is_a_typed_error_in_time(
    echo_server: EchoServer, proxy: FaultProxy, mode: str, error: type[Exception], within_s: float
) -> None:
    proxy.mode, proxy.limit = mode, 40
    started = time.monotonic()
    with pytest.raises(error):
        echo_server.bind(port=proxy.port, breaker_failures=100).get_thing(1)
    assert time.monotonic() - started < within_s


def test_an_idempotent_command_is_tried_again(echo_server: EchoServer, proxy: FaultProxy, service: EchoService) -> None:
    proxy.mode, proxy.limit = "cut", 40
    with pytest.raises(ServiceUnavailable):
        echo_server.bind(port=proxy.port, breaker_failures=100).put(1)
    assert service.calls == 3


def test_another_command_is_never_tried_again(echo_server: EchoServer, proxy: FaultProxy, service: EchoService) -> None:
    proxy.mode, proxy.limit = "cut", 40
    with pytest.raises(ServiceUnavailable):
        echo_server.bind(port=proxy.port, breaker_failures=100).add(1)
    assert service.calls == 1


def test_a_request_that_was_never_sent_is_tried_again_whatever_it_is(
    echo_server: EchoServer, service: EchoService
) -> None:
    port = free_port()
    started = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        echo_server.bind(port=port, breaker_failures=100).add(1)
    assert time.monotonic() - started < 1.0
    assert service.calls == 0


def test_the_breaker_opens_refuses_at_once_and_recovers(echo_server: EchoServer, proxy: FaultProxy) -> None:
    echo = echo_server.bind(port=proxy.port, breaker_failures=3, breaker_reset_s=0.4)
    proxy.mode = "reset"
    with pytest.raises(ServiceUnavailable):
        echo.get_thing(1)
    seen = proxy.connections
    with pytest.raises(ServiceUnavailable):
        echo.get_thing(1)
    assert proxy.connections == seen, "an open breaker lets nothing through"
    proxy.mode = "pass"
    time.sleep(0.5)
    assert echo.get_thing(1) == Thing(1, "thing 1")
    assert echo.get_thing(2) == Thing(2, "thing 2")


def test_a_relayed_error_neither_opens_the_breaker_nor_is_tried_again(
    echo_server: EchoServer, proxy: FaultProxy
) -> None:
    echo = echo_server.bind(port=proxy.port, breaker_failures=2)
    for _ in range(5):
        with pytest.raises(ThingNotFound):
            echo.get_thing(-1)
    assert echo.get_thing(1).number == 1


def test_a_stranger_with_a_key_of_its_own_is_refused(echo_server: EchoServer) -> None:
    stranger = ServiceSigner("caller", Ed25519PrivateKey.generate())
    with pytest.raises(Unauthenticated):
        echo_server.bind(signer=stranger).get_thing(1)


def test_a_token_for_another_module_is_refused(echo_server: EchoServer) -> None:
    token = ServiceSigner("caller", echo_server.key).token("listens")
    reply = _post(echo_server, {"Authorization": f"Bearer {token}"})
    assert reply.status == 401


def test_without_a_service_token_there_is_nothing_to_see(echo_server: EchoServer) -> None:
    assert _post(echo_server, {}).status == 404


def test_another_version_of_the_wire_is_refused(echo_server: EchoServer) -> None:
    token = ServiceSigner("caller", echo_server.key).token("echo")
    reply = _post(echo_server, {"Authorization": f"Bearer {token}", "X-Segue-Contract": "9"})
    assert (reply.status, reply.json()["code"]) == (ContractMismatch.status, ContractMismatch.code)


def test_a_person_with_a_bad_token_is_refused_behind_the_gateway_too(echo_server: EchoServer) -> None:
    token = ServiceSigner("caller", echo_server.key).token("echo")
    reply = _post(echo_server, {"Authorization": f"Bearer {token}", "X-Segue-Actor": "forged"})
    assert reply.status == 401


@pytest.mark.parametrize(("renewed", "asked"), [("valid", 1), ("ended too", 1), ("", 0)])
def test_a_token_that_ends_on_the_way_is_renewed_once(echo_server: EchoServer, renewed: str, asked: int) -> None:
    renewals = []

    def renew() -> Actor:
        renewals.append(renewed)
        return replace(ann, token=renewed)

    ann = Actor("person", listener_id=UUID(int=1), token="ended", renew=renew if renewed else None)
    with acting_as(ann):
        if renewed == "valid":
            assert echo_server.bind().whoami(UUID(int=1)) == "ann"
        else:
            with pytest.raises(Unauthenticated):
                echo_server.bind().whoami(UUID(int=1))
    assert len(renewals) == asked


def test_what_else_a_person_may_not_is_no_reason_for_a_new_token(echo_server: EchoServer) -> None:
    stranger = Actor("person", listener_id=UUID(int=1), token="valid", renew=lambda: pytest.fail("renewed"))
    with acting_as(stranger), pytest.raises(DomainError):
        echo_server.bind().whoami(UUID(int=2))


def test_segue_itself_calls_as_a_service(echo_server: EchoServer) -> None:
    with acting_as(SYSTEM):
        assert echo_server.bind().whoami(UUID(int=1)) == "caller"


def _post(echo_server: EchoServer, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
    url = f"http://127.0.0.1:{echo_server.port}/rpc/echo/get_thing"
    return urllib3.request("POST", url, body=b'{"number":1}', headers=headers, retries=False)
