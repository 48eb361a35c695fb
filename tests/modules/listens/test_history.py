"""Reading back: pages by key that stay put, answered from the index."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.contracts.listens import InvalidRange, ListenerListens, Listens
from app.kernel.db import Database, module_url
from app.modules.listens import history
from app.modules.listens.history import EARLIEST, GREATEST, LATEST, PAGE, SMALLEST, parse_time
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import START, play, times


def pages(listens: Listens, listener_id: UUID, limit: int, **more: Any) -> list[tuple[datetime, UUID]]:
    """Read all pages; return what they showed in their order."""
    found, before = [], None
    while True:
        page = listens.history(listener_id, before=before, limit=limit, **more)
        assert len(page.listens) <= limit
        found += [(each.listened_at, each.recording_key) for each in page.listens]
        if page.next is None:
            return found
        before = page.next


def test_a_new_listener_has_an_empty_history(listens: Listens, listener: UUID) -> None:
    page = listens.history(listener)
    assert (page.listens, page.next) == ([], None)


def test_the_newest_come_first_and_the_last_page_says_so(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(n * 60) for n in range(4)])
    first = listens.history(listener, limit=2)
    last = listens.history(listener, before=first.next, limit=2)
    assert first.listens + last.listens == sorted(first.listens + last.listens, key=lambda e: e.listened_at)[::-1]
    assert last.next is None


def test_pages_stay_put_while_listens_arrive(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(n * 60) for n in range(10)])
    page = listens.history(listener, limit=4)
    # newer than all, and older: between the first page and what follows
    listens.submit(listener, [play(9000), play(9060), play(5.5 * 60), play(-60)])
    rest = pages(listens, listener, 4)[2:]
    assert rest[:4] == [(each.listened_at, each.recording_key) for each in page.listens]
    following = listens.history(listener, before=page.next, limit=100)
    assert [int((e.listened_at - START).total_seconds()) for e in following.listens] == [
        330,
        300,
        240,
        180,
        120,
        60,
        0,
        -60,
    ]


def test_recordings_of_one_second_are_paged_one_by_one(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0, f"Song {n}") for n in range(7)])
    found = pages(listens, listener, 2)
    assert len(set(found)) == len(found) == 7


@pytest.fixture(scope="module")
def plays_of_seconds(own_database: Any) -> UUID:
    """Many plays on few seconds, so that every way to cut a page is met."""
    instance, listener_id = Instance(*own_database), uuid4()
    batch = [play(n // 3, f"Song {n % 7}") for n in range(60)]
    instance.wired.service.submit(listener_id, batch)  # type: ignore[attr-defined]
    return listener_id


@given(limit=st.integers(1, 70), first=st.integers(-2, 22), last=st.integers(-2, 22))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_any_size_show_each_listen_of_a_range_once(
    own: Instance, plays_of_seconds: UUID, limit: int, first: int, last: int
) -> None:
    after, before = START + timedelta(seconds=first), START + timedelta(seconds=last)
    everything = pages(own.listens, plays_of_seconds, 1000)
    expected = [each for each in everything if after < each[0] < before]
    found, cursor = [], str(before.timestamp())
    while True:
        page = own.listens.history(plays_of_seconds, before=cursor, after=after.isoformat(), limit=limit)
        found += [(each.listened_at, each.recording_key) for each in page.listens]
        if page.next is None:
            break
        cursor = page.next
    assert found == expected


@given(cut=st.integers(0, 59))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cursor_cuts_the_history_in_two(own: Instance, plays_of_seconds: UUID, cut: int) -> None:
    everything = pages(own.listens, plays_of_seconds, 1000)
    cursor = f"{everything[cut][0].timestamp()}~{everything[cut][1]}"
    older = own.listens.history(plays_of_seconds, before=cursor, limit=1000).listens
    newer = own.listens.history(plays_of_seconds, after=cursor, limit=1000).listens
    joined = [*newer, None, *older]
    assert [each and (each.listened_at, each.recording_key) for each in joined] == [
        *everything[:cut],
        None,
        *everything[cut + 1 :],
    ]


@pytest.mark.parametrize("said", ["1704067260", "1704067260.0", "2024-01-01T00:01:00Z", "2024-01-01T01:01:00+01:00"])
def test_times_are_said_in_seconds_or_iso_8601(listens: Listens, listener: UUID, said: str) -> None:
    listens.submit(listener, [play(0), play(60), play(120)])
    assert [int((e.listened_at - START).total_seconds()) for e in listens.history(listener, before=said).listens] == [0]
    assert [int((e.listened_at - START).total_seconds()) for e in listens.history(listener, after=said).listens] == [
        120
    ]


@pytest.mark.parametrize("said", ["yesterday", "1~", "1~x", "9" * 40, "~", "1e3", "-", "٣", "2024-13-01", "NaN"])
def test_what_is_no_time_is_an_invalid_range(listens: Listens, listener: UUID, said: str) -> None:
    if said == "1~":  # a time with no recording is the time
        listens.history(listener, before=said)
        return
    with pytest.raises(InvalidRange):
        listens.history(listener, before=said)
    with pytest.raises(InvalidRange):
        listens.history(listener, after=said)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_1_to_1000_listens(listens: Listens, listener: UUID, limit: int) -> None:
    with pytest.raises(InvalidRange):
        listens.history(listener, limit=limit)


def test_a_search_finds_parts_of_names_in_any_case(listens: Listens, listener: UUID) -> None:
    listens.submit(
        listener,
        [play(0, "100% Love"), play(60, "100 Loves"), play(120, "a_b"), play(180, "axb"), play(240, "C:\\x", "ÉTOILE")],
    )
    found = {
        said: [int((e.listened_at - START).total_seconds()) for e in listens.history(listener, search=said).listens]
        for said in ("love", "0%", "A_B", "\\", "étoile", "nothing", "'; drop table listen; --", ":limit")
    }
    assert found == {
        "love": [60, 0],
        "0%": [0],
        "A_B": [120],
        "\\": [240],
        "étoile": [240],
        "nothing": [],
        "'; drop table listen; --": [],
        ":limit": [],
    }


def test_a_search_is_paged_like_the_rest(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(n * 60, "Odd" if n % 2 else "Even") for n in range(10)])
    assert len(pages(listens, listener, 2, search="odd")) == 5


def nodes(plan: dict[str, Any]) -> list[str]:
    return [plan["Node Type"], *(name for below in plan.get("Plans", []) for name in nodes(below))]


@pytest.fixture(scope="module")
def crowd(own_database: Any) -> UUID:
    """30 listeners with 800 listens each, over two years: enough that reading a table whole is the dearer way."""
    instance = Instance(*own_database)
    ids = [uuid4() for _ in range(30)]
    for cut in range(0, 30, 10):
        batches = [ListenerListens(i, [play(n * 80_000, f"S{n % 9}") for n in range(800)]) for i in ids[cut : cut + 10]]
        instance.wired.service.load(batches, "set")  # type: ignore[attr-defined]
    owner = Database(module_url(instance.settings, "listens", "migrate"))
    with owner.dedicated() as connection:
        connection.execute(text("analyze listen"))  # autovacuum would, within a minute
    return ids[7]


@pytest.mark.parametrize("nearest", [1, 3, 100])
def test_a_search_goes_on_behind_the_nearest_listens(
    own: Instance, listener: UUID, monkeypatch: pytest.MonkeyPatch, nearest: int
) -> None:
    monkeypatch.setattr(history, "NEAREST", nearest)
    own.listens.submit(listener, [play(n * 600, "rare" if n % 4 == 0 else "often") for n in range(14)])
    for search, steps in (("rare", [12, 8, 4, 0]), ("often", [n for n in reversed(range(14)) if n % 4])):
        found = pages(own.listens, listener, 2, search=search)
        assert [(at - START).total_seconds() / 600 for at, _key in found] == steps
    assert pages(own.listens, listener, 2, search="never") == []


@pytest.mark.parametrize("days_ago", [0, 500], ids=["the newest page", "a page deep in the past"])
@pytest.mark.parametrize("search", ["", "and artist ilike :search"], ids=["all", "searched"])
def test_a_page_comes_from_the_index_in_its_order(own: Instance, crowd: UUID, days_ago: int, search: str) -> None:
    before = START + timedelta(days=740 - days_ago) if days_ago else LATEST
    with own.database.begin() as session:
        plan = session.execute(
            text("explain (format json, analyze, buffers) " + PAGE.format(wanted=search, order="desc")),
            {
                "listener": crowd,
                "before_at": before,
                "before_key": GREATEST,
                "after_at": EARLIEST,
                "after_key": SMALLEST,
                "search": "%ad%",
                "limit": 26,
                "offset": 0,
            },
        ).scalar_one()
    top = (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]
    assert nodes(top) == ["Limit", "Index Scan"]
    [scan] = top["Plans"]
    assert (scan["Scan Direction"], scan["Index Name"]) == ("Backward", "listen_pkey")
    assert top["Actual Rows"] == 26
    assert scan.get("Rows Removed by Filter", 0) == 0  # it begins at the page, however deep
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 40


def test_hidden_repeats_take_no_place_on_a_page(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(n * 600) for n in range(6)], "phone")
    listens.submit(listener, [play(n * 600 + 3) for n in range(6)], "desktop")
    assert [len(listens.history(listener, limit=4).listens), len(times(listens, listener))] == [4, 6]
    assert len(pages(listens, listener, 4)) == 6


def test_a_time_without_zone_is_utc() -> None:
    assert parse_time("2024-01-01 12:00") == datetime(2024, 1, 1, 12, tzinfo=UTC)
