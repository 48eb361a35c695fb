"""Who may do what with whose playlist: every method, every kind of actor."""

from collections.abc import Callable
from typing import Any

import pytest

from app.composition import Container
from app.contracts.playlists import NewEntry, Playlist, PlaylistNotFound
from app.kernel.context import ANONYMOUS, SYSTEM, Actor, acting_as
from app.kernel.contract import DomainError, NotFound, Unauthenticated
from tests.conftest import PublicApi
from tests.support.people import Person, new_person

Call = Callable[[Container, Playlist], Any]

READS: dict[str, Call] = {
    "get": lambda s, p: s.playlists.get_playlist(p.playlist_id),
    "jspf": lambda s, p: s.playlists.export_playlist(p.playlist_id, "jspf"),
    "xspf": lambda s, p: s.playlists.export_playlist(p.playlist_id, "xspf"),
    "m3u8": lambda s, p: s.playlists.export_playlist(p.playlist_id, "m3u8"),
}
EDITS: dict[str, Call] = {
    "rename": lambda s, p: s.playlists.edit_playlist(p.playlist_id, name="Renamed"),
    "publish": lambda s, p: s.playlists.edit_playlist(p.playlist_id, is_public=True),
    "add": lambda s, p: s.playlists.add_entries(p.playlist_id, [NewEntry("artist", "title")]),
    "move": lambda s, p: s.playlists.move_entry(p.playlist_id, 0, 1),
    "remove": lambda s, p: s.playlists.remove_entry(p.playlist_id, 0),
    "delete": lambda s, p: s.playlists.delete_playlist(p.playlist_id),
}
OWN: dict[str, Call] = {
    "list": lambda s, p: s.playlists.list_playlists(p.owner_id),
    "create": lambda s, p: s.playlists.create_playlist(p.owner_id, "Another"),
    "weekly": lambda s, p: s.playlists.generate_weekly(p.owner_id),
    "export person": lambda s, p: s.playlists.export_listener(p.owner_id),
}
# kind of actor, visibility → what reads, edits and the methods of an owner raise
MATRIX: list[tuple[str, bool, Any, Any, Any]] = [
    ("owner", False, None, None, None),
    ("owner", True, None, None, None),
    ("other", False, PlaylistNotFound, PlaylistNotFound, NotFound),
    ("other", True, None, PlaylistNotFound, NotFound),
    ("admin", False, None, None, None),
    ("service", False, None, None, None),
    ("anonymous", False, Unauthenticated, Unauthenticated, Unauthenticated),
    ("anonymous", True, Unauthenticated, Unauthenticated, Unauthenticated),
]


@pytest.mark.parametrize(("kind", "is_public", "reads", "edits", "own"), MATRIX)
def test_who_may_do_what(
    services: Container, person: Person, kind: str, is_public: bool, reads: Any, edits: Any, own: Any
) -> None:
    entries = [NewEntry("An artist", title) for title in "abc"]
    with acting_as(person.actor):
        playlist = services.playlists.create_playlist(person.listener_id, "A list", "", is_public, entries)
    with acting_as(actor(services, kind, person)):
        for calls, expected in ((READS, reads), (OWN, own), (EDITS, edits)):
            outcome = {name: raised(lambda call=call: call(services, playlist)) for name, call in calls.items()}
            assert outcome == dict.fromkeys(calls, expected)
    if edits is not None:
        with acting_as(person.actor):
            assert services.playlists.get_playlist(playlist.playlist_id).playlist == playlist, "nothing was changed"
            assert len(services.playlists.list_playlists(person.listener_id)) == 1


def raised(call: Callable[[], Any]) -> type[Exception] | None:
    try:
        call()
    except DomainError as error:
        return type(error)
    return None


def actor(services: Container, kind: str, owner: Person) -> Actor:
    match kind:
        case "owner":
            return owner.actor
        case "service":
            return SYSTEM
        case "anonymous":
            return ANONYMOUS
    return new_person(services, is_admin=kind == "admin").actor


def test_a_playlist_that_is_made_private_again_is_gone_for_others(services: Container, person: Person) -> None:
    other = new_person(services)
    with acting_as(person.actor):
        playlist = services.playlists.create_playlist(person.listener_id, "A list", is_public=True)
        services.playlists.edit_playlist(playlist.playlist_id, is_public=False)
    with acting_as(other.actor), pytest.raises(PlaylistNotFound):
        services.playlists.get_playlist(playlist.playlist_id)


def test_a_list_shows_ones_own_playlists_only(services: Container, person: Person) -> None:
    other = new_person(services)
    with acting_as(other.actor):
        services.playlists.create_playlist(other.listener_id, "Theirs", is_public=True)
    with acting_as(person.actor):
        first = services.playlists.create_playlist(person.listener_id, "First")
        services.playlists.create_playlist(person.listener_id, "Second")
        services.playlists.edit_playlist(first.playlist_id, description="changed")
        found = services.playlists.list_playlists(person.listener_id)
    assert [each.name for each in found] == ["First", "Second"], "the last changed comes first"


def test_an_owners_name_is_not_told_to_others(services: Container, person: Person) -> None:
    other = new_person(services)
    with acting_as(person.actor):
        playlist = services.playlists.create_playlist(person.listener_id, "A list", is_public=True)
        assert person.name in services.playlists.export_playlist(playlist.playlist_id, "jspf").text
    with acting_as(other.actor):
        for form in ("jspf", "xspf", "m3u8"):
            assert person.name not in services.playlists.export_playlist(playlist.playlist_id, form).text


def test_a_token_that_may_only_read_edits_nothing(services: Container, person: Person, api: PublicApi) -> None:
    with acting_as(person.actor):
        playlist = services.playlists.create_playlist(person.listener_id, "A list")
        token = services.accounts.create_token(person.listener_id, "reader", ["read"]).token
    path = f"/api/v1/playlists/{playlist.playlist_id}"
    assert api.get(path, token=token).status == 200
    assert api.patch(path, json={"name": "x"}, token=token).status == 403
    assert api.delete(path, token=token).status == 403
    assert api.post("/api/v1/playlists", json={"name": "x"}, token=token).status == 403
    assert api.post("/api/v1/playlists/weekly", token=token).status == 403


def test_what_others_have_is_not_found_by_the_public_routes(
    api: PublicApi, services: Container, person: Person
) -> None:
    other = new_person(services)
    path = (
        f"/api/v1/playlists/{api.post('/api/v1/playlists', json={'name': 'x'}, token=person.token).json['playlist_id']}"
    )
    assert api.get(path).status == 401
    for reply in (
        api.get(path, token=other.token),
        api.get(f"{path}/export?format=xspf", token=other.token),
        api.patch(path, json={"is_public": True}, token=other.token),
        api.post(f"{path}/entries", json={"entries": [{"artist": "a", "title": "b"}]}, token=other.token),
        api.post(f"{path}/moves", json={"source": 0, "target": 0}, token=other.token),
        api.delete(f"{path}/entries/0", token=other.token),
        api.delete(path, token=other.token),
    ):
        assert (reply.status, reply.json["code"]) == (404, "playlists.playlist_not_found")
