"""The same system in each shipped topology: what it takes, how fast it is, and what holds when a part is killed."""

import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import urllib3

from app.bench import memory
from app.bench.freshness import train
from app.bench.load import Client, load_demo, sign_in
from app.bench.report import Result, against, interleaved, median_ms, percentile_ms, report
from app.bench.system import (
    System,
    environment_for,
    kill,
    migrate,
    running_processes,
    running_servers,
    start_process,
    temporary_folder,
    wait_until,
)
from app.settings import load as load_settings
from app.topology import GATEWAY

TOPOLOGIES = ("monolith", "three-tier", "soa", "split")
ROUNDS, EACH = 10, 30
PATHS = {"home page": "/", "recommendations": "/api/v1/recommendations?n=20"}
SUBMISSION = "submission"
# What a person does; a submission sends a listen of its own.
FEATURES = {
    "home page": "/",
    "history": "/api/v1/listens",
    "recommendations": "/api/v1/recommendations?n=5",
    "search": "/api/v1/search?q=garden",
    "playlists": "/api/v1/playlists",
    SUBMISSION: "",
}
TIMES = count(int(time.time()) - 10_000_000)


def run() -> dict[str, Any]:
    """Measure on the demo, one topology after the other on the same data; ratios are to the monolith of this run."""
    results: list[Result] = []
    holds: dict[str, dict[str, list[str]]] = {}
    monolith: dict[str, float] = {}
    with temporary_folder() as folder, running_servers(folder) as servers:
        environments = {
            name: environment_for(servers, folder / "system", "segue_topologies", name) for name in TOPOLOGIES
        }
        migrate(load_settings(environments["monolith"]))
        with running_processes(environments["monolith"], has_worker=True) as system:
            load_demo(system)
            train(system)
        for name, environment in environments.items():
            started = time.perf_counter()
            with running_processes(environment) as system:
                figures = {"start, s": time.perf_counter() - started, **_measured(system)}
                holds[name] = _what_holds(system, sign_in(system, "demo"))
            monolith = monolith or figures
            for what, value in figures.items():
                label, unit = what.rsplit(", ", 1)
                results.append(against(f"{name}: {label}", value, unit, monolith[what]))
    return {**report("topologies", results), "samples": ROUNDS * EACH, "holds": holds}


def _measured(system: System) -> dict[str, float]:
    client = sign_in(system, "demo")
    wait_until(lambda: not client.send("GET", PATHS["recommendations"])["degraded"], within_s=120)
    calls: dict[str, Callable[[], object]] = {name: partial(client.send, "GET", path) for name, path in PATHS.items()}
    calls[SUBMISSION] = partial(submit, client)
    interleaved(calls, rounds=1, each=5)
    samples = interleaved(calls, rounds=ROUNDS, each=EACH)
    pids = memory.members(system.processes.values())
    found = {"size, processes": float(len(pids)), "memory, MB": memory.megabytes(pids)}
    for name, took in samples.items():
        found[f"{name}: median, ms"] = median_ms(took)
        found[f"{name}: p99, ms"] = percentile_ms(took, 99)
    return found


def submit(client: Client) -> None:
    listen = {"listened_at": next(TIMES), "artist": "Artist", "title": "Title"}
    client.send("POST", "/api/v1/listens", {"listens": [listen]})


def _what_holds(system: System, client: Client) -> dict[str, list[str]]:
    """Kill each process in turn (kill -9), and return which features answer meanwhile."""
    found = {}
    for name in [*(name for name in system.processes if name != GATEWAY), GATEWAY]:
        kill(system.processes[name])
        found[name] = [feature for feature in FEATURES if _answers(client, feature)]
        system.processes[name] = start_process(system.settings, system.environment, name)
        wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=180)
        wait_until(lambda: all(_answers(client, feature) for feature in FEATURES), within_s=60)
    return found


def _answers(client: Client, feature: str) -> bool:
    try:
        if feature == SUBMISSION:
            submit(client)
        else:
            client.send("GET", FEATURES[feature])
    except (RuntimeError, urllib3.exceptions.HTTPError):
        return False
    return True
