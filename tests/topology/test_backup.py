"""A backup brought into another server, and one of the release before: nothing is lost, and the feeds go on."""

import gzip
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.bench.system import (
    Servers,
    System,
    environment_for,
    kill,
    running_servers,
    start_process,
    wait_until,
)
from app.composition import Container
from app.kernel.db import Database, module_url
from app.settings import load as load_settings
from app.topology import load as load_topology
from tests.support.commands import manage
from tests.support.people import PASSWORD, Person, new_person
from tests.support.waiting import eventually

pytestmark = pytest.mark.extended

RELEASE = Path(__file__).with_name("release-0.1.0.tar.gz")
LOGS = ("accounts", "catalog", "listens", "training")


@pytest.fixture(scope="module")
def elsewhere(folder: Path) -> Iterator[Servers]:
    """Another PostgreSQL server, which has given few transaction ids."""
    (folder / "elsewhere").mkdir()
    with running_servers(folder / "elsewhere") as running:
        yield running


def prepared(servers: Servers, folder: Path, database: str) -> System:
    """An installation on a server, with secrets of its own and nothing in it."""
    environment = environment_for(servers, folder, database, "monolith")
    for name in ("secret_key", "pseudonym_key"):
        (folder / "secrets" / name).write_text(os.urandom(24).hex())
    settings, topology = load_settings(environment), load_topology("monolith")
    return System(topology, environment, settings, Container(settings, topology, ()), settings.public_url, {})


def start(system: System) -> None:
    system.processes["gateway"] = start_process(system.settings, system.environment, "gateway")
    wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=180)


def sign_in(system: System, name: str) -> dict[str, str]:
    body = json.dumps({"name": name, "password": PASSWORD}).encode()
    reply = system.request("POST", "/api/v1/auth/login", body=body)
    assert reply.status == 200, reply.text
    return {"Authorization": f"Bearer {reply.json['access_token']}"}


def submit(system: System, headers: dict[str, str], first: int, count: int = 10) -> None:
    listens = [
        {"listened_at": 1_700_000_000 + 300 * n, "artist": f"Artist {n % 4}", "title": f"Song {n}"}
        for n in range(first, first + count)
    ]
    reply = system.request("POST", "/api/v1/listens", headers=headers, body=json.dumps({"listens": listens}).encode())
    assert reply.json["accepted"] == count, reply.text


def state(system: System, headers: dict[str, str]) -> dict[str, Any]:
    def read(path: str) -> Any:
        return system.request("GET", f"/api/v1/{path}", headers=headers).json

    return {
        "me": read("me")["name"],
        "listens": read("listens?limit=1000")["listens"],
        "playlists": read("playlists"),
        "artists": [(artist["title"], artist["plays"]) for artist in read("statistics/artists")["items"]],
    }


def query(system: System, module: str, sql: str) -> Any:
    database = Database(module_url(system.settings, module), pool_size=1)
    try:
        with database.begin() as session:
            return session.execute(text(sql)).scalar_one()
    finally:
        database.dispose()


def profile_plays(system: System) -> int:
    """How many listens the followers of recommendations have counted."""
    return int(
        query(system, "recommendations", "select coalesce(sum(plays), 0) from profile_item where kind = 'recordings'")
    )


def test_a_backup_goes_into_another_server_and_the_feeds_go_on(
    system: System, elsewhere: Servers, folder: Path, tmp_path: Path
) -> None:
    person: Person = new_person(system.services)
    headers = sign_in(system, person.name)
    submit(system, headers, 0)
    system.request("POST", "/api/v1/playlists", headers=headers, body=b'{"name": "Kept"}')
    eventually(lambda: len(state(system, headers)["artists"]) == 4)
    before = state(system, headers)
    file = tmp_path / "segue.tar"
    made = manage(system, "backup", str(file), "--json")
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o077 == 0
    submit(system, headers, 100)  # after the backup: not part of it

    other = prepared(elsewhere, folder / "restored", "segue_restored")
    restored = manage(other, "restore", str(file))
    assert restored.returncode == 0, restored.stderr
    start(other)
    try:
        again = sign_in(other, person.name)
        eventually(lambda: state(other, again) == before, within_s=30, every_s=0.3)
        for module in LOGS:
            sql = "select generation from event_generation"
            assert query(other, module, sql) == query(system, module, sql) + 1
        counted = profile_plays(other)
        submit(other, again, 200, 5)
        eventually(lambda: profile_plays(other) == counted + 5, within_s=20)
    finally:
        kill(other.processes["gateway"])
    refused = manage(other, "restore", str(file))
    assert (refused.returncode, "--replace" in refused.stderr) == (1, True)
    assert manage(other, "restore", str(file), "--replace").returncode == 0
    assert (
        query(other, "listens", "select count(*) from listen")
        == query(system, "listens", "select count(*) from listen") - 10
    )


def test_a_backup_without_keys_holds_none(system: System, tmp_path: Path) -> None:
    for option, held in (("--secrets", True), ("--no-secrets", False)):
        file = tmp_path / f"{option}.tar"
        assert manage(system, "backup", str(file), option).returncode == 0
        with tarfile.open(file) as archive:
            names = archive.getnames()
        assert any(name.startswith("secrets/") for name in names) is held
        key = system.settings.secret("secret_key").encode()
        assert (key in file.read_bytes()) is held


def test_a_damaged_backup_is_refused(elsewhere: Servers, folder: Path, tmp_path: Path) -> None:
    other = prepared(elsewhere, folder / "damaged", "segue_damaged")
    with gzip.open(RELEASE) as release:
        whole = release.read()
    at = whole.index(b"PGDMP") + 4000
    for damaged in (whole[: len(whole) // 2], whole[:at] + b"x" * 64 + whole[at + 64 :], b"?"):
        file = tmp_path / "segue.tar"
        file.write_bytes(damaged)
        refused = manage(other, "restore", str(file))
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr


def test_the_release_before_is_upgraded_with_its_data(elsewhere: Servers, folder: Path) -> None:
    """The file holds what 0.1.0 kept of six listeners with 48 listens each, a model, a playlist and one loved song."""
    upgraded = prepared(elsewhere, folder / "upgraded", "segue_upgraded")
    restored = manage(upgraded, "restore", str(RELEASE))
    assert restored.returncode == 0, restored.stderr
    checked = manage(upgraded, "db", "check")
    assert checked.returncode == 0, checked.stderr
    start(upgraded)
    try:
        ada = sign_in(upgraded, "ada")
        found = state(upgraded, ada)
        assert (len(found["listens"]), found["me"]) == (48, "ada")
        assert [playlist["name"] for playlist in found["playlists"]["playlists"]] == ["Old favourites"]
        eventually(lambda: [plays for _, plays in state(upgraded, ada)["artists"]] == [8] * 6, within_s=30)
        loved = upgraded.request("GET", "/api/v1/feedback?value=1", headers=ada).json["feedback"]
        assert len(loved) == 1

        eventually(lambda: query(upgraded, "recommendations", "select count(*) from champion") == 1, within_s=30)
        eventually(lambda: profile_plays(upgraded) == 6 * 48, within_s=30)
        submit(upgraded, ada, 0)
    finally:
        kill(upgraded.processes["gateway"])
