"""Replicas of a part, while people use it: one is killed, another joins, one is a canary; also behind a proxy."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bench.system import Servers, System, free_port, kill, running_system, start_command, start_process, started_as
from app.cli.proxies import PROXIES, addresses
from app.kernel.rpc import Resilience
from app.topology import GATEWAY, load
from tests.support.commands import manage, manage_json
from tests.support.people import new_person
from tests.support.waiting import eventually
from tests.support.whole import People, listened

pytestmark = [pytest.mark.split, pytest.mark.extended]

REPLICAS = """
[processes.gateway]
modules = ["accounts", "catalog", "training", "playlists"]
url = "unix:gateway.sock"

[processes.recommendations]
modules = ["recommendations"]
url = ["unix:recommendations.sock", "unix:recommendations-2.sock"]

[processes.listens]
modules = ["listens"]
url = ["unix:listens.sock", "unix:listens-2.sock"]
"""
PARTS = ("recommendations", "listens")
COMMANDS = {"haproxy": ("haproxy", "-db", "-f"), "nginx": ("nginx", "-g", "daemon off;", "-c")}


@pytest.fixture(scope="module")
def replicated(servers: Servers, folder: Path) -> Iterator[System]:
    file = folder / "replicas.toml"
    file.write_text(REPLICAS)
    with running_system(servers, folder / "replicas", str(file)) as system:
        yield system


def answered_by(system: System, name: str) -> int:
    """Return how many requests a process has written down."""
    return (system.settings.data_dir / f"{name}.log").read_text().count('"event":"request"')


def restart(system: System, name: str, environment: dict[str, str] | None = None) -> None:
    kill(system.processes[name])
    system.processes[name] = start_process(system.settings, environment or system.environment, name)
    eventually(lambda: system.request("GET", "/readyz").status == 200, within_s=60, every_s=0.2)


def assert_one_dies_and_one_joins(system: System, parts: tuple[str, ...]) -> None:
    """Kill the second replica of each of these parts (kill -9) and start another, under load: nobody notices."""
    person = new_person(system.services)
    time.sleep(Resilience().breaker_reset_s)  # who found the gateway away when it was started leaves it alone so long
    with People(system.base_url, person.token, count=4) as people:
        for part in parts:
            replica = f"{part}-2"
            time.sleep(0.5)
            kill(system.processes[replica])
            time.sleep(1)
            before = answered_by(system, replica)
            system.processes[replica] = start_process(system.settings, system.environment, replica)
            eventually(lambda: answered_by(system, replica) > before, within_s=60, every_s=0.1)  # noqa: B023
    assert people.failed == [], people.failed[:5]
    assert len(people.acknowledged) > 20
    found = listened(system.base_url, person.token)
    assert len(found) == len(set(found)) == len(people.acknowledged)


def test_a_replica_dies_and_another_joins_and_no_request_fails(replicated: System) -> None:
    assert_one_dies_and_one_joins(replicated, PARTS)


@pytest.mark.parametrize("kind", PROXIES)
def test_the_same_behind_a_proxy_with_the_generated_configuration(
    replicated: System, kind: str, tmp_path: Path
) -> None:
    if not shutil.which(kind):
        pytest.skip(f"{kind} is not installed")
    topology, port = load(replicated.settings.topology), free_port()
    at = addresses(topology, "127.0.0.1", port)
    behind = REPLICAS
    for part in PARTS:
        urls = "[" + ", ".join(f'"{url}"' for url in topology.processes[part].urls) + "]"
        behind = behind.replace(urls, f'"http://{at[part]}"')
    (tmp_path / "behind.toml").write_text(behind)
    text = PROXIES[kind](topology, replicated.settings.socket_dir, first_port=port)
    if kind == "nginx":
        user = "user root;\n" if os.geteuid() == 0 else ""  # the sockets are the system's own
        text = f"{user}pid {tmp_path}/nginx.pid;\nerror_log {tmp_path}/error.log;\n{text}"
    (tmp_path / "proxy.conf").write_text(text)
    proxy = subprocess.Popen([*COMMANDS[kind], str(tmp_path / "proxy.conf")], stderr=subprocess.DEVNULL)
    try:
        restart(replicated, GATEWAY, {**replicated.environment, "SEGUE_TOPOLOGY": str(tmp_path / "behind.toml")})
        assert_one_dies_and_one_joins(replicated, PARTS[:1])
    finally:
        proxy.terminate()
        proxy.wait(10)
        restart(replicated, GATEWAY)


def test_a_canary_answers_its_listeners_and_is_taken_back_when_it_dies(replicated: System) -> None:
    """The other version is of this checkout too: what is tried is who is asked, and what its death does."""
    at = ("recommendations", "--url", "unix:canary.sock")
    early = manage(replicated, "canary", "start", *at)
    assert (early.returncode, len(early.stderr.splitlines())) == (1, 1)
    serving = [sys.executable, "manage.py", "canary", "serve", *at]
    canary = start_command(replicated.settings, replicated.environment, "canary", serving)
    try:
        eventually(lambda: manage(replicated, "canary", "start", *at, "--share", "1").returncode == 0, within_s=60)
        person = new_person(replicated.services)
        before = {name: answered_by(replicated, name) for name in started_as(replicated.topology, "recommendations")}
        with People(replicated.base_url, person.token) as people:
            eventually(lambda: answered_by(replicated, "canary") > 20, within_s=30)
            assert {name: answered_by(replicated, name) for name in before} == before, "others answered for the canary"
            kill(canary)
            eventually(lambda: manage_json(replicated, "canary", "status")["canaries"][0]["taken_back"], within_s=60)
            [found] = manage_json(replicated, "canary", "status")["canaries"]
        assert people.failed == [], people.failed[:5]
        assert sum(answered_by(replicated, name) for name in before) > sum(before.values())
        assert "calls failed" in found["taken_back"]
        assert manage(replicated, "canary", "end", "recommendations").returncode == 0
        assert manage(replicated, "canary", "end", "recommendations").returncode == 1
        acts = [(each["act"], each["subject"]) for each in manage_json(replicated, "audit")["entries"]]
        assert [act for act in acts if act[0].startswith("canary.")] == [
            ("canary.end", "recommendations"),
            ("canary.start", "recommendations"),
        ]
    finally:
        kill(canary)
