"""Recommendations against the empty authenticated endpoint of the same gateway."""

import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from app.bench.freshness import TOPOLOGIES, train
from app.bench.load import Client, at_once, load_demo, sign_in
from app.bench.report import Result, against, interleaved, median_ms, percentile_ms, report
from app.bench.system import System, kill, running_servers, running_system, start_process, temporary_folder, wait_until
from app.contracts.accounts import ALL_SCOPES
from app.kernel import context

PATH = "/api/v1/recommendations?kind=recordings&n=20"
LISTENERS = 100
ROUNDS, EACH, AT_ONCE = 5, 20, 400
WORKERS = 3


def run() -> dict[str, Any]:
    """Measure twenty recommendations with reasons on the demo, in both topologies, and what a further worker takes.

    "again" is asked by one listener whose plays stay; "anew" by one after the other, each for the first time, so that
    nothing that was kept is of use.
    """
    results: list[Result] = []
    monolith = 0.0
    with temporary_folder() as folder, running_servers(folder) as servers:
        for topology in TOPOLOGIES:
            with running_system(servers, folder / topology, topology, has_worker=True) as system:
                load_demo(system)
                train(system)
                client = sign_in(system, "demo")
                wait_until(lambda: not recommend(client)["degraded"], within_s=120)  # noqa: B023
                found, median = _measure(topology, system, client)
                results += found
                if topology == "monolith":
                    monolith = median
                    results += _memory(system, client)
                else:
                    results.append(against("split: again, against the monolith's", median, "ms", monolith))
    return report("serve", results)


def recommend(client: Client) -> Any:
    return client.send("GET", PATH)


def _measure(topology: str, system: System, client: Client) -> tuple[list[Result], float]:
    others = _others(system, client)
    turn = cycle(others)
    calls = {"ping": client.ping, "again": lambda: recommend(client), "anew": lambda: recommend(next(turn))}
    client.ping()
    recommend(client)
    samples = interleaved(calls, rounds=ROUNDS, each=EACH)  # as many calls as others: each is asked once
    ping = median_ms(samples["ping"])
    results = [
        against(f"{topology}: {name}, median", median_ms(samples[name]), "ms", ping) for name in ("again", "anew")
    ]
    rates: dict[str, list[float]] = {"ping": [], "again": []}
    slow: dict[str, list[float]] = {"ping": [], "again": []}
    for _ in range(ROUNDS):
        for name, found in rates.items():
            rate, took = at_once(lambda _number, call=calls[name]: call(), AT_ONCE)  # type: ignore[misc]
            found.append(rate)
            slow[name] += took
    middle = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    p99 = {name: percentile_ms(found, 99) for name, found in slow.items()}
    results.append(against(f"{topology}: again, 8 at once", middle["again"], "1/s", middle["ping"]))
    results.append(against(f"{topology}: again, 8 at once, p99", p99["again"], "ms", p99["ping"]))
    return results, median_ms(samples["again"])


def _others(system: System, client: Client) -> list[Client]:
    """Return clients of other listeners of the demo, whose tokens the gateway knows already."""
    names = [f"demo-{number:03}" for number in range(2, LISTENERS + 2)]
    with context.acting_as(context.SYSTEM):
        accounts = system.services.accounts
        people = accounts.ensure_listeners(names)
        tokens = [accounts.create_token(each.listener_id, "benchmark", list(ALL_SCOPES)).token for each in people]
    found = [Client(client.pool, token) for token in tokens]
    for each in found:
        each.ping()
    return found


def _memory(system: System, client: Client) -> list[Result]:
    """Serve with several workers and return what memory one of them has for itself; Linux tells."""
    if sys.platform != "linux":
        return []
    kill(system.processes["gateway"])
    system.processes["gateway"] = start_process(system.settings, system.environment, "gateway", workers=WORKERS)
    wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=180)
    wait_until(lambda: not recommend(client)["degraded"], within_s=120)
    before = _private_mb(system.processes["gateway"].pid)
    at_once(lambda _number: recommend(client), AT_ONCE)
    time.sleep(1)
    after = _private_mb(system.processes["gateway"].pid)
    least, most = min(before, default=0.0), sorted(after)[len(after) // 2] if after else 0.0
    return [Result("monolith: memory of a further worker", round(most, 1), "MB", round(least, 1))]


def _private_mb(master: int) -> list[float]:
    """Return the private memory of the workers of a server."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    found = []
    for child in children:
        lines = Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()
        found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000)
    return found
