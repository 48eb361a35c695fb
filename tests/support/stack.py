"""A whole Segue for tests: real PostgreSQL, real broker, real processes, in a temporary folder."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from flask import Flask
from werkzeug.serving import make_server

from app.composition import Container, create_app, process_names
from app.host import secrets as host_secrets
from app.kernel import migrations
from app.kernel.binding import loopback
from app.kernel.db import Database, module_url
from app.settings import MODULE_NAMES, Settings
from app.settings import load as load_settings
from app.topology import SHIPPED
from app.topology import load as load_topology
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Servers:
    """The servers that all stacks of a test run share. `admin_url` is a superuser's."""

    admin_url: str
    broker_url: str
    results_url: str
    limits_url: str
    secrets_dir: Path


@dataclass
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


@dataclass
class Stack:
    """One database, one data folder, one topology."""

    name: str
    environment: dict[str, str]
    settings: Settings
    services: Container
    base_url: str = ""
    processes: "dict[str, subprocess.Popen[bytes]] | None" = None
    app: Flask | None = None

    def database(self, module: str, role: str = "app") -> Database:
        return Database(module_url(self.settings, module, role), pool_size=2)

    def request(self, method: str, path: str, *, headers: dict[str, str], body: bytes | None) -> Reply:
        reply = urllib3.request(
            method, self.base_url + path, headers=headers, body=body, retries=False, redirect=False, timeout=20
        )
        return Reply(reply.status, reply.headers, reply.data)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def environment_for(servers: Servers, folder: Path, name: str, topology: str) -> dict[str, str]:
    port = free_port()
    (folder / "run").mkdir(parents=True, exist_ok=True)
    shutil.copytree(servers.secrets_dir, folder / "secrets", dirs_exist_ok=True)
    return {
        "DATABASE_URL": servers.admin_url.replace("/postgres?", f"/{name}?"),
        "BROKER_URL": servers.broker_url,
        "SEGUE_RESULTS_URL": servers.results_url,
        "SEGUE_LIMITS_URL": servers.limits_url,
        "SEGUE_DATA_DIR": str(folder),
        "SEGUE_SOCKET_DIR": str(folder / "run"),
        "SEGUE_TOPOLOGY": topology,
        "SEGUE_BIND": f"127.0.0.1:{port}",
        "SEGUE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SEGUE_RATE_LIMITS": "0",
        "SEGUE_ENVIRONMENT": "test",
        "SEGUE_POOL_SIZE": "4",
    }


def migrate(settings: Settings) -> None:
    migrations.bootstrap(settings, list(MODULE_NAMES))
    for module in MODULE_NAMES:
        migrations.upgrade(settings, module)


@contextlib.contextmanager
def loopback_stack(servers: Servers, folder: Path) -> Iterator[Stack]:
    """Everything in the process of the tests, contracts encoded and decoded; pages on a real HTTP server."""
    environment = environment_for(servers, folder, "segue_loopback", "monolith")
    settings = load_settings(environment)
    migrate(settings)
    topology = load_topology("monolith")
    services = Container(settings, topology, tuple(MODULE_NAMES), bind=loopback)
    app = create_app("gateway", settings, container=services)
    runtime = app.extensions["segue"]
    runtime.start_followers()
    host, port = settings.bind.split(":")
    server = make_server(host, int(port), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Stack("loopback", environment, settings, services, settings.public_url, None, app)
    finally:
        server.shutdown()
        runtime.stop_followers()


def start_process(stack: Stack, process: str, *, workers: int = 1, threads: int = 4) -> "subprocess.Popen[bytes]":
    """Start one gunicorn of a topology in a session of its own, so that a fault test can kill all of it."""
    topology = load_topology(stack.settings.topology)
    binds = [f"unix:{stack.settings.socket_dir / u.removeprefix('unix:')}" for u in topology.processes[process].urls]
    if process == "gateway":
        binds.append(stack.settings.bind)
    command = [sys.executable, "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "--no-control-socket"]
    command += ["-w", str(workers), "--threads", str(threads)]
    for bind in binds:
        command += ["-b", bind]
    log = (stack.settings.data_dir / f"{process}.log").open("ab")
    return subprocess.Popen(
        [*command, f"services.{process}.wsgi:app"],
        cwd=ROOT,
        env={**os.environ, **stack.environment},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


@contextlib.contextmanager
def split_stack(servers: Servers, folder: Path) -> Iterator[Stack]:
    """Each module in a gunicorn of its own, called over unix sockets; started once per test run."""
    environment = environment_for(servers, folder, "segue_split", str(SHIPPED / "split.toml"))
    settings = load_settings({**environment, "SEGUE_PROCESS": "cli"})
    migrate(settings)
    topology = load_topology(settings.topology)
    host_secrets.ensure(settings.data_dir, process_names(topology))
    services = Container(settings, topology, ())
    stack = Stack("split", environment, settings, services, settings.public_url, {})
    assert stack.processes is not None
    try:
        for process in topology.processes:
            stack.processes[process] = start_process(stack, process)
        eventually(lambda: is_ready(stack), within_s=90, every_s=0.3)
        yield stack
    finally:
        for running in stack.processes.values():
            kill(running)


def is_ready(stack: Stack) -> bool:
    reply = stack.request("GET", "/readyz", headers={}, body=None)
    assert reply.status == 200, reply.text
    return True
