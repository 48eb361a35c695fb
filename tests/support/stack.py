"""The systems that tests run on: everything in this process with encoded contracts, or each module in its own."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import urllib3
from flask import Flask
from werkzeug.serving import make_server

from app.bench.system import (
    Process,
    Reply,
    Servers,
    environment_for,
    kill,
    migrate,
    running_system,
    start_command,
    wait_until,
)
from app.composition import Container, as_process
from app.host.serving import serving_command
from app.kernel.binding import loopback
from app.kernel.db import Database, module_url
from app.settings import MODULE_NAMES, Settings
from app.settings import load as load_settings
from app.topology import load as load_topology
from app.wsgi import create_app

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Stack:
    """One database, one data folder, one topology."""

    name: str
    environment: dict[str, str]
    settings: Settings
    services: Container
    base_url: str
    processes: dict[str, Process]
    app: Flask | None = None

    def database(self, module: str, role: str = "app") -> Database:
        return Database(module_url(self.settings, module, role), pool_size=2)

    def request(self, method: str, path: str, *, headers: dict[str, str], body: bytes | None) -> Reply:
        reply = urllib3.request(
            method, self.base_url + path, headers=headers, body=body, retries=False, redirect=False, timeout=20
        )
        return Reply(reply.status, reply.headers, reply.data)


@contextlib.contextmanager
def loopback_stack(servers: Servers, folder: Path) -> Iterator[Stack]:
    """Everything in the process of the tests, contracts encoded and decoded; pages on a real HTTP server."""
    environment = {**environment_for(servers, folder, f"segue_{folder.name}", "monolith"), "SEGUE_ENVIRONMENT": "test"}
    settings = load_settings(environment)
    migrate(settings)
    services = Container(settings, load_topology("monolith"), tuple(MODULE_NAMES), bind=loopback)
    app = create_app("gateway", settings, container=services)
    runtime = app.extensions["segue"]
    runtime.start_followers()
    host, port = settings.bind.split(":")
    server = make_server(host, int(port), app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Stack("loopback", environment, settings, services, settings.public_url, {}, app)
    finally:
        server.shutdown()
        server.server_close()
        runtime.stop_followers()


@contextlib.contextmanager
def fastapi_stack(servers: Servers, folder: Path) -> Iterator[Stack]:
    """The monolith with recommendations beside it on FastAPI, where neither Flask nor scikit-learn can be imported."""
    with running_system(servers, folder, "fastapi") as system:
        kill(system.processes["recommendations"])
        bind = f"unix:{folder}/run/recommendations.sock"
        command = serving_command("recommendations", [bind], server="fastapi")
        refused = "flask,werkzeug,flask_jwt_extended,sklearn"
        bare = [command[0], "-m", "tests.support.without", refused, *command[2:]]
        system.processes["recommendations"] = start_command(system.settings, system.environment, "fastapi", bare)
        wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=60)
        services = Container(as_process(system.settings, "cli"), system.topology, ())
        yield Stack("fastapi", system.environment, system.settings, services, system.base_url, system.processes)


@contextlib.contextmanager
def split_stack(servers: Servers, folder: Path) -> Iterator[Stack]:
    """Each module in a gunicorn of its own, called over unix sockets; started once per test run."""
    with running_system(servers, folder, "split") as system:
        # the tests act as whoever they say, from a process of their own
        services = Container(as_process(system.settings, "cli"), system.topology, ())
        yield Stack("split", system.environment, system.settings, services, system.base_url, system.processes)
