"""Figures beside each other: a span and the one before, an item, two listeners; all against a count by hand."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.composition import Container
from app.contracts.accounts import Preferences
from app.contracts.identity import artist_key, identify, release_key
from app.contracts.listens import ListenerListens, Listens, NewListen
from app.contracts.statistics import ItemNotPlayed, NotComparable, Run, Span
from app.kernel.context import acting_as
from tests.modules.listens.conftest import Instance
from tests.support.people import new_person

START = datetime(2023, 11, 1, tzinfo=UTC)
SONGS = [("Ada", "One", "Air"), ("Ada", "Two", "Air"), ("Bob", "Three", None), ("Cleo", "Four", "Fog")]
plays = st.lists(
    st.builds(
        lambda hours, song: NewListen(START + timedelta(hours=hours, minutes=7), *song),
        st.integers(0, 24 * 240),
        st.sampled_from(SONGS),
    ),
    max_size=80,
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])


def inside(listens: list[NewListen], span: Span) -> list[NewListen]:
    start, end = span.start or START, span.end or datetime(2100, 1, 1, tzinfo=UTC)
    return [each for each in listens if start <= each.listened_at < end]


def rank_of(counts: Counter[Any], key: Any) -> int | None:
    return 1 + sum(plays > counts[key] for plays in counts.values()) if counts[key] else None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plays, ZONES, st.integers(0, 3), st.booleans())
def test_figures_of_any_month_are_those_of_a_count(
    own: Instance, played: list[NewListen], zone: str, month: int, is_followed: bool
) -> None:
    listener, local = uuid4(), ZoneInfo(zone)
    own.now = datetime(2024, 8, 1, tzinfo=UTC)
    own.follow()  # what others left behind: figures read only so much of it from the log
    own.listens.load([ListenerListens(listener, played)], "file")
    if is_followed:
        own.follow()
    played = list({(each.listened_at, each.title): each for each in played}.values())
    edges = [
        datetime(2023, 12, 1, tzinfo=local),
        datetime(2024, 1, 1, tzinfo=local),
        datetime(2024, 2, 1, tzinfo=local),
    ]
    span, before = [
        (Span(edges[1], edges[2]), Span(edges[0], edges[1])),
        (Span(edges[0], datetime(2024, 6, 3, 5, 1, tzinfo=UTC)), Span(None, edges[0])),
        (Span(), None),
        (Span(edges[1]), None),
    ][month]
    now, then = inside(played, span), inside(played, before) if before else []

    counts, counts_before = Counter(each.artist for each in now), Counter(each.artist for each in then)
    page = own.listens.ranked(listener, "artists", span, before)
    assert {item.artist: (item.plays, item.rank, item.plays_before, item.rank_before) for item in page.items} == {
        name: (n, rank_of(counts, name), counts_before[name], rank_of(counts_before, name))
        for name, n in counts.items()
    }
    assert (page.total, page.total_before) == (len(counts), len(counts_before))

    shown = own.listens.overview(listener, span, before, zone)
    days = {each.listened_at.astimezone(local).date() for each in now}
    firsts: dict[str, datetime] = {}
    for each in sorted(played, key=lambda each: each.listened_at):
        firsts.setdefault(each.artist, each.listened_at)
    met = {name for name in counts if firsts[name] in {each.listened_at for each in now}}
    assert (shown.counts.plays, shown.counts.artists, shown.counts.days) == (len(now), len(counts), len(days))
    assert shown.counts.new_artists == len(met) == sum(bucket.plays for bucket in shown.discovered)
    assert {each.artist for each in shown.discoveries} == met
    assert sum(map(sum, shown.pattern)) == sum(bucket.plays for bucket in shown.activity) == len(now)
    assert (shown.before.plays if shown.before else 0) == len(then)

    for entity, key, is_of in (
        ("artists", artist_key("Ada"), lambda each: each.artist == "Ada"),
        ("releases", release_key("Ada", "Air"), lambda each: each.release == "Air"),
        ("recordings", identify("Ada", "Two").recording_key, lambda each: each.title == "Two"),
    ):
        if not any(map(is_of, played)):
            with pytest.raises(ItemNotPlayed):
                own.listens.item_figures(listener, entity, key, span, before, zone)  # type: ignore[arg-type]
            continue
        found = own.listens.item_figures(listener, entity, key, span, before, zone)  # type: ignore[arg-type]
        times = [each.listened_at for each in now if is_of(each)]
        assert (found.plays, found.plays_before) == (len(times), sum(map(is_of, then)))
        assert found.all_plays == sum(map(is_of, played))
        assert found.first_listened_at == min(each.listened_at for each in played if is_of(each))
        assert [bucket.plays for bucket in found.activity] == [
            sum(bucket.start <= at < bucket.end for at in times) for bucket in found.activity
        ]
        assert sum(bucket.plays for bucket in found.activity) == len(times)
        if entity == "artists":
            assert {each.title: each.plays for each in found.recordings} == Counter(
                each.title for each in now if each.artist == "Ada"
            )
            assert found.rank == rank_of(counts, "Ada")


def test_a_month_under_way_is_compared_with_as_many_days(own: Instance, listener: UUID) -> None:
    own.now = datetime(2024, 3, 11, tzinfo=UTC)
    listens = [NewListen(datetime(2024, 2, day, 12, tzinfo=UTC), "Ada", "One") for day in range(1, 29)]
    own.listens.submit(listener, [*listens, NewListen(datetime(2024, 3, 9, tzinfo=UTC), "Ada", "One")])
    march, april = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
    shown = own.listens.overview(listener, Span(march, april), Span(datetime(2024, 2, 1, tzinfo=UTC), march))
    assert shown.before is not None
    assert (shown.counts.plays, shown.before.plays, sum(b.plays for b in shown.activity_before)) == (1, 10, 28)


def test_days_in_a_row_and_what_was_forgotten(own: Instance, listener: UUID) -> None:
    own.now = datetime(2024, 3, 31, 1, 30, tzinfo=UTC)  # Berlin's clocks went forward half an hour ago
    evenings = [datetime(2024, 3, day, 22, 30, tzinfo=UTC) for day in (1, 2, 3, 28, 29)]  # 23:30 there
    night = datetime(2024, 3, 30, 23, 15, tzinfo=UTC)  # the 31st there: the 30th is left out
    long_ago = [NewListen(datetime(2023, 1, 1, hour, tzinfo=UTC), "Bob", "Three") for hour in range(1, 13)]
    own.listens.submit(listener, [NewListen(at, "Ada", "One") for at in (*evenings, night)] + long_ago)
    shown = own.listens.overview(listener, Span(), None, "Europe/Berlin")
    assert shown.longest_run == Run(date(2024, 3, 1), date(2024, 3, 3), 3)
    assert shown.run_now == Run(date(2024, 3, 31), date(2024, 3, 31), 1)
    assert [(each.artist, each.plays) for each in shown.forgotten] == [("Bob", 12)]
    assert shown.counts.variety == pytest.approx(1.9, abs=0.05)  # exp of the entropy of 6 and 12 of 18


def test_two_are_compared_when_both_allow_it(services: Container) -> None:
    one, two = new_person(services), new_person(services)
    at = datetime(2024, 3, 1, tzinfo=UTC)
    songs = {one: ["Ada", "Ada", "Bob", "Ada"], two: ["Ada", "Cleo"]}
    for person, artists in songs.items():
        with acting_as(person.actor):
            listens = [NewListen(at + timedelta(hours=n), artist, "Song") for n, artist in enumerate(artists)]
            services.listens.submit(person.listener_id, listens)
    listens: Listens = services.listens
    with acting_as(two.actor):
        services.accounts.set_preferences(two.listener_id, Preferences(is_public=True))
    with acting_as(one.actor):
        with pytest.raises(NotComparable):
            listens.compare(one.listener_id, two.listener_id, Span())
        services.accounts.set_preferences(one.listener_id, Preferences(is_public=True))
        found = listens.compare(one.listener_id, two.listener_id, Span())
        fans = listens.fans("artists", artist_key("Bob"))
    assert (found.overlap, found.shared_total) == (0.5, 1)
    assert [(each.artist, each.plays, each.plays_of_other) for each in found.shared] == [("Ada", 3, 1)]
    assert ([each.artist for each in found.only_own], [each.artist for each in found.only_others]) == (
        ["Bob"],
        ["Cleo"],
    )
    assert all(fan.name != two.name for fan in fans)
