"""What runs for a topology on this machine: a gunicorn per address, and the worker."""

import os
import sys

from sqlalchemy.engine import make_url

from app.host.processes import Program
from app.host.serving import (
    COMPUTING,
    ROOT,
    SERVING,
    WORKER_NICE,
    bind_of,
    certificates_for,
    serving_command,
    yielding,
)
from app.host.up import Environment
from app.settings import Settings
from app.topology import GATEWAY, Topology

WORKER = "worker"


def programs(settings: Settings, topology: Topology, environment: Environment, workers: int | None) -> list[Program]:
    """Return the worker and a gunicorn per process; none gets the password of the server's administrator."""
    url = make_url(environment["DATABASE_URL"])
    shared = {
        **{name: value for name, value in os.environ.items() if name.startswith("SEGUE_")},
        **environment,
        "DATABASE_URL": url.set(username=None, password=None).render_as_string(),
        "PYTHONPATH": str(ROOT),
        **COMPUTING,
    }
    for module in settings.module_database_urls:
        own = make_url(settings.module_database_urls[module]).set(username=None, password=None)
        shared[f"SEGUE_{module.upper()}_DATABASE_URL"] = own.render_as_string()
    web = [p for name in topology.processes for p in _web_programs(settings, topology, name, shared, workers)]
    command = [sys.executable, "-m", "celery", "-A", "services.worker.celery_app", "worker", "-B", "-c", "2"]
    command += ["--loglevel", "INFO", "-s", str(settings.data_dir / "run" / "beat-schedule")]
    return [
        *web,
        Program(
            WORKER,
            yielding(WORKER_NICE, command),
            environment={**shared, **metrics_folder(settings, WORKER)},
            directory=ROOT,
            stop_wait_s=8,
        ),
    ]


def _web_programs(
    settings: Settings, topology: Topology, name: str, shared: Environment, workers: int | None
) -> list[Program]:
    """Return a program for each address of a process: replicas are balanced by those who call them."""
    process = topology.processes[name]
    if name == GATEWAY:
        binds = [*(bind_of(url, settings.socket_dir) for url in process.urls), settings.bind]
        ready_at = f"http://{settings.bind.replace('0.0.0.0', '127.0.0.1')}"  # noqa: S104
        return [_web_program(settings, topology, name, name, shared, binds, ready_at, workers or process.workers)]
    found = []
    for number, url in enumerate(process.urls, 1):
        bind = bind_of(url, settings.socket_dir)
        program = name if number == 1 else f"{name}-{number}"
        # on https only who has a certificate is answered: not the one who waits here
        ready_at = bind if bind.startswith("unix:") else "" if url.startswith("https:") else f"http://{bind}"
        found.append(_web_program(settings, topology, name, program, shared, [bind], ready_at, process.workers))
    return found


def _web_program(
    settings: Settings,
    topology: Topology,
    process: str,
    name: str,
    shared: Environment,
    binds: list[str],
    ready_at: str,
    workers: int,
) -> Program:
    served = topology.processes[process]
    is_held = served.server == "flask"  # its sockets are handed to it, so that it can be replaced while it serves
    return Program(
        name,
        serving_command(
            process,
            [] if is_held else binds,
            server=served.server,
            workers=workers,
            threads=served.threads,
            certificates=certificates_for(served.urls, settings.data_dir),
            nice=served.nice,
        ),
        environment={**shared, **SERVING, **metrics_folder(settings, name)},
        directory=ROOT,
        ready_at=ready_at,
        binds=tuple(binds) if is_held else (),
        workers=workers,
    )


def metrics_folder(settings: Settings, name: str) -> Environment:
    """Say where a program keeps its figures."""
    return {"PROMETHEUS_MULTIPROC_DIR": str(settings.data_dir / "run" / f"metrics-{name}")}
