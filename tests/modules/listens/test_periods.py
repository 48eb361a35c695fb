"""Ranges and buckets in time zones: every moment in one bucket, days of 23 and 25 hours included."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.contracts.listens import InvalidRange
from app.modules.listens.periods import EARLIEST, LATEST, between, buckets, span, zone

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)  # a Tuesday

# Clocks that change at 1, 2 or 3 o'clock, at midnight (forwards, and back onto it), by half an hour, or not.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("this_week", "2026-11-23", "2026-11-30"),
        ("week", "2026-11-16", "2026-11-23"),
        ("this_month", "2026-11-01", "2026-12-01"),
        ("month", "2026-10-01", "2026-11-01"),
        ("quarter", "2026-07-01", "2026-10-01"),
        ("half_yearly", "2026-01-01", "2026-07-01"),
        ("this_year", "2026-01-01", "2027-01-01"),
        ("year", "2025-01-01", "2026-01-01"),
    ],
)
@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_ranges_are_the_words_of_listenbrainz(name: str, start: str, end: str, timezone: str) -> None:
    local = ZoneInfo(timezone)
    expected = tuple(datetime.fromisoformat(side).replace(tzinfo=local) for side in (start, end))
    assert span(name, NOW, timezone) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "name", "start"),
    [
        ("2026-01-01T00:00+00:00", "year", "2025-01-01"),
        ("2026-01-01T00:00+00:00", "quarter", "2025-10-01"),
        ("2026-03-31T12:00+00:00", "half_yearly", "2025-07-01"),
        ("2024-02-29T12:00+00:00", "this_month", "2024-02-01"),
        ("2026-11-23T00:00+00:00", "this_week", "2026-11-23"),
        ("2026-11-22T23:59+00:00", "this_week", "2026-11-16"),
    ],
)
def test_ranges_at_their_edges(now: str, name: str, start: str) -> None:
    begins, _ = span(name, datetime.fromisoformat(now), "UTC")  # type: ignore[arg-type]
    assert begins == datetime.fromisoformat(start).replace(tzinfo=UTC)


def test_today_depends_on_where_one_is() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # Monday already in Berlin
    assert span("this_week", late, "Europe/Berlin")[0] == datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert span("this_week", late, "UTC")[0] == datetime(2026, 11, 16, tzinfo=UTC)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "x\0", "é" * 100])
def test_what_is_no_time_zone_is_an_invalid_range(name: str) -> None:
    with pytest.raises(InvalidRange):
        zone(name)


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),  # there was no midnight
        ("America/Havana", "2026-11-01", 25),  # there were two
        ("Pacific/Apia", "2011-12-29", 24),  # the day after it never came
        ("UTC", "2026-03-29", 24),
    ],
)
def test_a_day_is_as_long_as_it_was_there(timezone: str, day: str, hours: float) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    [bucket] = buckets(noon, noon + timedelta(minutes=1), timezone)
    assert bucket[1] - bucket[0] == timedelta(hours=hours)
    assert bucket[0] <= noon < bucket[1]


def test_an_ambiguous_midnight_is_the_first_of_the_two() -> None:
    second = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # 00:30 in Havana, for the second time
    assert second.astimezone(ZoneInfo("America/Havana")).fold == 1
    [bucket] = buckets(second, second + timedelta(minutes=1), "America/Havana")
    assert bucket[0] == datetime(2026, 11, 1, 4, tzinfo=UTC)
    later = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert span("this_month", later, "America/Havana")[0] == datetime(2026, 11, 1, 4, tzinfo=UTC)


@given(
    start=st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1)),
    length=st.timedeltas(timedelta(seconds=1), timedelta(days=8000)),
    timezone=st.sampled_from(ZONES),
)
@settings(max_examples=300, deadline=None)
def test_buckets_follow_each_other_and_cover_the_range(start: datetime, length: timedelta, timezone: str) -> None:
    begin = start.replace(tzinfo=UTC)
    found = buckets(begin, begin + length, timezone)
    assert found[0][0] <= begin
    assert found[-1][0] < begin + length <= found[-1][1]
    assert all(first[1] == second[0] for first, second in pairwise(found))
    # Apia skipped a day: a bucket of no length is a day that was not
    assert all(first < last or timezone == "Pacific/Apia" for first, last in found)
    assert len(found) <= 64


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOW, NOW),
        (NOW, NOW - timedelta(seconds=1)),
        (datetime(1, 1, 1, tzinfo=UTC), None),
        (None, datetime(9999, 12, 31, tzinfo=UTC)),
        (datetime(1, 1, 1), None),
    ],
)
def test_a_range_that_can_not_be_is_invalid(start: datetime | None, end: datetime | None) -> None:
    with pytest.raises(InvalidRange):
        between(start, end, "Europe/Berlin")


def test_a_time_without_zone_is_one_of_the_place() -> None:
    start, end = between(datetime(2026, 7, 1), NOW, "Europe/Berlin")
    assert (start, end) == (datetime(2026, 6, 30, 22, tzinfo=UTC), NOW)
    assert between(EARLIEST, LATEST, "UTC") == (EARLIEST, LATEST)
    assert between(None, NOW, "UTC") == (None, NOW)
