"""Libraries: a real Subsonic server, and odd ones for what real ones do at times."""

import hashlib
import io
import os
import secrets
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import urllib3
from sqlalchemy import text

from app.bench.system import Servers, free_port, kill, wait_until
from app.composition import Container
from app.contracts.catalog import Merge
from app.contracts.identity import recording_key
from app.contracts.listens import NewListen
from app.contracts.playlists import (
    Library,
    LibraryFailed,
    LibraryNotConnected,
    LibraryRefused,
    NewEntry,
    NotInLibrary,
    PlaylistNotFound,
)
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from app.modules.playlists.library_push import next_week
from app.modules.playlists.library_sync import retry_at
from app.modules.playlists.subsonic import address_of
from tests.conftest import PublicApi
from tests.support.alone import alone
from tests.support.people import Person, new_person
from tests.support.subsonic import PASSWORD, TONES, USER, Odd, Supysonic, Tone, running_odd, write_tone
from tests.support.waiting import eventually

BELL = recording_key("Low Bells", "Bell 1")
WIND = recording_key("The High Wires", "Wind")


def connected(services: Container, person: Person, address: str, user: str = USER, password: str = PASSWORD) -> Library:
    """Connect a library and wait until it has been read."""
    with acting_as(person.actor):
        services.playlists.connect_library(person.listener_id, address, user, password, pushes_weekly=False)
        return synced(services, person)


def synced(services: Container, person: Person) -> Library:
    def state() -> Library:
        with acting_as(person.actor):
            found = services.playlists.get_library(person.listener_id)
        assert found is not None
        assert found.state == "ready", found
        return found

    return eventually(state, within_s=15)


def resynced(services: Container, person: Person) -> Library:
    with acting_as(person.actor):
        before = services.playlists.get_library(person.listener_id).synced_at
        assert services.playlists.sync_library(person.listener_id).state == "syncing"

    def state() -> Library:
        found = synced(services, person)
        assert found.synced_at > before
        return found

    return eventually(state, within_s=15)


def matches(services: Container, person: Person, *keys: UUID) -> dict[UUID, str]:
    with acting_as(person.actor):
        found = services.playlists.match_recordings(person.listener_id, list(keys))
    return {each.recording_key: each.title for each in found}


def song(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"s{number}", "title": f"Song {number}", "artist": "Ada", "album": f"Album {number % 3}", **more}


@pytest.fixture
def odd() -> Iterator[Odd]:
    with running_odd(Odd(songs=[song(n) for n in range(7)])) as server:
        yield server


# Connecting


def test_all_songs_of_a_real_server_are_read(services: Container, person: Person, supysonic: Supysonic) -> None:
    found = connected(services, person, supysonic.url)
    assert found.songs >= len(TONES)
    assert (found.user_name, found.address, found.error, found.read) == (USER, supysonic.url, "", None)
    assert matches(services, person, BELL, WIND, uuid4()) == {BELL: "Bell 1", WIND: "Wind"}


@pytest.mark.parametrize("after", ["/", "/rest", "/rest/", "/app/", "/app/#/album/list", "?x=1"])
def test_the_address_may_be_what_people_paste(after: str) -> None:
    assert address_of(f" https://music.example.org:4533/nav{after} ") == "https://music.example.org:4533/nav"


def test_an_address_without_a_scheme_is_asked_by_tls() -> None:
    assert address_of("music.example.org") == "https://music.example.org"


@pytest.mark.parametrize("address", ["ftp://music.example.org", "https://ada:secret@music.example.org", "https://", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(LibraryRefused):
        address_of(address)


def test_a_wrong_password_is_refused_in_words(services: Container, person: Person, supysonic: Supysonic) -> None:
    with acting_as(person.actor):
        with pytest.raises(LibraryRefused, match="does not know this name and password"):
            services.playlists.connect_library(person.listener_id, supysonic.url, USER, "wrong")
        assert services.playlists.get_library(person.listener_id) is None


def test_something_else_than_a_subsonic_server_is_refused(
    services: Container, person: Person, supysonic: Supysonic
) -> None:
    with acting_as(person.actor), pytest.raises(LibraryRefused, match="no Subsonic server at this address"):
        services.playlists.connect_library(person.listener_id, f"{supysonic.url}/elsewhere", USER, PASSWORD)


def test_a_server_that_is_away_is_refused_in_words(services: Container, person: Person) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with acting_as(person.actor), pytest.raises(LibraryRefused, match="can't be reached"):
        services.playlists.connect_library(person.listener_id, address, USER, PASSWORD)


def test_private_addresses_are_refused_that_the_administrator_did_not_allow(
    services: Container, person: Person
) -> None:
    with acting_as(person.actor), pytest.raises(LibraryRefused, match="SEGUE_ALLOW_PRIVATE_HOSTS"):
        services.playlists.connect_library(person.listener_id, "http://127.8.8.8", USER, PASSWORD)


def test_a_password_is_sent_only_as_a_salted_hash_where_the_server_knows_that(
    services: Container, person: Person, odd: Odd
) -> None:
    connected(services, person, odd.url, "ada", "a long secret")
    assert len({query["s"][0] for _, query in odd.asked}) == len(odd.asked)
    for _, query in odd.asked:
        assert "p" not in query
        assert query["t"] == [hashlib.md5(("a long secret" + query["s"][0]).encode()).hexdigest()]
        assert (query["u"], query["c"], query["v"], query["f"]) == (["ada"], ["segue"], ["1.16.1"], ["json"])


def test_a_server_without_tokens_gets_the_password(services: Container, person: Person, odd: Odd) -> None:
    odd.knows_tokens = False
    assert connected(services, person, odd.url, "ada", "sécret").songs == 7
    assert {query.get("p", [""])[0] for _, query in odd.asked[1:]} == {f"enc:{'sécret'.encode().hex()}"}


def test_without_a_name_the_password_is_an_api_key(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url, "", "the key")
    assert all(query["apiKey"] == ["the key"] and "u" not in query for _, query in odd.asked)


def test_no_secret_lies_open_in_the_database(
    services: Container, person: Person, odd: Odd, database: Callable[..., Database]
) -> None:
    connected(services, person, odd.url, "ada", "a long secret")
    with database("playlists").begin() as session:
        row = session.execute(
            text("select cast(l as text) || encode(credential, 'escape') from library l where listener_id = :id"),
            {"id": person.listener_id},
        ).scalar_one()
    assert odd.url in row
    assert "a long secret" not in row
    assert b"a long secret".hex() not in row


# Reading


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


# Matching


def test_names_that_are_nearly_the_same_match_when_the_catalog_knows_them(
    services: Container, person: Person, supysonic: Supysonic
) -> None:
    heard = [("Low Bells", "Under the Bridge"), ("LOW BELLS", "Uberall"), ("High Wires", "Wind"), ("Low Bells", "Wind")]
    with acting_as(person.actor):
        start = datetime(2025, 2, 1, tzinfo=UTC)
        services.listens.submit(
            person.listener_id, [NewListen(start + timedelta(hours=n), *names) for n, names in enumerate(heard)]
        )
    keys = [recording_key(*names) for names in heard]
    with acting_as(SYSTEM):
        eventually(lambda: len(services.catalog.get_recordings(keys)) == len(keys), within_s=10)
    connected(services, person, supysonic.url)
    assert matches(services, person, *keys) == {
        keys[0]: "Under the Bridge (Remastered 2011)",
        keys[1]: "Überall",
        keys[2]: "Wind",
    }


def test_a_song_is_found_by_its_mbid(services: Container, person: Person, odd: Odd) -> None:
    mbid = uuid4()
    odd.songs[2]["musicBrainzId"] = str(mbid)
    connected(services, person, odd.url)
    assert matches(services, person, mbid) == {mbid: "Song 2"}


def test_other_names_match_by_an_mbid_that_a_player_told(services: Container, person: Person, odd: Odd) -> None:
    mbid = uuid4()
    odd.songs = [song(1, title="Ночь", artist="Аня", musicBrainzId=str(mbid)), song(2)]
    key = recording_key("Anya", "Night")
    with acting_as(person.actor):
        heard = NewListen(datetime(2025, 3, 1, tzinfo=UTC), "Anya", "Night", recording_mbid=mbid)
        services.listens.submit(person.listener_id, [heard])
        eventually(lambda: services.catalog.get_identifiers([key]), within_s=10)
    connected(services, person, odd.url)
    assert matches(services, person, key) == {key: "Ночь"}
    playlist_id = playlist_of(services, person, NewEntry("Anya", "Night"))
    with acting_as(person.actor):
        assert services.playlists.push_playlist(person.listener_id, playlist_id).matched == 1


def test_what_a_listener_says_is_another_recording_matches_as_that(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    heard = [("Hi Wires", "Wnd"), ("The High Wires", "Wind")]
    keys = [recording_key(*names) for names in heard]
    with acting_as(person.actor):
        start = datetime(2025, 2, 1, tzinfo=UTC)
        services.listens.submit(
            person.listener_id, [NewListen(start + timedelta(hours=n), *names) for n, names in enumerate(heard)]
        )
        eventually(lambda: len(services.catalog.get_recordings(keys)) == 2, within_s=10)
        assert list(matches(services, person, *keys)) == [keys[1]]
        services.catalog.add_correction("me", Merge("recordings", [keys[0]], keys[1]))
        assert set(matches(services, person, *keys)) == set(keys)
    assert stream(api, person, keys[0]).status == 200


def test_nobody_sees_what_is_in_another_library(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    assert matches(services, new_person(services), recording_key("Ada", "Song 1")) == {}


# Pushing


def playlist_of(services: Container, person: Person, *entries: NewEntry, name: str = "") -> UUID:
    with acting_as(person.actor):
        made = services.playlists.create_playlist(
            person.listener_id, name or f"Mix {secrets.token_hex(4)}", "for the road", entries=list(entries)
        )
    return made.playlist_id


def remote_playlists(server: Supysonic) -> dict[str, Any]:
    def ask(method: str, **more: str) -> Any:
        fields = {"u": USER, "p": PASSWORD, "c": "test", "v": "1.12.0", "f": "json", **more}
        return urllib3.request("POST", f"{server.url}/rest/{method}", fields=fields).json()["subsonic-response"]

    found = ask("getPlaylists").get("playlists", {}).get("playlist", [])
    return {each["name"]: ask("getPlaylist", id=each["id"])["playlist"] for each in found}


def test_a_playlist_is_pushed_and_says_what_is_missing(
    services: Container, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    name = f"Überfahrt {secrets.token_hex(4)}"
    entries = [
        NewEntry("The High Wires", "Wind"),
        NewEntry("Nobody", "Nothing"),
        NewEntry("Low Bells", "Under the Bridge"),
        NewEntry("The High Wires", "Wind"),
    ]
    playlist_id = playlist_of(services, person, *entries, name=name)
    with acting_as(person.actor):
        report = services.playlists.push_playlist(person.listener_id, playlist_id)
        assert services.playlists.get_push(person.listener_id, playlist_id) == report
    assert (report.matched, report.total) == (3, 4)
    assert [(each.artist, each.title) for each in report.unmatched] == [("Nobody", "Nothing")]
    there = remote_playlists(supysonic)[name]
    assert there["id"] == report.remote_id
    titles = [each["title"] for each in there["entry"]]
    assert titles == ["Wind", "Under the Bridge (Remastered 2011)", "Wind"]
    assert there["comment"] == "From Segue: for the road"


def test_pushing_again_replaces_the_songs_and_the_name(
    services: Container, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    playlist_id = playlist_of(services, person, NewEntry("Low Bells", "Bell 1"), NewEntry("Low Bells", "Bell 2"))
    count = len(remote_playlists(supysonic))
    name = f"Later {secrets.token_hex(4)}"
    with acting_as(person.actor):
        first = services.playlists.push_playlist(person.listener_id, playlist_id)
        services.playlists.remove_entry(playlist_id, 0)
        services.playlists.add_entries(playlist_id, [NewEntry("Low Bells", "Bell 3")])
        services.playlists.edit_playlist(playlist_id, name=name)
        second = services.playlists.push_playlist(person.listener_id, playlist_id)
    assert second.remote_id == first.remote_id
    there = remote_playlists(supysonic)
    assert len(there) == count + 1
    assert [each["title"] for each in there[name]["entry"]] == ["Bell 2", "Bell 3"]


def test_a_playlist_that_was_deleted_there_is_made_again(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    playlist_id = playlist_of(services, person, NewEntry("Ada", "Song 1"))
    with acting_as(person.actor):
        services.playlists.push_playlist(person.listener_id, playlist_id)
        odd.playlists = {"elsewhere": {"id": "elsewhere", "name": "Mine", "songCount": 0}}
        report = services.playlists.push_playlist(person.listener_id, playlist_id)
    assert odd.playlists[report.remote_id]["songs"] == ["s1"]
    assert "songs" not in odd.playlists["elsewhere"]


def test_pushing_twice_at_once_makes_one(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    playlist_id = playlist_of(services, person, NewEntry("Ada", "Song 1"))
    odd.may_write = threading.Event()

    def push() -> str | None:
        with acting_as(person.actor):
            return services.playlists.push_playlist(person.listener_id, playlist_id).remote_id

    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(push)
        eventually(lambda: any(method == "createPlaylist" for method, _ in odd.asked))
        with pytest.raises(LibraryFailed, match="being pushed already"):
            push()
        odd.may_write.set()
        assert first.result() == "p0"
    assert list(odd.playlists) == ["p0"]
    assert push() == "p0"


def test_what_a_broken_push_began_is_gone_on_with(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    playlist_id = playlist_of(services, person, NewEntry("Ada", "Song 1"), name="Begun")
    odd.playlists["p0"] = {"id": "p0", "name": "Begun", "songCount": 0, "owner": USER}
    odd.playlists["p9"] = {"id": "p9", "name": "Begun", "songCount": 0, "owner": "somebody else"}
    with acting_as(person.actor):
        assert services.playlists.push_playlist(person.listener_id, playlist_id).remote_id == "p0"
    assert len(odd.playlists) == 2


def test_nothing_is_made_of_a_playlist_of_which_nothing_is_there(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    playlist_id = playlist_of(services, person, NewEntry("Nobody", "Nothing"))
    with acting_as(person.actor):
        report = services.playlists.push_playlist(person.listener_id, playlist_id)
    assert (report.remote_id, report.matched, report.total) == (None, 0, 1)
    assert odd.playlists == {}


def test_the_length_decides_between_songs_of_one_name(services: Container, person: Person, odd: Odd) -> None:
    odd.songs = [
        song(1, title="Long Night (Live)", duration=400),
        song(2, title="Long Night (Radio Edit)", duration=200),
    ]
    connected(services, person, odd.url)
    playlist_id = playlist_of(
        services,
        person,
        NewEntry("Ada", "Long Night", duration_ms=198_000),
        NewEntry("Ada", "Long Night [Live]", duration_ms=402_400),
        NewEntry("Ada", "Long Night (Demo)", duration_ms=300_000),
        NewEntry("Ada", "Long Night (Live 2)"),
    )
    with acting_as(person.actor):
        report = services.playlists.push_playlist(person.listener_id, playlist_id)
    assert odd.playlists[report.remote_id]["songs"] == ["s2", "s1"]
    assert [each.title for each in report.unmatched] == ["Long Night (Demo)", "Long Night (Live 2)"]


def test_a_server_that_fails_while_it_is_written_to_is_said(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    playlist_id = playlist_of(services, person, NewEntry("Ada", "Song 1"))
    odd.error = {"code": 50, "message": "no"}
    with acting_as(person.actor), pytest.raises(LibraryFailed, match="its administrator can allow it"):
        services.playlists.push_playlist(person.listener_id, playlist_id)


def test_only_what_one_may_see_is_pushed(services: Container, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    playlist_id = playlist_of(services, new_person(services), NewEntry("Ada", "Song 1"))
    with acting_as(person.actor), pytest.raises(PlaylistNotFound):
        services.playlists.push_playlist(person.listener_id, playlist_id)


def test_the_exported_file_leads_to_the_library(services: Container, person: Person, supysonic: Supysonic) -> None:
    connected(services, person, supysonic.url)
    playlist_id = playlist_of(services, person, NewEntry("The High Wires", "Wind"), NewEntry("Nobody", "Nothing"))
    with acting_as(person.actor):
        lines = services.playlists.export_playlist(playlist_id, "m3u8").text.splitlines()
    assert lines[3] == "./The High Wires/Wires/01 Wind.wav"
    assert lines[5] == "./Nobody/Unknown/Nothing.mp3"


# Each week


@pytest.fixture
def steps(servers: Servers, folder: Path) -> Iterator[Any]:
    """An instance where nobody else has played anything, whose background work is done by hand."""
    with alone(servers, folder / f"library-{secrets.token_hex(4)}") as found:
        yield found


def test_the_weekly_mix_is_made_and_pushed_by_itself(steps: Any, odd: Odd) -> None:
    playlists, listener_id = steps.services.playlists, uuid4()
    tick = steps.services.wire("playlists").tick
    with acting_as(SYSTEM):
        start = datetime.now(UTC) - timedelta(days=9)
        steps.services.listens.submit(
            listener_id, [NewListen(start + timedelta(hours=n), "Ada", f"Song {n}") for n in range(5)]
        )
        steps.follow("recommendations")
        assert playlists.connect_library(listener_id, odd.url, "ada", "pw").pushes_weekly
        odd.error = {"code": 0, "message": "in the middle of a scan"}
        tick()
        assert odd.playlists == {}
        odd.error = None
        playlists.sync_library(listener_id)
        tick()
        tick()
        (made,) = odd.playlists.values()
        assert made["name"].startswith("Weekly mix, week ")
        assert sorted(made["songs"]) == ["s0", "s1", "s2", "s3", "s4"]
        asked = len(odd.asked)
        tick()
        assert len(odd.asked) == asked
        # a week later
        with steps.database("playlists").begin() as session:
            session.execute(text("update library set next_push_at = now()"))
        odd.error = {"code": 0, "message": "asleep"}
        tick()
        assert "asleep" in playlists.get_library(listener_id).weekly_error
        odd.error = None
        with steps.database("playlists").begin() as session:
            session.execute(text("update library set next_push_at = now()"))
        tick()
        assert playlists.get_library(listener_id).weekly_error == ""
        assert len(odd.playlists) == 1


def test_a_mix_of_which_nothing_can_be_played_is_tried_again(steps: Any, odd: Odd) -> None:
    playlists, listener_id = steps.services.playlists, uuid4()
    with acting_as(SYSTEM):
        playlists.connect_library(listener_id, odd.url, "ada", "pw", pushes_weekly=False)
        for _ in range(3):
            steps.services.wire("playlists").tick()
        assert not playlists.get_library(listener_id).weekly_error
        assert playlists.set_auto_push(listener_id, True).pushes_weekly
        for _ in range(3):
            steps.services.wire("playlists").tick()
        found = playlists.get_library(listener_id)
    assert "nothing of this week's mix" in found.weekly_error
    assert odd.playlists == {}


def test_the_next_week_begins_on_monday_by_utc() -> None:
    sunday = datetime(2026, 11, 29, 23, 59, tzinfo=UTC)
    due = {next_week(sunday, uuid4()) for _ in range(50)} | {next_week(sunday - timedelta(days=6), uuid4())}
    assert min(due) >= datetime(2026, 11, 30, tzinfo=UTC)
    assert max(due) < datetime(2026, 11, 30, 1, tzinfo=UTC)
    assert len(due) > 40


# Playing


def stream(api: PublicApi, person: Person | None, key: UUID, **headers: str) -> urllib3.BaseHTTPResponse:
    sent = {"Authorization": f"Bearer {person.token}"} if person else {}
    path = f"/api/v1/playlists/library/stream/{key}"
    return urllib3.request(
        "GET", api.stack.base_url + path, headers={**sent, **headers}, preload_content=False, timeout=10, retries=False
    )


def test_a_recording_is_played_through_the_service(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    tone = next(tone for tone in TONES if tone.title == "Wind")
    file = (supysonic.music / tone.path).read_bytes()
    whole = stream(api, person, WIND)
    assert whole.status == 200
    assert whole.data == file
    assert whole.headers["Content-Type"] == "audio/x-wav"
    assert whole.headers["Content-Length"] == str(len(file))
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Cache-Control"] == "private, no-store"
    for asked, content in (
        ("bytes=100-199", file[100:200]),
        ("bytes=300000-", file[300000:]),
        ("bytes=-50", file[-50:]),
        ("bytes=0-0", file[:1]),
    ):
        part = stream(api, person, WIND, Range=asked)
        assert part.status == 206
        assert part.data == content
        assert part.headers["Content-Length"] == str(len(content))
        assert part.headers["Content-Range"].endswith(f"/{len(file)}")
    beyond = stream(api, person, WIND, Range="bytes=99999999-")
    assert (beyond.status, beyond.data) == (416, b"")


def test_the_session_of_the_page_is_enough_to_play(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic
) -> None:
    connected(services, person, supysonic.url)
    assert stream(api, None, BELL, Cookie=f"segue_access={person.token}").status == 200
    assert stream(api, None, BELL).status == 401


def test_nobody_plays_from_another_library(
    services: Container, api: PublicApi, person: Person, supysonic: Supysonic, odd: Odd
) -> None:
    connected(services, person, supysonic.url)
    other = new_person(services)
    assert stream(api, other, BELL).json()["code"] == "playlists.library_not_connected"
    connected(services, other, odd.url)
    assert stream(api, other, BELL).json()["code"] == "playlists.not_in_library"
    with acting_as(SYSTEM), pytest.raises(NotInLibrary):
        services.playlists.stream_source(other.listener_id, "no such song")


def test_an_error_that_comes_as_success_is_one(services: Container, api: PublicApi, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    kinds = {
        "application/json": b'{"subsonic-response": {"status": "failed", "error": {"code": 70}}}',
        "text/xml; charset=utf-8": b"<subsonic-response status='failed'/>",
        "text/html": b"<script>alert(1)</script>",
    }
    for kind, content in kinds.items():
        odd.stream = lambda handler, kind=kind, content=content: handler.send(kind, content)
        reply = stream(api, person, recording_key("Ada", "Song 1"))
        assert (reply.status, reply.headers["Content-Type"]) == (502, "application/problem+json")
        problem = reply.json()
        assert problem["code"] == "playlists.library_failed"
        assert content.decode() not in str(problem)


def test_what_no_browser_plays_is_asked_for_as_mp3(
    services: Container, api: PublicApi, person: Person, odd: Odd
) -> None:
    odd.songs = [song(1, path="Ada/Album/1.flac"), song(2, path="Ada/Album/2.WMA"), song(3)]
    odd.stream = lambda handler: handler.send("audio/mpeg", b"sound")
    connected(services, person, odd.url)
    for number in (1, 2, 3):
        assert stream(api, person, recording_key("Ada", f"Song {number}")).data == b"sound"
    asked = [query for method, query in odd.asked if method == "stream"]
    assert [query.get("format") for query in asked] == [None, ["mp3"], None]


def test_a_song_that_breaks_off_does_not_look_whole(
    services: Container, api: PublicApi, person: Person, odd: Odd
) -> None:
    def break_off(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/mpeg")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"a" * 100_000)
        handler.close_connection = True

    connected(services, person, odd.url)
    odd.stream = break_off
    with pytest.raises(urllib3.exceptions.HTTPError):
        assert stream(api, person, recording_key("Ada", "Song 1")).data


class Tap:
    """A song that flows for as long as somebody listens."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.ended = threading.Event()

    def __call__(self, handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/mpeg")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        try:
            handler.wfile.write(b"a" * 65_536)
            self.may_go_on.wait(10)
            while True:
                handler.wfile.write(b"b" * 65_536)
        except OSError:
            self.ended.set()


def test_the_first_sounds_come_before_the_last_are_there_and_an_end_is_passed_on(
    services: Container, api: PublicApi, person: Person, odd: Odd
) -> None:
    connected(services, person, odd.url)
    odd.stream = tap = Tap()
    place = urlsplit(api.stack.base_url)
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=10) as listener:
        key = recording_key("Ada", "Song 1")
        listener.sendall(
            f"GET /api/v1/playlists/library/stream/{key} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Authorization: Bearer {person.token}\r\n\r\n".encode()
        )
        received = b""
        while b"aaaa" not in received:
            received += listener.recv(4096)
        assert received.startswith(b"HTTP/1.1 200")
        tap.may_go_on.set()
        while b"bbbb" not in received:
            received = received[-8:] + listener.recv(65_536)
    assert tap.ended.wait(10)


def test_one_listener_takes_only_so_many_streams(services: Container, api: PublicApi, person: Person, odd: Odd) -> None:
    connected(services, person, odd.url)
    odd.stream = tap = Tap()
    key = recording_key("Ada", "Song 1")
    running = [stream(api, person, key) for _ in range(3)]
    assert [each.status for each in running] == [200] * 3
    refused = stream(api, person, key)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    tap.may_go_on.set()
    for each in running:
        each.close()
    assert eventually(lambda: stream(api, person, key).status == 200, within_s=10)


# The public routes, and forgetting


def test_the_public_routes_do_it_all(api: PublicApi, services: Container, person: Person, odd: Odd) -> None:
    base = "/api/v1/playlists/library"
    assert api.get(base, token=person.token).status == 404
    wrong = api.put(base, token=person.token, json={"address": "ftp://nowhere", "password": "x"})
    assert (wrong.status, wrong.json["code"]) == (422, "playlists.library_refused")
    made = api.put(
        base,
        token=person.token,
        json={"address": odd.url, "user_name": "ada", "password": "a long secret", "pushes_weekly": False},
    )
    assert made.status == 200
    synced(services, person)
    assert api.send("PATCH", base, token=person.token, json={"pushes_weekly": True}).json["pushes_weekly"]
    assert api.post(f"{base}/sync", token=person.token).status == 202
    playlist_id = playlist_of(services, person, NewEntry("Ada", "Song 1"))
    assert api.post(f"/api/v1/playlists/{playlist_id}/push", token=person.token).json["matched"] == 1
    shown = api.get(base, token=person.token)
    assert shown.json["address"] == odd.url
    with zipfile.ZipFile(io.BytesIO(api.get("/api/v1/me/export", token=person.token).body)) as export:
        exported = export.read("account.json").decode()
    assert odd.url in exported
    assert "a long secret" not in shown.text + exported
    assert api.delete(base, token=person.token).status == 204
    assert api.get(base, token=person.token).status == 404


def test_who_is_erased_loses_the_library_too(
    services: Container, person: Person, odd: Odd, database: Callable[..., Database]
) -> None:
    connected(services, person, odd.url)
    playlist_id = playlist_of(services, person, NewEntry("Ada", "Song 1"))
    with acting_as(person.actor):
        services.playlists.push_playlist(person.listener_id, playlist_id)
        services.playlists.delete_playlist(playlist_id)
    with acting_as(SYSTEM):
        assert services.playlists.has_traces(person.listener_id)
    with acting_as(person.actor):
        services.accounts.delete_listener(person.listener_id)

    def left() -> int:
        with database("playlists").begin() as session:
            query = " union all ".join(
                f"select listener_id from {table} where listener_id = :id" for table in ("library", "song", "push")
            )
            return len(session.execute(text(query), {"id": person.listener_id}).all())

    eventually(lambda: left() == 0, within_s=10)
    with acting_as(SYSTEM):
        assert not services.playlists.has_traces(person.listener_id)


def test_the_small_server_of_the_samples_works_too(services: Container, person: Person, data_dir: Path) -> None:
    program = data_dir.parent / "clients" / "fake_subsonic.py"
    if not program.exists():
        pytest.skip(f"real data: no file {program}")
    port = free_port()
    process = subprocess.Popen([sys.executable, str(program), str(port)], start_new_session=True, env={**os.environ})
    try:
        wait_until(
            lambda: urllib3.request("GET", f"http://127.0.0.1:{port}/_state", retries=False).status == 200, within_s=10
        )
        assert connected(services, person, f"http://127.0.0.1:{port}", "lib", "lib-pass").songs == 120
        playlist_id = playlist_of(services, person, NewEntry("Artist 3", "Song 01"), NewEntry("Artist 3", "Song 99"))
        with acting_as(person.actor):
            report = services.playlists.push_playlist(person.listener_id, playlist_id)
            again = services.playlists.push_playlist(person.listener_id, playlist_id)
        assert (report.matched, report.total, again.remote_id) == (1, 2, report.remote_id)
        state = urllib3.request("GET", f"http://127.0.0.1:{port}/_state").json()
        assert [each["songs"] for each in state["playlists"].values()] == [["so-3-0-1"]]
    finally:
        kill(process)
