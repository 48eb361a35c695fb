"""A throwaway Segue: its own PostgreSQL, broker, secrets and processes, in a folder that goes away afterwards.

Benchmarks and the test suite run on it, beside a running instance and without touching it.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from app.composition import Container, process_names, services_for
from app.host import secrets as host_secrets
from app.host.postgres import running_postgres
from app.host.serving import COMPUTING, SERVING, bind_of, certificates_for, serving_command
from app.host.valkey import running_valkey
from app.kernel import migrations
from app.settings import MODULE_NAMES, Settings
from app.settings import load as load_settings
from app.topology import GATEWAY, Topology
from app.topology import load as load_topology

ROOT = Path(__file__).resolve().parents[2]
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Servers:
    """The servers that systems share. `admin_url` is a superuser's; the secrets hold the roles' passwords."""

    admin_url: str
    broker_url: str
    results_url: str
    limits_url: str
    secrets_dir: Path


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class System:
    """A running system: `services` calls its modules, `base_url` is its gateway, `processes` what can be killed."""

    topology: Topology
    environment: dict[str, str]
    settings: Settings
    services: Container
    base_url: str
    processes: dict[str, Process]

    def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        reply = urllib3.request(
            method, self.base_url + path, headers=headers, body=body, retries=False, redirect=False, timeout=20
        )
        return Reply(reply.status, reply.headers, reply.data)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder with a short path: unix sockets allow about 100 characters."""
    folder = Path(tempfile.mkdtemp(prefix="segue-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    host_secrets.ensure(folder / "shared", [])
    with running_postgres(folder / "pg") as admin_url, running_valkey(folder / "vk") as valkey:
        yield Servers(
            admin_url, valkey.broker_url, valkey.results_url, valkey.limits_url, folder / "shared" / "secrets"
        )


def environment_for(servers: Servers, folder: Path, database: str, topology: str) -> dict[str, str]:
    """Prepare a data folder with secrets and return the environment of a system's processes."""
    port = free_port()
    (folder / "run").mkdir(parents=True, exist_ok=True)
    shutil.copytree(servers.secrets_dir, folder / "secrets", dirs_exist_ok=True)
    host_secrets.ensure(folder, process_names(load_topology(topology)))
    return {
        "DATABASE_URL": servers.admin_url.replace("/postgres?", f"/{database}?"),
        "BROKER_URL": servers.broker_url,
        "SEGUE_RESULTS_URL": servers.results_url,
        "SEGUE_LIMITS_URL": servers.limits_url,
        "SEGUE_QUEUE": database,
        "SEGUE_DATA_DIR": str(folder),
        "SEGUE_SOCKET_DIR": str(folder / "run"),
        "SEGUE_TOPOLOGY": topology,
        "SEGUE_BIND": f"127.0.0.1:{port}",
        "SEGUE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SEGUE_RATE_LIMITS": "0",
        "SEGUE_ENVIRONMENT": "test",
        "SEGUE_ALLOW_PRIVATE_HOSTS": "127.0.0.1",  # where the other services of tests are
        **COMPUTING,
    }


def migrate(settings: Settings) -> None:
    migrations.bootstrap(settings, list(MODULE_NAMES))
    for module in MODULE_NAMES:
        migrations.upgrade(settings, module)


def start_process(
    settings: Settings,
    environment: dict[str, str],
    name: str,
    *,
    workers: int = 1,
    threads: int = 8,
    checkout: Path = ROOT,
) -> Process:
    """Start one process of a topology, as leader of a group so that all of it can be killed at once.

    `name` is the process, or for its second address and those after it `process-2`, `process-3`. The code is that of
    `checkout`.
    """
    process, _, number = name.partition("-")
    served = load_topology(settings.topology).processes[process]
    urls = served.urls if process == GATEWAY else served.urls[int(number or 1) - 1 :][:1]
    binds = [bind_of(url, settings.socket_dir) for url in urls]
    binds += [settings.bind] if process == GATEWAY else []
    command = serving_command(
        process,
        binds,
        server=served.server,
        workers=workers,
        threads=threads,
        certificates=certificates_for(served.urls, settings.data_dir),
        nice=served.nice,
    )
    return start_command(settings, {**SERVING, **environment}, name, command, checkout=checkout)


def started_as(topology: Topology, process: str) -> list[str]:
    """Return the names that a process is started by: one for each of its addresses."""
    count = 1 if process == GATEWAY else len(topology.processes[process].urls)
    return [process if number == 1 else f"{process}-{number}" for number in range(1, count + 1)]


def start_worker(settings: Settings, environment: dict[str, str]) -> Process:
    """Start a Celery worker with beat."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "services.worker.celery_app",
        "worker",
        "-B",
        "-c",
        "2",
        "--loglevel",
        "INFO",
    ]
    command += ["-s", str(settings.data_dir / "run" / "beat-schedule")]
    return start_command(settings, environment, "worker", command)


def start_command(
    settings: Settings, environment: dict[str, str], name: str, command: list[str], *, checkout: Path = ROOT
) -> Process:
    """Start a command as leader of a group, its output in `<data>/<name>.log`.

    All in one session, as `up` has them: Linux shares the cores among sessions first, and `nice` counts within one.
    """
    with (settings.data_dir / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=checkout,
            env={
                **os.environ,
                **environment,
                "PROMETHEUS_MULTIPROC_DIR": str(settings.data_dir / f"run/metrics-{name}"),
            },
            stdout=log,
            stderr=log,
            process_group=0,
        )


def kill(process: Process) -> None:
    """Kill a process with all that it started (kill -9)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def running_system(servers: Servers, folder: Path, topology: str, *, has_worker: bool = False) -> Iterator[System]:
    """Start all processes of a topology on a database of their own and wait until every module answers."""
    environment = environment_for(servers, folder, f"segue_{secrets.token_hex(4)}", topology)
    migrate(load_settings(environment))
    with running_processes(environment, has_worker=has_worker) as system:
        yield system


@contextlib.contextmanager
def running_processes(environment: dict[str, str], *, has_worker: bool = False) -> Iterator[System]:
    """Start all processes of a topology on a database that is prepared, and wait until every module answers."""
    settings = load_settings(environment)
    topology = load_topology(settings.topology)
    processes: dict[str, Process] = {}
    system = System(
        topology, environment, settings, services_for(settings, topology, "cli"), settings.public_url, processes
    )
    try:
        for name, process in topology.processes.items():
            for started in started_as(topology, name):
                processes[started] = start_process(settings, environment, started, workers=process.workers)
        if has_worker:
            processes["worker"] = start_worker(settings, environment)
        wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=180)
        yield system
    finally:
        for running in processes.values():
            kill(running)


def wait_until(check: Callable[[], bool], *, within_s: float) -> None:
    """Wait for a check to pass; connection errors count as not yet. Raises TimeoutError."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            if check():
                return
        time.sleep(0.1)
    raise TimeoutError(f"not ready within {within_s:.0f} s")
