"""The public routes of libraries, and forgetting them."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import text

from app.bench.system import free_port, kill, wait_until
from app.composition import Container
from app.contracts.playlists import NewEntry
from app.kernel.context import SYSTEM, acting_as
from app.kernel.db import Database
from tests.conftest import PublicApi
from tests.modules.playlists.libraries import connected, playlist_of, synced
from tests.support.people import Person
from tests.support.subsonic import Odd
from tests.support.waiting import eventually


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
