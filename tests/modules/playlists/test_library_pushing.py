"""Playlists into a library: made, replaced, gone on with."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from app.composition import Container
from app.contracts.playlists import LibraryFailed, NewEntry, PlaylistNotFound
from app.kernel.context import acting_as
from tests.modules.playlists.libraries import connected, playlist_of, song
from tests.support.people import Person, new_person
from tests.support.subsonic import PASSWORD, USER, Odd, Supysonic
from tests.support.waiting import eventually


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
