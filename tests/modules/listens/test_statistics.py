"""Counting what was played: top lists, activity, summaries."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.contracts.identity import artist_key, identify
from app.contracts.listens import InvalidRange, Listens, NewListen, NewPlaycount
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import START, play


def shown(listens: Listens, listener_id: UUID, entity: Any = "recordings", **more: Any) -> list[tuple[str, int]]:
    return [(item.title, item.plays) for item in listens.top(listener_id, entity, **more).items]


def played(*titles: str, artist: str = "Ada", **more: Any) -> list[NewListen]:
    """Plays of titles, ten minutes apart."""
    return [play(n * 600, title, artist, **more) for n, title in enumerate(titles)]


def test_the_most_played_come_first_and_ties_by_name(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, played(*"bacbac", "d", "b"))
    assert shown(listens, listener) == [("b", 3), ("a", 2), ("c", 2), ("d", 1)]
    assert shown(listens, listener, "artists") == [("Ada", 8)]
    assert shown(listens, listener, "releases") == []


def test_releases_and_artists_are_counted_by_key_however_written(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0, "a", "Ada", release="Air"), play(600, "b", "ADA feat. X", release="AIR")])
    [artist] = listens.top(listener, "artists").items
    [release] = listens.top(listener, "releases").items
    assert (artist.key, artist.plays, release.plays) == (artist_key("ada"), 2, 2)
    assert release.artist_key == artist.key


def test_a_page_of_a_top_list_knows_how_many_there_are(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, played(*"aabbc"))
    assert listens.top(listener, "recordings").total == 3
    assert listens.top(uuid4(), "recordings").total == 0
    page = listens.top(listener, "recordings", limit=1, offset=1)
    assert ([item.title for item in page.items], page.total) == (["b"], 3)
    beyond = listens.top(listener, "recordings", offset=50)
    assert (beyond.items, beyond.total) == ([], 3)


def test_a_range_includes_its_start_and_not_its_end(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, played(*"abc"))
    start, end = START, START + timedelta(minutes=20)
    assert shown(listens, listener, start=start, end=end) == [("a", 1), ("b", 1)]
    assert shown(listens, listener, start=end) == [("c", 1)]
    assert shown(listens, listener, end=end) == [("a", 1), ("b", 1)]


def test_hidden_repeats_are_counted_nowhere(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, played("a", "b"), "phone")
    listens.submit(listener, [play(3, "a")], "desktop")
    assert shown(listens, listener) == [("a", 1), ("b", 1)]
    assert listens.summary(listener).plays == 2
    assert [item.plays for item in listens.artist_top(listener, artist_key("Ada"))] == [1, 1]
    assert sum(bucket.plays for bucket in listens.activity(listener).buckets) == 2


def test_totals_without_timestamps_belong_to_all_time(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, played("a"))
    listens.set_playcounts([NewPlaycount(listener, "Ada", "a", 4), NewPlaycount(listener, "Ada", None, 9)], "library")
    assert shown(listens, listener) == [("a", 5)]
    assert shown(listens, listener, "artists") == [("Ada", 14)]
    assert shown(listens, listener, start=START) == [("a", 1)]


def test_a_summary_of_all_or_of_one_artist(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [*played("a", "b"), play(-600, "c", "Grace")])
    whole, of_one = listens.summary(listener), listens.summary(listener, artist_key("Ada"))
    assert (whole.plays, whole.first_listened_at) == (3, START - timedelta(seconds=600))
    assert (of_one.plays, of_one.first_listened_at, of_one.last_listened_at) == (
        2,
        START,
        START + timedelta(seconds=600),
    )
    nothing = listens.summary(uuid4())
    assert (nothing.plays, nothing.first_listened_at, nothing.last_listened_at) == (0, None, None)


def test_an_artists_most_played_recordings(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [*played(*"aab"), play(-60, "other", "Grace")])
    found = listens.artist_top(listener, artist_key("Ada"), 1)
    assert [(item.title, item.plays, item.key) for item in found] == [("a", 2, identify("Ada", "a").recording_key)]
    assert listens.artist_top(listener, artist_key("Nobody")) == []


@pytest.mark.parametrize(
    ("timezone", "plays"), [("UTC", [0, 1, 1, 0]), ("Europe/Berlin", [0, 0, 2, 0]), ("America/New_York", [1, 1, 0, 0])]
)
def test_days_are_cut_where_the_listener_is(listens: Listens, listener: UUID, timezone: str, plays: list[int]) -> None:
    """Around the night in which Berlin's clocks go forward, 28 to 29 March 2026."""
    at = [datetime(2026, 3, 28, 23, 30, tzinfo=UTC), datetime(2026, 3, 29, 0, 30, tzinfo=UTC)]
    if timezone == "America/New_York":
        at[0] -= timedelta(days=1)
    listens.submit(listener, [NewListen(each, "Ada", "Song") for each in at])
    first = datetime(2026, 3, 27)
    activity = listens.activity(listener, start=first, end=first + timedelta(days=4), timezone=timezone)
    assert [bucket.plays for bucket in activity.buckets] == plays
    lengths = [bucket.end - bucket.start for bucket in activity.buckets]
    assert lengths[2] == timedelta(hours=23 if timezone == "Europe/Berlin" else 24)


def test_activity_of_all_time_begins_with_the_first_listen(own: Instance, listener: UUID) -> None:
    own.now = datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert own.listens.activity(listener).buckets == []
    own.listens.submit(listener, [play(0), play(86_400)])
    activity = own.listens.activity(listener)
    assert activity.buckets[0].start == START
    assert (activity.buckets[-1].start, activity.buckets[-1].end) == (
        datetime(2024, 3, 1, tzinfo=UTC),
        datetime(2024, 3, 2, tzinfo=UTC),
    )
    assert [bucket.plays for bucket in activity.buckets][:3] == [1, 1, 0]
    assert own.listens.activity(listener, end=START - timedelta(days=5)).buckets == []


def test_the_last_complete_week_is_not_this_one(own: Instance, listener: UUID) -> None:
    own.now = datetime(2024, 1, 10, 12, tzinfo=UTC)  # a Wednesday
    own.listens.submit(listener, [play(n * 86_400) for n in range(9)])
    assert shown(own.listens, listener, range="week") == [("Song", 7)]
    assert shown(own.listens, listener, range="this_week") == [("Song", 2)]
    top = own.listens.top(listener, "recordings", "week")
    assert (top.start, top.end) == (START, START + timedelta(days=7))


@pytest.mark.parametrize(
    "wrong",
    [
        {"timezone": "Mars/Olympus"},
        {"start": START, "end": START},
        {"end": datetime(1969, 1, 1, tzinfo=UTC)},
        {"limit": 0},
        {"limit": 1001},
        {"offset": -1},
    ],
)
def test_what_is_no_range_is_an_error_that_says_so(listens: Listens, listener: UUID, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRange):
        listens.top(listener, "artists", **wrong)
