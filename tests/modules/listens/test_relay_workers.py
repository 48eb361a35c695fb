"""Relays with real Celery workers: rung for by the tick, killed in the middle, and no broker at all."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.bench.system import Process, Servers, kill, start_worker
from app.composition import Container
from app.contracts.listens import NewListen
from app.contracts.relays import Relay, RelayOptions
from app.host.valkey import running_valkey
from app.kernel.binding import loopback
from app.kernel.context import SYSTEM, acting_as
from app.settings import MODULE_NAMES, load
from app.topology import load as load_topology
from tests.modules.listens.others import FakeLastFm, FakeListenBrainz, running
from tests.support.line import Line, new_line
from tests.support.waiting import eventually

pytestmark = pytest.mark.extended

EVERY_SONG = [f"Song {n:03}" for n in range(230)]


@pytest.fixture
def line(servers: Servers, folder: Path) -> Iterator[Line]:
    """An instance with a broker of its own, its background work running."""
    name = uuid4().hex[:6]
    with new_line(servers, folder / f"r-{name}") as made, running_valkey(folder / f"rv-{name}") as valkey:
        made.environment["BROKER_URL"] = valkey.broker_url
        settings = load(made.environment)
        services = Container(settings, load_topology("monolith"), tuple(MODULE_NAMES), bind=loopback)
        leaders = [each for each in services.background() if each.name == "listens tick"]
        for leader in leaders:
            leader.start()
        yield Line(made.environment, settings, services)
        for leader in leaders:
            leader.stop()
            leader.join()
        for database in services.databases.values():
            database.dispose()


def worker_of(line: Line) -> Process:
    return start_worker(line.settings, line.environment)


def submit_all(line: Line, listener: UUID) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    listens = [NewListen(start + timedelta(seconds=60 * n), "Ada", title) for n, title in enumerate(EVERY_SONG)]
    line.services.listens.submit(listener, listens, "a player")


def seen(line: Line, listener: UUID) -> Relay:
    found: Relay = line.services.listens.list_relays(listener)[0]
    return found


def test_submitting_waits_for_nobody_and_a_worker_killed_in_the_middle_loses_and_repeats_nothing(line: Line) -> None:
    listener, lb = uuid4(), FakeListenBrainz()
    with running(lb):
        line.services.listens.add_relay(listener, "listenbrainz", lb.address, "", lb.token)
        started = time.monotonic()
        submit_all(line, listener)
        assert time.monotonic() - started < 2
        lb.slowness_s = 2
        first = worker_of(line)
        eventually(lambda: len(lb.submissions) == 2, within_s=60)
        kill(first)
        assert seen(line, listener).waiting == 130
        lb.slowness_s = 0
        second = worker_of(line)
        try:
            eventually(lambda: seen(line, listener).waiting == 0, within_s=60)
        finally:
            kill(second)
    assert sorted(title for _, _, title in lb.listens) == EVERY_SONG
    assert seen(line, listener).dead == 0
    repeated = [key for key, times in lb.received.items() if times > 1]
    assert len(repeated) <= 100, "no more than the batch that was under way"


def test_what_may_have_arrived_at_last_fm_is_asked_for_before_it_is_sent_again(line: Line) -> None:
    listener, fm = uuid4(), FakeLastFm()
    options = RelayOptions(api_key=fm.key, api_secret=fm.secret)
    with running(fm):
        line.services.listens.add_relay(listener, "lastfm", fm.address, fm.name, fm.password, "push", options)
        submit_all(line, listener)
        fm.slowness_s = 3  # it takes them, and says so late
        first = worker_of(line)
        eventually(lambda: len(fm.submissions) == 2, within_s=60)
        kill(first)
        fm.slowness_s = 0
        second = worker_of(line)
        try:
            eventually(lambda: seen(line, listener).waiting == 50, within_s=60)
            time.sleep(3)
            assert seen(line, listener).waiting == 50, "what may be under way still is left for a minute"
            with line.database("listens").begin() as session:
                session.execute(text("update relay_item set sent_at = sent_at - interval '61 s'"))
            eventually(lambda: seen(line, listener).waiting == 0, within_s=60)
        finally:
            kill(second)
    assert fm.titles == EVERY_SONG
    assert fm.submissions == [50, 50, 50, 50, 30]


def test_what_waits_for_a_broker_that_is_away_is_sent_once_it_is_back(servers: Servers, folder: Path) -> None:
    name, listener, lb = uuid4().hex[:6], uuid4(), FakeListenBrainz()
    with new_line(servers, folder / f"r-{name}") as line, running(lb), acting_as(SYSTEM):
        with running_valkey(folder / f"rv-{name}") as valkey:
            line.environment["BROKER_URL"] = valkey.broker_url
        line.settings = load(line.environment)
        services = Container(line.settings, load_topology("monolith"), tuple(MODULE_NAMES), bind=loopback)
        services.listens.add_relay(listener, "listenbrainz", lb.address, "", lb.token)
        tick = services.wire("listens").tick
        assert tick is not None
        started = time.monotonic()
        submit_all(line, listener)
        assert time.monotonic() - started < 2
        tick()
        with running_valkey(folder / f"rv-{name}"):
            worker = worker_of(line)
            try:
                eventually(lambda: tick() or len(lb.listens) == 230, within_s=60, every_s=0.3)
            finally:
                kill(worker)
        services.databases["listens"].dispose()
    assert max(lb.received.values()) == 1
