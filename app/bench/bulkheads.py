"""Submissions while recommendations hang or take a core, in the monolith and with recommendations beside it.

The same load each time: submissions at a steady rate, and people who ask for recommendations.
"""

import threading
from functools import partial
from typing import Any

import urllib3

from app.bench.load import Client, beside, paced, sign_in
from app.bench.report import Result, against, percentile_ms, report
from app.bench.system import (
    System,
    kill,
    running_servers,
    running_system,
    start_command,
    temporary_folder,
    wait_until,
)
from app.bench.topologies import submit
from app.host.serving import bind_of, serving_command
from app.topology import GATEWAY

TOPOLOGIES = ("monolith", "split")
SPOILS = ("hang", "hog")
RATE, SECONDS, ASKERS = 20.0, 20.0, 4


def run() -> dict[str, Any]:
    """Measure the p99 of submissions: its own, and with each way of spoiling; ratios are to its own."""
    results: list[Result] = []
    with temporary_folder() as folder, running_servers(folder) as servers:
        for topology in TOPOLOGIES:
            with running_system(servers, folder / topology, topology) as system:
                client = sign_in(system, "listener")
                own, _ = _p99(client)
                results.append(Result(f"{topology}: a submission, p99", round(own, 1), "ms"))
                for how in SPOILS:
                    _start_spoiled(system, how)
                    p99, failed = _p99(client)
                    results.append(against(f"{topology}: a submission, p99, {how}", p99, "ms", own))
                    results.append(Result(f"{topology}: submissions that failed, {how}", float(failed), "submissions"))
    return report("bulkheads", results)


def _p99(client: Client) -> tuple[float, int]:
    with beside(partial(_ask, client), ASKERS):
        samples, failed = paced(lambda: submit(client), RATE, SECONDS)
    return percentile_ms(samples, 99), failed


def _ask(client: Client, ending: threading.Event) -> None:
    """Ask for recommendations all the time, on a connection of one's own."""
    pool = urllib3.connection_from_url(f"http://{client.pool.host}:{client.pool.port}", maxsize=1)
    own = Client(pool, client.token)
    while not ending.wait(0.1):
        try:
            own.send("GET", "/api/v1/recommendations?n=5")
        except (RuntimeError, urllib3.exceptions.HTTPError):
            continue  # that they fail is the point


def _start_spoiled(system: System, how: str) -> None:
    """Start the process that has the recommendations anew, spoiled."""
    name = system.topology.owner("recommendations")
    kill(system.processes[name])
    served = system.topology.processes[name]
    binds = [bind_of(url, system.settings.socket_dir) for url in served.urls]
    binds += [system.settings.bind] if name == GATEWAY else []
    command = serving_command(name, binds, workers=served.workers, nice=served.nice)
    command[-1] = f"app.bench.spoiled:app('{name}', '{how}')"
    system.processes[name] = start_command(system.settings, system.environment, name, command)
    wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=180)
