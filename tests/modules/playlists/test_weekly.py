import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest

from app.bench.system import Servers
from app.composition import Container
from app.contracts.identity import identify
from app.contracts.listens import ListenerListens, NewListen
from app.contracts.recommendations import Recommendation
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.kernel.outgoing import Outgoing
from app.kernel.sealing import Sealer
from app.modules.playlists import weekly
from app.modules.playlists.library import MusicServers
from app.modules.playlists.service import PlaylistsService
from tests.conftest import PublicApi
from tests.support.alone import Alone, alone
from tests.support.people import Person

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def empty(servers: Servers, folder: Path) -> Iterator[Alone]:
    """An instance where nobody has played anything at first."""
    with alone(servers, folder / f"weekly-{secrets.token_hex(4)}") as found:
        yield found


def candidates(*artists: str) -> list[Recommendation]:
    return [
        Recommendation(identity.recording_key, f"Song {n}", artist, identity.artist_key, 1.0 / (n + 1), [], 0.0)
        for n, artist in enumerate(artists)
        if (identity := identify(artist, f"Song {n}"))
    ]


@pytest.mark.parametrize(
    ("now", "week", "name"),
    [
        (NOW, "2026-W48", "Weekly mix, week 48 of 2026"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-W01", "Weekly mix, week 1 of 2026"),
        (datetime(2027, 1, 3, 23, 59, 59, tzinfo=UTC), "2026-W53", "Weekly mix, week 53 of 2026"),
        (datetime(2027, 1, 4, tzinfo=UTC), "2027-W01", "Weekly mix, week 1 of 2027"),
        (datetime(2026, 11, 23, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-W47", "Weekly mix, week 47 of 2026"),
    ],
)
def test_weeks_are_those_of_iso_8601_in_utc(now: datetime, week: str, name: str) -> None:
    assert weekly.week_of(now) == (week, name)


def test_no_artist_has_more_than_two_places_while_there_are_others() -> None:
    chosen = weekly.choose(candidates(*["Favourite"] * 40, *[f"Artist {n}" for n in range(40)]))
    assert len(chosen) == weekly.LENGTH
    assert [each.artist for each in chosen].count("Favourite") == 2


def test_one_artist_fills_a_mix_that_nobody_else_is_for() -> None:
    chosen = weekly.choose(candidates("Someone else", *["Favourite"] * 40))
    assert [each.artist for each in chosen] == ["Someone else", *["Favourite"] * 29]


def test_every_week_has_a_mix_of_its_own(
    services: Container, person: Person, database: Callable[..., Database]
) -> None:
    now = NOW
    unused = MusicServers(Outgoing(), Sealer("no secret", "playlists"))
    service = PlaylistsService(database("playlists"), services, lambda: now, "", unused)
    with acting_as(person.actor):
        first = service.generate_weekly(person.listener_id)
        now += timedelta(days=7)
        second = service.generate_weekly(person.listener_id)
    assert (first.week, second.week) == ("2026-W48", "2026-W49")
    assert first.playlist_id != second.playlist_id


def test_asking_many_times_at_once_makes_one(services: Container, person: Person) -> None:
    def ask(_number: int) -> object:
        with acting_as(person.actor):
            return services.playlists.generate_weekly(person.listener_id).playlist_id

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1
    with acting_as(person.actor):
        assert len(services.playlists.list_playlists(person.listener_id)) == 1


def test_a_mix_that_was_edited_stays_as_it_is(services: Container, person: Person) -> None:
    with acting_as(person.actor):
        made = services.playlists.generate_weekly(person.listener_id)
        services.playlists.edit_playlist(made.playlist_id, name="Mine now")
        assert services.playlists.generate_weekly(person.listener_id).name == "Mine now"


def test_the_public_route_makes_it(api: PublicApi, person: Person) -> None:
    first = api.post("/api/v1/playlists/weekly", token=person.token)
    assert first.status == 200
    assert first.json["kind"] == "weekly"
    assert api.post("/api/v1/playlists/weekly", token=person.token).json == first.json


def test_a_mix_with_nothing_to_choose_from_is_made_when_there_is(empty: Alone) -> None:
    playlists, listener_id = empty.services.playlists, uuid4()
    with acting_as(SYSTEM):
        first = playlists.generate_weekly(listener_id)
        assert first.entry_count == 0
        assert first.description == "Nothing is popular here yet. Ask again once something was played."
        assert playlists.generate_weekly(listener_id) == first

        played = [NewListen(NOW - timedelta(days=9, minutes=n), f"Artist {n % 3}", f"Song {n}") for n in range(9)]
        empty.services.listens.load([ListenerListens(uuid4(), played)], "tests")
        empty.follow("recommendations")
        second = playlists.generate_weekly(listener_id)
        assert (second.playlist_id, second.entry_count) == (first.playlist_id, 9)
        assert second.description == "Popular here: there is nothing personal to go by yet."
        assert playlists.generate_weekly(listener_id) == second


def test_who_knows_all_that_is_here_gets_what_they_know(empty: Alone) -> None:
    listener_id = uuid4()
    with acting_as(SYSTEM):
        played = [NewListen(NOW - timedelta(days=8, minutes=n), f"Artist {n % 3}", f"Song {n}") for n in range(9)]
        empty.services.listens.load([ListenerListens(listener_id, played)], "tests")
        empty.follow("recommendations")
        made = empty.services.playlists.generate_weekly(listener_id)
    assert made.entry_count == 9
