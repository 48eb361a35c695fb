"""Reading a library: to the end, again, and what odd servers say."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.composition import Container
from app.contracts.identity import recording_key
from app.contracts.listens import NewListen
from app.contracts.playlists import Library, LibraryNotConnected
from app.kernel.context import acting_as
from app.kernel.db import Database
from app.modules.playlists.library_sync import retry_at
from tests.modules.playlists.libraries import connected, matches, resynced, song, synced
from tests.support.people import Person
from tests.support.subsonic import Odd, Supysonic, Tone, running_odd, write_tone
from tests.support.waiting import eventually


def test_a_search_for_nothing_that_finds_nothing_goes_by_albums(services: Container, person: Person, odd: Odd) -> None:
    odd.answers_empty_search = False
    assert connected(services, person, odd.url).songs == 7
    assert [method for method, _ in odd.asked].count("getAlbum") == 3


@pytest.mark.parametrize("heeds_offset", [True, False])
def test_a_server_with_pages_of_its_own_is_read_to_the_end(
    services: Container, person: Person, odd: Odd, heeds_offset: bool
) -> None:
    odd.longest_page, odd.heeds_offset = (2, True) if heeds_offset else (7, False)
    assert connected(services, person, odd.url).songs == 7


def test_reading_again_writes_only_what_changed(
    services: Container, person: Person, odd: Odd, database: Callable[..., Database]
) -> None:
    connected(services, person, odd.url)
    before = versions(database, person)
    odd.songs[3]["title"] = "Another name"
    del odd.songs[5]
    odd.songs.append(song(9))
    assert resynced(services, person).songs == 7
    after = versions(database, person)
    assert {each for each in after if before.get(each) != after[each]} == {"s3", "s9"}
    assert set(before) - set(after) == {"s5"}


def versions(database: Callable[..., Database], person: Person) -> dict[str, str]:
    with database("playlists").begin() as session:
        rows = session.execute(
            text("select song_id, xmin::text from song where listener_id = :id"), {"id": person.listener_id}
        )
        return {row[0]: row[1] for row in rows}


def test_what_a_server_says_wrongly_does_no_harm(services: Container, person: Person, odd: Odd) -> None:
    odd.songs = [
        song(1, duration="12", musicBrainzId="nonsense", path=None),
        song(2, duration=-5, album=None),
        song(3, duration=10**30, year=[]),
        {"id": 4, "title": "Number 4", "artist": "Ada"},
        {"id": "5", "title": "", "artist": "Ada"},
        {"id": "6", "title": "No artist"},
        {"id": "7", "title": "A film", "artist": "Ada", "isVideo": True},
        song(8, title="x" * 5000),
        song(9, title="nul \0 and \ud800"),
        song(1),
    ]
    assert connected(services, person, odd.url).songs == 6


def test_a_server_that_fails_is_said_and_tried_again_later(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    odd.error = {"code": 0, "message": "the disk is on fire"}
    with acting_as(person.actor):
        services.playlists.sync_library(person.listener_id)

    def failed() -> Library:
        with acting_as(person.actor):
            found = services.playlists.get_library(person.listener_id)
        assert found.state == "failing", found
        return found

    found = eventually(failed, within_s=10)
    assert "the disk is on fire" in found.error
    assert found.songs == 7
    assert timedelta(minutes=4) < found.next_sync_at - datetime.now(UTC) < timedelta(minutes=6)
    assert matches(services, person, recording_key("Ada", "Song 1"))
    odd.error = None
    assert resynced(services, person).error == ""


def test_retries_grow_apart_up_to_six_hours() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    waits = [retry_at(now, failures) - now for failures in (1, 2, 3, 7, 8, 1000)]
    assert [wait.total_seconds() / 60 for wait in waits] == [5, 10, 20, 320, 360, 360]


def test_a_song_that_came_and_one_that_went_are_noticed(
    services: Container, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    tone = Tone("Passing By", f"Album {secrets.token_hex(4)}", "Briefly here")
    key = recording_key(tone.artist, tone.title)
    write_tone(supysonic.music, tone)
    supysonic.scan()
    resynced(services, person)
    assert matches(services, person, key)
    (supysonic.music / tone.path).unlink()
    supysonic.scan()
    resynced(services, person)
    assert not matches(services, person, key)


def test_a_reading_that_was_cut_off_is_begun_again(
    services: Container, person: Person, odd: Odd, database: Callable[..., Database]
) -> None:
    connected(services, person, odd.url)
    with database("playlists").begin() as session:  # as a process leaves it that is killed
        session.execute(
            text("update library set read = 3, next_sync_at = now() where listener_id = :id"),
            {"id": person.listener_id},
        )
    assert synced(services, person).songs == 7


def test_another_server_takes_the_place_of_the_first(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    with running_odd(Odd(songs=[song(20)])) as other:
        assert connected(services, person, other.url).songs == 1
        keys = [recording_key("Ada", f"Song {n}") for n in (1, 20)]
        assert list(matches(services, person, *keys)) == [keys[1]]


def test_disconnecting_forgets_the_songs(
    services: Container, person: Person, odd: Odd, database: Callable[..., Database]
) -> None:
    connected(services, person, odd.url)
    with acting_as(person.actor):
        services.playlists.disconnect_library(person.listener_id)
        services.playlists.disconnect_library(person.listener_id)
        assert services.playlists.get_library(person.listener_id) is None
        with pytest.raises(LibraryNotConnected):
            services.playlists.sync_library(person.listener_id)
    assert versions(database, person) == {}
    assert matches(services, person, recording_key("Ada", "Song 1")) == {}


def test_it_says_how_much_of_what_one_plays_is_in_it(services: Container, person: Person, odd: Odd) -> None:
    with acting_as(person.actor):
        played = [*(f"Song {n}" for n in range(3)), "Somewhere else"]
        start = datetime(2025, 1, 1, tzinfo=UTC)
        services.listens.submit(
            person.listener_id, [NewListen(start + timedelta(hours=n), "Ada", name) for n, name in enumerate(played)]
        )
        eventually(lambda: services.listens.top(person.listener_id, "recordings").total == 4)
    found = connected(services, person, odd.url)
    assert (found.known, found.played) == (3, 4)
