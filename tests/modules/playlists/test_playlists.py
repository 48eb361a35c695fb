import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from app.composition import Container
from app.contracts.playlists import (
    EditConflict,
    InvalidPlaylist,
    NewEntry,
    Playlist,
    PlaylistNotFound,
)
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.support.people import Person, new_person
from tests.support.waiting import eventually

HOSTILE = ['<script>alert("x")</script>', "two\nlines & <more>", "\N{RIGHT-TO-LEFT OVERRIDE}back", "../../etc/passwd"]


def make(services: Container, person: Person, *titles: str, is_public: bool = False) -> Playlist:
    entries = [NewEntry("An artist", title) for title in titles]
    with acting_as(person.actor):
        return services.playlists.create_playlist(person.listener_id, "A list", "", is_public, entries)


def titles(services: Container, person: Person, playlist: Playlist) -> list[str]:
    with acting_as(person.actor):
        return [entry.title for entry in services.playlists.get_playlist(playlist.playlist_id).entries]


def test_entries_keep_the_order_they_were_given(services: Container, person: Person) -> None:
    assert titles(services, person, make(services, person, "a", "b", "c")) == ["a", "b", "c"]


@pytest.mark.parametrize(("source", "target", "expected"), [(0, 2, "bca"), (2, 0, "cab"), (1, 1, "abc"), (0, 1, "bac")])
def test_an_entry_moves_to_where_it_shall_stand(
    services: Container, person: Person, source: int, target: int, expected: str
) -> None:
    playlist = make(services, person, "a", "b", "c")
    with acting_as(person.actor):
        services.playlists.move_entry(playlist.playlist_id, source, target)
    assert titles(services, person, playlist) == list(expected)


def test_entries_are_added_where_asked_and_taken_out(services: Container, person: Person) -> None:
    playlist = make(services, person, "a", "c")
    with acting_as(person.actor):
        services.playlists.add_entries(playlist.playlist_id, [NewEntry("An artist", "b")], 1)
        services.playlists.add_entries(playlist.playlist_id, [NewEntry("An artist", "d")])
        changed = services.playlists.remove_entry(playlist.playlist_id, 0)
    assert titles(services, person, playlist) == ["b", "c", "d"]
    assert (changed.entry_count, changed.revision) == (3, playlist.revision + 3)


def test_an_edit_of_an_older_revision_is_refused(services: Container, person: Person) -> None:
    playlist = make(services, person, "a", "b")
    with acting_as(person.actor):
        services.playlists.move_entry(playlist.playlist_id, 0, 1, playlist.revision)
        with pytest.raises(EditConflict):
            services.playlists.remove_entry(playlist.playlist_id, 0, playlist.revision)
    assert titles(services, person, playlist) == ["b", "a"]


def test_edits_at_the_same_time_all_count(services: Container, person: Person) -> None:
    playlist = make(services, person)

    def add(number: int) -> None:
        with acting_as(person.actor):
            services.playlists.add_entries(playlist.playlist_id, [NewEntry("An artist", f"{number}")])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(12)))
    assert sorted(titles(services, person, playlist), key=int) == [str(n) for n in range(12)]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": "nul\0"},
        {"description": "x" * 4001},
        {"entries": [NewEntry("", "title")]},
        {"entries": [NewEntry("artist", " ")]},
        {"entries": [NewEntry("a", "b")] * 2001},
    ],
    ids=["no name", "long name", "nul", "long description", "no artist", "no title", "too many"],
)
def test_what_no_playlist_can_be_is_refused(services: Container, person: Person, change: dict[str, Any]) -> None:
    with acting_as(person.actor), pytest.raises(InvalidPlaylist):
        services.playlists.create_playlist(person.listener_id, **{"name": "A list", **change})


@pytest.mark.parametrize("position", [-1, 2, 99])
def test_a_position_that_is_not_there_is_refused(services: Container, person: Person, position: int) -> None:
    playlist = make(services, person, "a", "b")
    with acting_as(person.actor), pytest.raises(InvalidPlaylist):
        services.playlists.remove_entry(playlist.playlist_id, position)


def test_a_private_playlist_is_not_there_for_others(services: Container, person: Person) -> None:
    playlist, other = make(services, person, "a"), new_person(services)
    with acting_as(other.actor):
        for call in (
            lambda: services.playlists.get_playlist(playlist.playlist_id),
            lambda: services.playlists.edit_playlist(playlist.playlist_id, name="mine"),
            lambda: services.playlists.delete_playlist(playlist.playlist_id),
            lambda: services.playlists.export_playlist(playlist.playlist_id, "jspf"),
        ):
            with pytest.raises(PlaylistNotFound):
                call()


def test_a_public_playlist_is_read_by_others_and_edited_by_its_owner(services: Container, person: Person) -> None:
    playlist, other = make(services, person, "a", is_public=True), new_person(services)
    assert titles(services, other, playlist) == ["a"]
    with acting_as(other.actor), pytest.raises(PlaylistNotFound):
        services.playlists.remove_entry(playlist.playlist_id, 0)


@pytest.mark.parametrize("title", HOSTILE)
def test_exports_are_well_formed_whatever_a_title_holds(services: Container, person: Person, title: str) -> None:
    playlist = make(services, person, title)
    with acting_as(person.actor):
        exports = {f: services.playlists.export_playlist(playlist.playlist_id, f) for f in ("jspf", "xspf", "m3u8")}
    track = json.loads(exports["jspf"].text)["playlist"]["track"][0]
    assert track == {"title": title, "creator": "An artist"}
    root = ElementTree.fromstring(exports["xspf"].text)
    assert root.tag == "{http://xspf.org/ns/0/}playlist"
    assert len(root.findall(".//{http://xspf.org/ns/0/}track")) == 1
    lines = exports["m3u8"].text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert len(lines) == 4
    assert ".." not in lines[3].split("/")


def test_a_download_is_an_attachment_with_a_safe_name(api: PublicApi, person: Person) -> None:
    created = api.post("/api/v1/playlists", json={"name": 'My "list"\r\nX: y'}, token=person.token)
    assert created.status == 201
    reply = api.get(f"/api/v1/playlists/{created.json['playlist_id']}/export?format=xspf", token=person.token)
    assert reply.headers["Content-Disposition"] == 'attachment; filename="My-list-X-y.xspf"'
    assert reply.headers["Content-Type"].startswith("application/xspf+xml")


def test_the_weekly_mix_is_made_once_a_week(services: Container, person: Person) -> None:
    with acting_as(person.actor):
        first = services.playlists.generate_weekly(person.listener_id)
        second = services.playlists.generate_weekly(person.listener_id)
    assert first == second
    assert first.kind == "weekly"
    assert first.week is not None
    assert "popular" in first.description.lower(), "a new listener is told that nothing in it is personal"


def test_the_public_routes_make_edit_and_delete(api: PublicApi, person: Person) -> None:
    token = person.token
    path = f"/api/v1/playlists/{api.post('/api/v1/playlists', json={'name': 'x'}, token=token).json['playlist_id']}"
    entries = [{"artist": "A", "title": t} for t in "ab"]
    assert api.post(f"{path}/entries", json={"entries": entries}, token=token).json["entry_count"] == 2
    assert api.post(f"{path}/moves", json={"source": 0, "target": 1}, token=token).status == 200
    assert [e["title"] for e in api.get(path, token=token).json["entries"]] == ["b", "a"]
    assert api.patch(path, json={"name": "y"}, token=token).json["name"] == "y"
    assert api.delete(f"{path}/entries/0?revision=1", token=token).status == 409
    assert api.delete(path, token=token).status == 204
    assert api.get(path, token=token).status == 404
    assert api.get(f"/api/v1/playlists/{uuid4()}", token=token).status == 404


def test_an_erased_persons_playlists_go(services: Container) -> None:
    person = new_person(services)
    playlist = make(services, person, "a", is_public=True)
    with acting_as(person.actor):
        services.accounts.delete_listener(person.listener_id)

    def is_gone() -> bool:
        try:
            with acting_as(SYSTEM):
                services.playlists.get_playlist(playlist.playlist_id)
        except PlaylistNotFound:
            return True
        return False

    assert eventually(is_gone)
