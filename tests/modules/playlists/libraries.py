"""Libraries: a real Subsonic server, and odd ones for what real ones do at times."""

import secrets
from typing import Any
from uuid import UUID

import urllib3

from app.composition import Container
from app.contracts.identity import recording_key
from app.contracts.playlists import Library, NewEntry
from app.kernel.context import acting_as
from tests.conftest import PublicApi
from tests.support.people import Person
from tests.support.subsonic import PASSWORD, USER
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


def playlist_of(services: Container, person: Person, *entries: NewEntry, name: str = "") -> UUID:
    with acting_as(person.actor):
        made = services.playlists.create_playlist(
            person.listener_id, name or f"Mix {secrets.token_hex(4)}", "for the road", entries=list(entries)
        )
    return made.playlist_id


def stream(api: PublicApi, person: Person | None, key: UUID, **headers: str) -> urllib3.BaseHTTPResponse:
    sent = {"Authorization": f"Bearer {person.token}"} if person else {}
    path = f"/api/v1/playlists/library/stream/{key}"
    return urllib3.request(
        "GET", api.stack.base_url + path, headers={**sent, **headers}, preload_content=False, timeout=10, retries=False
    )
