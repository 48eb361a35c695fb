"""Certificates between processes, over TCP: who has none of this instance is refused, renewed ones need no restart."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from app.bench.system import Servers, System, environment_for, free_port, kill, migrate, start_process, wait_until
from app.composition import Container, as_process
from app.host import pki
from app.host.places import HostError
from app.kernel.transport import Identity, pool_for
from app.settings import load as load_settings
from app.topology import TopologyError, load
from tests.support.commands import manage, manage_json
from tests.support.people import new_person

pytestmark = [pytest.mark.split, pytest.mark.extended]

TOPOLOGY = """
[processes.gateway]
modules = ["accounts", "catalog", "listens", "training", "playlists"]
url = "unix:gateway.sock"

[processes.recommendations]
modules = ["recommendations"]
url = "https://127.0.0.1:PORT"
"""


@pytest.fixture(scope="module")
def secured(servers: Servers, folder: Path) -> Iterator[System]:
    """Recommendations on a TCP port that wants certificates, everything else beside it."""
    home = folder / "tls"
    home.mkdir()
    file = home / "tls.toml"
    file.write_text(TOPOLOGY.replace("PORT", str(free_port())))
    environment = environment_for(servers, home, "segue_tls", str(file))
    settings, topology = load_settings(environment), load(str(file))
    services = Container(as_process(settings, "cli"), topology, ())
    system = System(topology, environment, settings, services, settings.public_url, {})
    assert manage(system, "pki", "init").returncode == 0
    issued = manage(system, "pki", "issue")
    assert issued.returncode == 0, issued.stderr
    migrate(settings)
    try:
        for name in topology.processes:
            system.processes[name] = start_process(settings, environment, name)
        wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=120)
        yield system
    finally:
        for process in system.processes.values():
            kill(process)


def ask(system: System, identity: Identity | None, *, peer: str = "recommendations") -> int:
    [url] = system.topology.processes["recommendations"].urls
    pool = pool_for(url, Path("/"), identity, peer)
    return pool.request("GET", "/healthz", timeout=5, retries=False).status


def other_authority(folder: Path, process: str = "cli") -> Identity:
    pki.init(folder)
    pki.issue(folder, process)
    return Identity(pki.pki_folder(folder), process)


def test_processes_know_each_other_by_their_certificates(secured: System) -> None:
    person = new_person(secured.services)
    headers = {"Authorization": f"Bearer {person.token}"}
    assert secured.request("GET", "/api/v1/recommendations", headers=headers).status == 200
    assert ask(secured, Identity(secured.settings.data_dir / "pki", "cli")) == 200
    assert "recommendations" in {each["process"] for each in manage_json(secured, "pki", "show")["certificates"]}


def test_who_shows_no_good_certificate_is_refused(secured: System, tmp_path: Path) -> None:
    real = secured.settings.data_dir
    [url] = secured.topology.processes["recommendations"].urls
    believing = ssl.create_default_context(cafile=real / "pki" / "ca.pem")
    with pytest.raises((urllib3.exceptions.HTTPError, OSError)):  # none at all
        urllib3.PoolManager(ssl_context=believing).request("GET", f"{url}/healthz", retries=False, timeout=5)
    with pytest.raises((urllib3.exceptions.HTTPError, OSError)):  # no TLS
        urllib3.request("GET", url.replace("https", "http") + "/healthz", retries=False, timeout=5)
    foreign = other_authority(tmp_path / "foreign")
    (foreign.folder / "ca.pem").write_bytes((real / "pki" / "ca.pem").read_bytes())
    with pytest.raises(urllib3.exceptions.HTTPError):  # of another instance
        ask(secured, foreign)
    expired = tmp_path / "expired"
    (expired / "pki").mkdir(parents=True)
    for name in ("ca.pem", "ca.key"):
        (expired / "pki" / name).write_bytes((real / "pki" / name).read_bytes())
    pki.issue(expired, "cli", days=-1)
    with pytest.raises(urllib3.exceptions.HTTPError):  # of this one, too old
        ask(secured, Identity(expired / "pki", "cli"))


def test_a_server_that_is_another_is_refused(secured: System, tmp_path: Path) -> None:
    own = Identity(secured.settings.data_dir / "pki", "cli")
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(secured, own, peer="training")
    elsewhere = other_authority(tmp_path)
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(secured, elsewhere)


def serial_shown(system: System) -> int:
    host, port = system.topology.processes["recommendations"].urls[0].removeprefix("https://").split(":")
    context = Identity(system.settings.data_dir / "pki", "cli").context()
    with (
        socket.create_connection((host, int(port)), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="recommendations") as secure,
    ):
        return int(secure.getpeercert()["serialNumber"], 16)


def test_a_renewed_certificate_is_used_without_a_restart(secured: System) -> None:
    before, pids = serial_shown(secured), {name: p.pid for name, p in secured.processes.items()}
    assert manage(secured, "pki", "renew", "--within", "10").stdout == "nothing ends soon\n"
    renewed = manage(secured, "pki", "renew", "--within", "400")
    assert renewed.stdout.count("good until") == 4, renewed.stderr
    assert serial_shown(secured) != before
    person = new_person(secured.services)
    headers = {"Authorization": f"Bearer {person.token}"}
    assert secured.request("GET", "/api/v1/recommendations", headers=headers).status == 200
    assert {name: p.pid for name, p in secured.processes.items() if p.poll() is None} == pids


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="pki init"):
        pki.issue(tmp_path, "gateway")
    file = tmp_path / "wrong.toml"
    file.write_text(TOPOLOGY.replace("unix:gateway.sock", "https://127.0.0.1:1"))
    with pytest.raises(TopologyError, match="behind the gateway"):
        load(str(file))
