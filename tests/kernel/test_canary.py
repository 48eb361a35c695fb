"""A canary: its share of the listeners, sticky, and none of them once it does worse than the others."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.kernel import canary, context
from app.kernel.balance import Instances
from app.kernel.canary import Canaried, Canary, Comparison, is_of_share
from app.kernel.rpc import Remote, Resilience, remote
from app.kernel.tokens import ServiceSigner
from app.kernel.transport import pool_for
from tests.kernel.conftest import CONTRACT, EchoServer
from tests.support.faultproxy import FaultProxy


@pytest.fixture
def other_version(echo_server: EchoServer) -> Iterator[FaultProxy]:
    proxy = FaultProxy(("127.0.0.1", echo_server.port))
    yield proxy
    proxy.close()


@pytest.fixture
def echo(echo_server: EchoServer, tmp_path: Path) -> Any:
    """The echo as a process on this data folder calls it."""
    canaried = Canaried("echo", tmp_path, lambda url: pool_for(url, Path("/")))
    instances = Instances(
        "echo",
        [pool_for(f"http://127.0.0.1:{echo_server.port}", Path("/"))],
        preferred=canaried.instance,
        told=canaried.others_told,
    )
    return remote(CONTRACT, Remote("echo", instances, ServiceSigner("caller", echo_server.key), Resilience()))


def person(number: int = 0) -> context.Actor:
    return context.Actor("anonymous", UUID(int=number) if number else uuid4())


def begin(folder: Path, proxy: FaultProxy, share: float) -> None:
    canary.write(folder, {"echo": Canary(f"http://127.0.0.1:{proxy.port}", share)})


def test_a_share_of_the_listeners_is_drawn_and_stays() -> None:
    people = [person(number) for number in range(1, 4001)]
    tenth = [one for one in people if is_of_share("echo", one, 0.1)]
    assert 330 < len(tenth) < 470  # 400, and 3.7 standard deviations
    assert all(is_of_share("echo", one, 0.2) for one in tenth)
    assert len([one for one in tenth if is_of_share("other", one, 0.1)]) < 90  # another tenth for another module
    assert not is_of_share("echo", context.ANONYMOUS, 1.0)
    assert not is_of_share("echo", context.SYSTEM, 1.0)


def test_only_who_is_of_the_share_is_answered_by_it(echo: Any, tmp_path: Path, other_version: FaultProxy) -> None:
    begin(tmp_path, other_version, 0.5)
    people = [person(number) for number in range(1, 20)]
    one = next(each for each in people if is_of_share("echo", each, 0.5))
    other = next(each for each in people if not is_of_share("echo", each, 0.5))
    for actor, connections in ((other, 0), (context.ANONYMOUS, 0), (one, 1)):
        with context.acting_as(actor):
            assert echo.get_thing(3).number == 3
        assert other_version.connections == connections


def test_one_that_dies_is_taken_back_for_all_and_no_query_fails(
    echo: Any, tmp_path: Path, other_version: FaultProxy
) -> None:
    begin(tmp_path, other_version, 1.0)
    other_version.mode = "reset"
    deadline = time.monotonic() + 30
    with context.acting_as(person()):
        while not canary.read(tmp_path)["echo"].taken_back and time.monotonic() < deadline:
            assert echo.get_thing(3).number == 3
        assert "4 of 4 calls failed" in canary.read(tmp_path)["echo"].taken_back
        before = other_version.connections
        other_version.mode = "pass"
        for number in range(50):
            assert echo.get_thing(number).number == number
        assert other_version.connections == before
        begin(tmp_path, other_version, 1.0)  # once more, by hand
        assert echo.get_thing(3).number == 3
        assert other_version.connections == before + 1


def test_what_ends_is_ended_at_the_next_call(echo: Any, tmp_path: Path, other_version: FaultProxy) -> None:
    begin(tmp_path, other_version, 1.0)
    with context.acting_as(person()):
        echo.get_thing(3)
        canary.write(tmp_path, {})
        before = other_version.connections
        other_version.cut_off()
        assert echo.get_thing(3).number == 3
    assert other_version.connections == before == 1


@pytest.mark.parametrize(("rate", "others"), [(0.0, 0.0), (0.01, 0.0), (0.01, 0.01), (0.2, 0.2)])
def test_one_as_good_as_the_others_stays(rate: float, others: float) -> None:
    random_ = random.Random(7)
    taken_back = 0
    for _ in range(40):
        comparison = Comparison()
        for _ in range(500):
            for _ in range(9):
                comparison.others(has_failed=random_.random() < others)
            if comparison.canary(has_failed=random_.random() < rate):
                taken_back += 1
                break
    assert taken_back <= 6  # of 40 with 500 calls each


@pytest.mark.parametrize(("rate", "within"), [(1.0, 4), (0.5, 30), (0.15, 400)])
def test_one_that_fails_more_often_is_found(rate: float, within: int) -> None:
    random_ = random.Random(7)
    for _ in range(40):
        comparison = Comparison()
        assert any(comparison.canary(has_failed=random_.random() < rate) for _ in range(within))


def test_an_outage_of_something_that_both_need_is_no_fault_of_the_canary() -> None:
    comparison = Comparison()
    for _ in range(200):
        for _ in range(9):
            comparison.others(has_failed=True)
        assert not comparison.canary(has_failed=True)
