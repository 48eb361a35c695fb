"""Roll-ups are what a recount of the log gives, whatever happened in whatever order."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.bench import big_history
from app.contracts.accounts import ListenerErased
from app.contracts.listens import Listen, ListenerListens, NewListen, NewPlaycount
from app.kernel.db import Database, module_url
from app.modules.listens import rollups
from app.modules.listens.log import Changed
from app.modules.listens.service import forget_erased
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import history

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
# Around changes of clocks, the day that Samoa left out, the turn of a year, and an end of February.
MOMENTS = [
    datetime(2011, 12, 29, 22, tzinfo=UTC),
    datetime(2023, 12, 31, 21, tzinfo=UTC),
    datetime(2024, 2, 28, 22, tzinfo=UTC),
    datetime(2024, 3, 30, 22, tzinfo=UTC),
    datetime(2024, 4, 6, 13, tzinfo=UTC),
    datetime(2024, 10, 26, 22, tzinfo=UTC),
    datetime(2024, 11, 3, 4, tzinfo=UTC),
]
SONGS = [
    ("Ada", "Song", None),
    ("Ada", "Song", "Air"),
    ("ADA", "song", "air"),
    ("Bob", "Tune", "Fog"),
    ("Cleo", "Air", None),
]
times = st.builds(
    lambda moment, minutes: moment + timedelta(minutes=minutes), st.sampled_from(MOMENTS), st.integers(0, 48 * 60)
)
plays = st.builds(lambda at, song: NewListen(at, *song), times, st.sampled_from(SONGS))
acts = st.one_of(
    st.tuples(st.just("submit"), st.lists(plays, min_size=1, max_size=3)),
    st.tuples(st.just("import"), st.lists(plays, min_size=21, max_size=60)),
    st.tuples(st.just("delete"), st.integers(0, 1000)),
    st.tuples(st.just("follow"), st.none()),
)
spans = st.tuples(times, times).filter(lambda span: span[0] < span[1])


def kept(own: Instance, listener: UUID) -> tuple[Any, Any, Any]:
    """Return what the roll-ups hold of a listener: by item, by item and month, by quarter."""
    with own.database.begin() as session:
        items = session.execute(
            text(
                "select item_id, recording_key, release_key, plays, first_at, last_at"
                " from item_total where listener_id = :id"
            ),
            {"id": listener},
        ).all()
        months = session.execute(
            text("select item_id, month, plays, first_at, last_at from item_month where listener_id = :id"),
            {"id": listener},
        ).all()
        quarters = session.execute(
            text("select at, plays from quarter_hour where listener_id = :id"), {"id": listener}
        ).all()
    key = {item[0]: (item[1], item[2]) for item in items}
    return (
        {key[row[0]]: tuple(row[3:]) for row in items},
        {(key[row[0]], row[1]): tuple(row[2:]) for row in months},
        {row[0]: row[1] for row in quarters},
    )


def recounted(listens: list[Listen]) -> tuple[Any, Any, Any]:
    """Return what they should hold, counted by hand."""
    items, months, quarters = defaultdict(list), defaultdict(list), Counter[datetime]()
    for each in listens:
        key = (each.recording_key, each.release_key or rollups.NO_RELEASE)
        at = each.listened_at
        items[key].append(at)
        months[key, date(at.year, at.month, 1)].append(at)
        quarters[at.replace(minute=at.minute // 15 * 15, second=0)] += 1
    span = lambda at: (len(at), min(at), max(at))  # noqa: E731
    return {k: span(at) for k, at in items.items()}, {k: span(at) for k, at in months.items()}, dict(quarters)


def check_figures(own: Instance, listener: UUID, shown: list[Listen], zone: str, span: Any) -> None:
    """Compare the answers about a span with a count by hand."""
    start, end = span
    inside = [
        each
        for each in shown
        if (start is None or start <= each.listened_at) and (end is None or each.listened_at < end)
    ]
    given: Any = {"start": start, "end": end, "timezone": zone}
    for entity, name in (("recordings", "recording_key"), ("artists", "artist_key"), ("releases", "release_key")):
        top = own.listens.top(listener, entity, limit=1000, **given)  # type: ignore[arg-type]
        counted = Counter(getattr(each, name) for each in inside if getattr(each, name))
        assert ({item.key: item.plays for item in top.items}, top.total) == (counted, len(counted))
    local = [each.listened_at.astimezone(ZoneInfo(zone)) for each in inside]
    pattern = own.listens.pattern(listener, **given).plays
    assert Counter({(d, h): n for d, row in enumerate(pattern) for h, n in enumerate(row) if n}) == Counter(
        (at.weekday(), at.hour) for at in local
    )
    buckets = own.listens.activity(listener, **given).buckets
    assert sum(bucket.plays for bucket in buckets) == len(inside)
    for bucket in buckets:
        assert bucket.plays == sum(bucket.start <= at < bucket.end for at in local)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(acts, min_size=1, max_size=8), st.sampled_from(ZONES), spans)
def test_roll_ups_and_figures_are_those_of_a_recount(own: Instance, done: list[Any], zone: str, span: Any) -> None:
    listener = uuid4()
    for act, given_ in done:
        if act == "follow":
            own.follow()
        elif act == "delete":
            shown = history(own.listens, listener)
            if shown:
                gone = shown[given_ % len(shown)]
                own.listens.delete_listen(listener, gone.listened_at, gone.recording_key)
        elif act == "submit":
            own.listens.submit(listener, given_, "phone")
        else:
            own.listens.load([ListenerListens(listener, given_)], "file")
    own.follow()
    shown = history(own.listens, listener)
    assert kept(own, listener) == recounted(shown)
    for asked in (span, (None, None), (span[0], None), (None, span[1])):
        check_figures(own, listener, shown, zone, asked)
    # what the roll-ups do not hold yet is in the figures all the same
    own.listens.submit(listener, [NewListen(span[0], "Dora", "New")])
    if shown:
        own.listens.delete_listen(listener, shown[0].listened_at, shown[0].recording_key)
    check_figures(own, listener, history(own.listens, listener), zone, span)
    check_figures(own, listener, history(own.listens, listener), zone, (None, None))


@pytest.fixture
def played(own: Instance, listener: UUID) -> Iterator[UUID]:
    chance = random.Random(5)
    at = MOMENTS[1]
    listens = []
    for _ in range(400):
        at += timedelta(minutes=chance.randrange(5, 5000))
        listens.append(NewListen(at, *chance.choice(SONGS)))
    own.listens.load([ListenerListens(listener, listens)], "file")
    own.follow()
    return listener


def test_a_replay_from_zero_gives_the_same(own: Instance, played: UUID) -> None:
    before = kept(own, played)
    [follower] = [each for each in own.wired.followers if each.name == rollups.NAME]
    follower.replay()
    assert kept(own, played) == ({}, {}, {})
    assert own.listens.summary(played).plays in {0, 400}  # what is behind is read from the log where it is little
    own.follow()
    assert kept(own, played) == before


def test_a_page_applied_again_changes_nothing(own: Instance, played: UUID) -> None:
    before = kept(own, played)
    with own.database.begin() as session:
        rollups.recount(session, {(played, month) for month in rollups.months_between(MOMENTS[1], MOMENTS[6])})
        wrote = session.execute(text("select pg_current_xact_id_if_assigned()")).scalar()
    assert (kept(own, played), wrote) == (before, None)


def test_nothing_of_an_erased_listener_is_left_in_the_roll_ups(own: Instance, played: UUID) -> None:
    own.listens.set_playcounts([NewPlaycount(played, "Ada", "Song", 5)], "library")
    with own.database.begin() as session:
        forget_erased(session, [ListenerErased(played)])
    assert kept(own, played) == ({}, {}, {})
    assert not own.listens.has_traces(played)
    own.follow()
    assert not own.listens.has_traces(played)


def test_what_benchmarks_write_at_once_is_what_following_leaves(own: Instance) -> None:
    listener, catalogue = uuid4(), big_history.Catalogue.made(20)
    owner = Database(module_url(own.settings, "listens", "migrate"))
    big_history.copy(owner, iter([big_history.history(catalogue, listener, 400, 1, big_history.now())]))
    owner.dispose()
    big_history.roll_up(own.database, [listener])
    written, listens = kept(own, listener), history(own.listens, listener)
    assert len(listens) == 400
    assert written == recounted(listens)
    with own.database.begin() as session:
        months = rollups.months_between(listens[-1].listened_at, listens[0].listened_at)
        rollups.recount(session, {(listener, month) for month in months})
    assert kept(own, listener) == written


def test_months_of_a_listener_that_the_planner_knows_nothing_of_are_not_compared_row_by_row(own: Instance) -> None:
    given = {"listeners": [uuid4()], "months": [date(2004, 11, 1)]}
    with own.database.begin() as session:
        plan = session.execute(text(f"explain {rollups.RECOUNT_MONTHS.text}"), given).scalars().all()
    written = "\n".join(plan).partition("CTE put")[2].partition("CTE removed")[0]
    assert "CTE Scan on played" in written
    assert "Nested Loop" not in written


def test_recordings_are_counted_without_walking_the_months_they_are_in(own: Instance, played: UUID) -> None:
    given = {"listeners": [played], "months": [date(2024, 2, 1)], "recordings": [uuid4()]}
    with own.database.begin() as session:
        plan = session.execute(text(f"explain {rollups.RECOUNT_RECORDINGS.text}"), given).scalars().all()
    assert "item_id = known.item_id" in "\n".join(plan)


@pytest.mark.parametrize("count", [3, 100])
def test_plays_that_are_told_again_change_nothing(own: Instance, played: UUID, count: int) -> None:
    before = kept(own, played)
    told = [
        Changed("listened", played, int(at.timestamp()), int(at.timestamp()), each.recording_key)
        for each in history(own.listens, played)[:count]
        for at in [each.listened_at]
    ]
    with own.database.begin() as session:
        rollups.apply(session, told)
    assert kept(own, played) == before


def test_plays_of_a_recording_that_come_one_by_one_add_up(own: Instance, listener: UUID) -> None:
    at = MOMENTS[1]
    for number in range(4):
        own.listens.submit(listener, [NewListen(at + timedelta(hours=number), *SONGS[number % 3])])
        own.follow()
    for _ in range(2):
        last = history(own.listens, listener)[0]
        own.listens.delete_listen(listener, last.listened_at, last.recording_key)
        own.follow()
        assert kept(own, listener) == recounted(history(own.listens, listener))
