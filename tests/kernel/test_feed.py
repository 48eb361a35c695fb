"""The log is the feed: no event lost, each applied once, and a replay gives the same state."""

import itertools
import random
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.bench.system import ROOT, Servers, environment_for
from app.kernel import feed, migrations
from app.kernel.db import Database, module_url
from app.kernel.feed import FeedReset, Follower
from app.settings import Settings, load
from tests.support.waiting import eventually


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    name: str
    number: int


DECODER = msgspec.json.Decoder(Counted)


@dataclass(frozen=True)
class Page:
    events: list[Counted]
    cursor: str


@dataclass
class Log:
    """A log (of `listens`, for its tables) and beside it the tables of a follower, made anew for each test."""

    settings: Settings
    database: Database

    def append(self, session: Session, *events: Counted) -> None:
        feed.append(session, events)

    def add(self, *events: Counted) -> None:
        with self.database.begin() as session:
            self.append(session, *events)

    def pull(self, after: str, limit: int) -> Page:
        found, cursor = feed.read(self.database, after, limit)
        return Page([DECODER.decode(each) for each in found], cursor)

    def read_all(self, after: str = "", limit: int = 3) -> tuple[list[Counted], str]:
        found: list[Counted] = []
        while (page := self.pull(after, limit)).events:
            found += page.events
            after = page.cursor
        return found, after

    def settled(self, count: int) -> list[Counted]:
        """Return all events once there are `count`: transactions of other databases can hold a feed back."""
        eventually(lambda: len(self.read_all()[0]) >= count)
        return self.read_all()[0]

    def follower(self) -> Follower[Counted]:
        return Follower("test", self.database, self.pull, apply_counted, reset_counted, limit=3)

    def state(self) -> dict[str, int]:
        with self.database.begin() as session:
            rows = session.execute(text("select name, total from counted")).all()
        return {row.name: row.total for row in rows}

    def caught_up(self, expected: dict[str, int]) -> None:
        follower = self.follower()
        eventually(lambda: follower.catch_up() is not None and self.state() == expected)


def apply_counted(session: Session, events: Sequence[Counted]) -> None:
    """Add up what is told: applied twice, or not at all, the sums are wrong."""
    for event in events:
        session.execute(
            text(
                """
                insert into counted values (:name, :number)
                on conflict (name) do update set total = counted.total + excluded.total
                """
            ),
            {"name": event.name, "number": event.number},
        )


def reset_counted(session: Session) -> None:
    session.execute(text("delete from counted"))


@pytest.fixture(scope="module")
def migrated(servers: Servers, folder: Path) -> Iterator[tuple[Settings, Database]]:
    name = f"segue_feed_{secrets.token_hex(4)}"
    settings = load(environment_for(servers, folder / name, name, "monolith"))
    migrations.bootstrap(settings, ["listens"])
    migrations.upgrade(settings, "listens")
    with Database(module_url(settings, "listens", "migrate")).begin() as session:
        session.execute(text("create table counted (name text primary key, total bigint not null)"))
    database = Database(module_url(settings, "listens"), pool_size=8)
    yield settings, database
    database.dispose()


@pytest.fixture
def log(migrated: tuple[Settings, Database]) -> Log:
    settings, database = migrated
    with database.begin() as session:
        for table in ("event", "feed_cursor", "counted"):
            session.execute(text(f"delete from {table}"))
    return Log(settings, database)


def counted(count: int, start: int = 0) -> list[Counted]:
    return [Counted("abc"[n % 3], n) for n in range(start, start + count)]


def sums(events: Sequence[Counted]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for event in events:
        found[event.name] += event.number
    return dict(found)


def test_events_come_in_their_order_and_the_end_has_a_cursor(log: Log) -> None:
    log.add(*counted(5))
    log.add(*counted(5, 5))
    assert log.settled(10) == counted(10)
    _, end = log.read_all()
    assert log.pull(end, 10) == Page([], end)
    log.add(Counted("a", 10))
    assert eventually(lambda: log.pull(end, 10).events) == [Counted("a", 10)]


def test_an_event_that_commits_late_is_not_lost(log: Log) -> None:
    with log.database.begin() as late:
        log.append(late, Counted("late", 1))  # gets its number first
        log.add(Counted("early", 2))  # and this one is there first
        before, cursor = log.read_all()
        assert before == []  # what is read is final, so nothing behind the late one is told yet
    after = eventually(lambda: log.read_all(cursor)[0])
    assert after == [Counted("late", 1), Counted("early", 2)]
    assert log.read_all(log.read_all(cursor)[1])[0] == []


def test_an_event_that_is_rolled_back_is_never_told(log: Log) -> None:
    with log.database.begin() as session:
        log.append(session, Counted("never", 1))
        session.rollback()
    log.add(Counted("told", 2))
    assert log.settled(1) == [Counted("told", 2)]


def test_a_reader_beside_many_writers_sees_each_event_once(log: Log) -> None:
    """Six writers, each with transactions of its own length, some rolled back; one reader that never waits."""
    committed: list[Counted] = []
    lock = threading.Lock()

    def write(writer: int) -> None:
        draw = random.Random(writer)  # fixed: a failure can be run again
        for n in range(15):
            events = [Counted(f"w{writer}", n * 10 + k) for k in range(draw.randrange(1, 4))]
            is_kept = draw.random() < 0.8
            with log.database.engine.connect() as connection, Session(connection) as session:
                log.append(session, *events)
                threading.Event().wait(draw.random() * 0.02)
                session.commit() if is_kept else session.rollback()
            if is_kept:
                with lock:
                    committed.extend(events)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for writer in writers:
        writer.start()
    seen, cursor = [], ""
    while any(writer.is_alive() for writer in writers):
        found, cursor = log.read_all(cursor, limit=2)
        seen += found
    for writer in writers:
        writer.join()
    log.settled(len(committed))
    seen += log.read_all(cursor)[0]
    assert Counter(seen) == Counter(committed)
    for writer_number in range(6):  # and each writer's in the order it wrote them
        told = [e.number for e in seen if e.name == f"w{writer_number}"]
        assert told == sorted(told)


def test_commits_in_every_order_of_three_writers_tell_each_event_once(log: Log) -> None:
    told: list[Counted] = []
    cursor = ""
    for number, order in enumerate(itertools.permutations(range(3))):
        with Session(log.database.engine) as a, Session(log.database.engine) as b, Session(log.database.engine) as c:
            writers = (a, b, c)
            for writer in (*range(3), *order):  # positions of one lie between those of the others
                log.append(writers[writer], Counted("abc"[writer], number))
            for writer in order:
                writers[writer].commit()
                found, cursor = log.read_all(cursor)
                told += found
    assert len(log.settled(36)) == 36
    told += log.read_all(cursor)[0]
    assert Counter(told) == {Counted(name, number): 2 for name in "abc" for number in range(6)}
    assert told == log.read_all()[0]


BEYOND = "9" * 30


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "1:2", "2:1:1", "1:a:1", "1:1:1:1", "-1:0:0", ":::", "1:1:²"),
        *(f"{BEYOND}:1:1", f"1:{BEYOND}:1", f"1:1:{BEYOND}", f"{'9' * 5000}:1:1", "1:18446744073709551616:1"),
    ],
)
def test_a_cursor_of_another_generation_or_form_starts_anew(log: Log, cursor: str) -> None:
    with pytest.raises(FeedReset):
        log.pull(cursor, 10)


def test_a_follower_applies_each_event_once(log: Log) -> None:
    log.add(*counted(10))
    log.caught_up(sums(counted(10)))
    assert log.follower().catch_up() == 0
    log.add(*counted(7, 10))
    log.caught_up(sums(counted(17)))


def test_of_two_followers_that_pulled_the_same_page_one_applies_it(log: Log) -> None:
    log.add(*counted(3))
    log.settled(3)
    first = log.follower()

    def pull_while_another_applies(after: str, limit: int) -> Page:
        page = log.pull(after, limit)
        first.step()
        return page

    second = Follower("test", log.database, pull_while_another_applies, apply_counted, reset_counted, limit=3)
    assert second.step() == 0
    assert log.state() == sums(counted(3))


def test_followers_that_race_beside_writers_apply_each_event_once(log: Log) -> None:
    is_over = threading.Event()
    failures: list[Exception] = []

    def follow() -> None:
        follower = log.follower()
        try:
            while not is_over.is_set():
                if not follower.step():
                    is_over.wait(0.002)
        except Exception as error:
            failures.append(error)

    def write(writer: int) -> None:
        for n in range(20):
            log.add(Counted(f"w{writer}", n), Counted("all", n))

    followers = [threading.Thread(target=follow) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in (*followers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    try:
        eventually(lambda: log.state().get("all", 0) >= 3 * 190, within_s=15)
    finally:
        is_over.set()
        for thread in followers:
            thread.join()
    log.caught_up({"all": 3 * 190, "w0": 190, "w1": 190, "w2": 190})
    assert not failures


def test_an_effect_that_fails_moves_no_cursor(log: Log) -> None:
    log.add(*counted(3))
    log.settled(3)

    def fail(session: Session, events: Sequence[Counted]) -> None:
        apply_counted(session, events)
        raise RuntimeError("between the effect and the end")

    with pytest.raises(RuntimeError):
        Follower("test", log.database, log.pull, fail, reset_counted).step()
    assert log.state() == {}
    log.caught_up(sums(counted(3)))


KILLED = """
import os, signal, sys
from types import SimpleNamespace
from sqlalchemy import text
from sqlalchemy.engine import make_url
from app.kernel import feed
from app.kernel.db import Database

database = Database(make_url(sys.stdin.read()))

def pull(after, limit):
    events, cursor = feed.read(database, after, limit)
    return SimpleNamespace(events=events, cursor=cursor)

def apply(session, events):
    session.execute(text("update counted set total = total + 1"))
    os.kill(os.getpid(), signal.SIGKILL)

feed.Follower("test", database, pull, apply, lambda session: None).step()
"""


def test_a_follower_killed_between_effect_and_cursor_loses_and_repeats_nothing(log: Log) -> None:
    log.add(*counted(10))
    log.settled(10)
    log.follower().step()
    url = log.database.url.render_as_string(hide_password=False)
    killed = subprocess.run([sys.executable, "-c", KILLED], input=url, text=True, cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert log.state() == sums(counted(3))  # only what the step before it did
    log.caught_up(sums(counted(10)))


def test_a_replay_from_zero_gives_the_same_state(log: Log) -> None:
    log.add(*counted(20))
    log.caught_up(sums(counted(20)))
    log.follower().replay()
    assert log.state() == {}
    log.caught_up(sums(counted(20)))


def test_after_a_restore_the_log_begins_a_new_generation_and_followers_start_anew(log: Log) -> None:
    """Restored into a younger server, the log holds transaction ids that this one has not given yet."""
    log.add(*counted(8))
    log.caught_up(sums(counted(8)))
    _, old = log.read_all()
    with log.database.begin() as session:
        session.execute(text("update event set xid = cast('900000000000' as xid8) where position % 2 = 0"))
    assert len(log.read_all()[0]) < 8  # those are not told: they seem to be still under way
    with log.database.begin() as session:
        feed.ensure_generation(session)
    with pytest.raises(FeedReset):
        log.pull(old, 10)
    assert Counter(log.settled(8)) == Counter(counted(8))
    log.add(*counted(2, 8))
    assert log.settled(10)[8:] == counted(2, 8)
    log.caught_up(sums(counted(10)))
    with log.database.begin() as session:
        feed.ensure_generation(session)  # once is enough
    assert log.follower().catch_up() == 0


def test_a_cursor_of_a_time_that_the_server_has_not_come_to_starts_anew(log: Log) -> None:
    """The server was set back to an older state, its follower elsewhere was not."""
    log.add(*counted(3))
    log.settled(3)
    with log.database.begin() as session:
        coming = session.execute(text("select pg_snapshot_xmax(pg_current_snapshot())::text")).scalar_one()
    with pytest.raises(FeedReset):
        log.pull(f"1:{int(coming) + 1000}:2", 10)
    log.follower().catch_up()
    with log.database.begin() as session:
        session.execute(text("update feed_cursor set cursor = :ahead"), {"ahead": f"1:{int(coming) + 1000}:2"})
    log.add(*counted(3, 3))
    log.caught_up(sums(counted(6)))


def test_a_restored_log_keeps_the_order_it_was_told_in(log: Log) -> None:
    with Session(log.database.engine) as early, Session(log.database.engine) as late:
        log.append(early, Counted("early", 1))
        log.append(late, Counted("late", 1))
        log.append(early, Counted("early", 2))
        late.commit()
        early.commit()
    log.add(Counted("last", 1))
    before = log.settled(4)
    with log.database.begin() as session:
        session.execute(text("update event set xid = ((xid::text::numeric + 800000000000)::text)::xid8"))
    with log.database.begin() as session:
        feed.ensure_generation(session)
    assert log.settled(4) == before


def test_nothing_to_append_is_no_event(log: Log) -> None:
    log.add()
    assert log.read_all()[0] == []
