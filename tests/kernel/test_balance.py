"""Replicas of a module: balanced, left alone while they are away, and never more requests than there is room for."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.kernel.autoscaling import Rule, simulate
from app.kernel.balance import HANGS_AFTER_S, Instances, Overloaded
from app.kernel.contract import ServiceUnavailable
from tests.kernel.conftest import EchoServer
from tests.kernel.echo import Thing
from tests.support.faultproxy import FaultProxy


@pytest.fixture
def replicas(echo_server: EchoServer) -> Iterator[list[FaultProxy]]:
    found = [FaultProxy(("127.0.0.1", echo_server.port)) for _ in range(3)]
    yield found
    for proxy in found:
        proxy.close()


def test_requests_go_to_every_replica_and_a_slow_one_gets_fewer(
    echo_server: EchoServer, replicas: list[FaultProxy]
) -> None:
    instances = Instances("echo", [])
    instances.all = Instances("echo", [object(), object(), object()]).all  # type: ignore[list-item]
    taken = [0, 0, 0]
    slow = instances.all[0]
    slow.under_way = 5  # as many as wait for it
    for _ in range(300):
        with instances.one() as instance:
            taken[instances.all.index(instance)] += 1
    assert taken[0] == 0  # always the busier of two
    assert min(taken[1:]) > 90


def test_a_replica_that_dies_under_load_fails_no_query_and_no_idempotent_command(
    echo_server: EchoServer, replicas: list[FaultProxy]
) -> None:
    echo = echo_server.bind(ports=tuple(proxy.port for proxy in replicas))
    stopping, answers = threading.Event(), []

    def ask(_: int) -> None:
        while not stopping.is_set():
            answers.append(echo.get_thing(3))

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(ask, number) for number in range(4)]
        time.sleep(0.3)
        replicas[0].mode = "reset"
        replicas[0].cut_off()
        time.sleep(0.5)
        replicas[0].mode = "pass"
        before = replicas[0].connections
        deadline = time.monotonic() + 5
        while replicas[0].connections == before and time.monotonic() < deadline:
            time.sleep(0.05)
        stopping.set()
        for each in running:
            each.result()
    assert set(answers) == {Thing(3, "thing 3")}
    assert replicas[0].connections > before, "the replica that came back is not asked again"


def test_what_may_not_be_repeated_is_not_sent_elsewhere(echo_server: EchoServer, replicas: list[FaultProxy]) -> None:
    for proxy in replicas:
        proxy.mode, proxy.limit = "cut", 1  # it arrived, and the answer is lost
    echo = echo_server.bind(ports=tuple(proxy.port for proxy in replicas))
    with pytest.raises(ServiceUnavailable):
        echo.add(1)
    assert sum(proxy.connections for proxy in replicas) == 1


def test_where_requests_hang_the_next_is_refused_at_once(echo_server: EchoServer, replicas: list[FaultProxy]) -> None:
    room = Instances("echo", [], concurrency=2)
    done = threading.Event()

    def hang() -> None:
        with room.room():
            done.wait(30)

    threads = [threading.Thread(target=hang) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(HANGS_AFTER_S + 0.1)
    started = time.monotonic()
    with pytest.raises(Overloaded) as caught, room.room():
        pass
    assert time.monotonic() - started < 0.2
    assert (caught.value.status, caught.value.details["retry_after_s"]) == (503, 1)
    done.set()
    for thread in threads:
        thread.join()
    with room.room():
        pass


def test_one_waits_for_a_place_while_requests_come_and_go(echo_server: EchoServer) -> None:
    echo = echo_server.bind(concurrency=2)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: echo.get_thing(number), range(40)))
    assert len(answers) == 40


def test_the_autoscaling_rule_follows_a_recorded_evening() -> None:
    """Ten quiet minutes, an hour of four instances' work, and quiet again."""
    rule = Rule(target=0.6, window_s=300, least=1, most=6)
    load = [(t, 0.3) for t in range(0, 600, 15)]
    load += [(t, 2.4) for t in range(600, 4200, 15)]
    load += [(t, 0.3) for t in range(4200, 6000, 15)]
    steps = simulate(rule, load)
    instances = {step.at_s: step.instances for step in steps}
    assert instances[585] == 1
    assert instances[660] == 4  # 2.4 of work at 0.6 each, once they have started
    assert max(instances.values()) == 4
    assert instances[4200 + 270] == 4  # a quiet window passes before any stops
    assert instances[5985] == 1
    assert sum(step.busy > 1 for step in steps) <= 2  # waiting only while instances start


def test_the_autoscaling_rule_neither_flutters_nor_leaves_its_bounds() -> None:
    rule = Rule(target=0.6, window_s=300, least=2, most=3)
    load = [(t, 1.2 + 0.1 * (t // 15 % 2)) for t in range(0, 3000, 15)]
    counts = [step.instances for step in simulate(rule, load)]
    assert sum(a != b for a, b in itertools.pairwise(counts)) <= 1
    assert {step.instances for step in simulate(rule, [(0, 50.0), (60, 50.0), (120, 0.0), (600, 0.0)])} <= {2, 3}
