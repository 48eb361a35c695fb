"""One part scaled alone: `recommendations` with 1, 2 and 4 replicas, then with 1, 2 and 4 workers.

Asked through its contract by processes of the benchmark, as the gateway asks, with listeners in turns. What asks and
what answers share the machine's cores: so the CPU that an answer takes on either side is given too, from which follows
how many a machine can give.
"""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import psutil

from app.bench import memory
from app.bench.freshness import train
from app.bench.load import CONNECTIONS, at_once, load_demo
from app.bench.report import Result, against, report
from app.bench.system import (
    Servers,
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
from app.composition import services_for
from app.kernel import context
from app.kernel.rpc import Resilience
from app.settings import load as load_settings
from app.topology import GATEWAY, Process, Topology, load, to_toml

COUNTS = (1, 2, 4)
LISTENERS, CALLS, ROUNDS, CALLERS = 50, 400, 3, 2
PART, DATABASE = "recommendations", "segue_scale"


def run() -> dict[str, Any]:
    """Measure on the demo; ratios are to one replica with one worker."""
    results: list[Result] = []
    with temporary_folder() as folder, running_servers(folder) as servers:
        environment = environment_for(servers, folder / "system", DATABASE, "monolith")
        migrate(load_settings(environment))
        with running_processes(environment, has_worker=True) as system:
            load_demo(system)
            train(system)
        first = 0.0
        for replicas in COUNTS:
            with _scaled(servers, folder, replicas) as system:
                rate, cpu = _throughput(system)
                first = first or rate
                results.append(against(f"{replicas} replicas: recommendations a second", rate, "1/s", first))
                results += [
                    Result(f"{replicas} replicas: CPU of an answer, {who}", ms, "ms") for who, ms in cpu.items()
                ]
                if replicas == 1:
                    results += _with_workers(system, first)
    return report("scale", results)


def _scaled(servers: Servers, folder: Path, replicas: int) -> Any:
    """Run the monolith with `recommendations` beside it, at several addresses."""
    rest = [module for module in load("monolith").processes[GATEWAY].modules if module != PART]
    urls = [f"unix:{PART}-{number}.sock" for number in range(replicas)]
    topology = Topology(
        {GATEWAY: Process(modules=rest, url="unix:gateway.sock"), PART: Process(modules=[PART], url=urls)},
        {PART: Resilience(concurrency=CONNECTIONS)},  # as many as ask: what is measured is not who is refused
    )
    file = folder / f"replicas-{replicas}.toml"
    file.write_text(to_toml(topology))
    return running_processes(environment_for(servers, folder / "system", DATABASE, str(file)))


def _with_workers(system: System, first: float) -> list[Result]:
    results, private, total = [], {}, {}
    for workers in COUNTS:
        kill(system.processes[PART])
        system.processes[PART] = start_process(system.settings, system.environment, PART, workers=workers)
        wait_until(lambda: system.request("GET", "/readyz").status == 200, within_s=180)
        rate, _ = _throughput(system)
        results.append(against(f"{workers} workers: recommendations a second", rate, "1/s", first))
        pids = memory.members([system.processes[PART]])
        total[workers] = memory.megabytes(pids)
        private[workers] = memory.megabytes(pids[1:], "Private_") / workers
        results.append(Result(f"{workers} workers: memory (PSS)", round(total[workers], 1), "MB"))
    most = COUNTS[-1]
    further = (total[most] - total[COUNTS[0]]) / (most - COUNTS[0])
    return [
        *results,
        Result("memory of a further worker (PSS)", round(further, 1), "MB"),
        Result("memory of a further worker (private)", round(private[most], 1), "MB"),
    ]


def _throughput(system: System) -> tuple[float, dict[str, float]]:
    """Return recommendations a second and the CPU milliseconds that each takes on both sides."""
    servers = [psutil.Process(pid) for pid in memory.members(_part(system))]
    rates: list[float] = []
    with multiprocessing.get_context("spawn").Pool(CALLERS, _prepare, (system.environment,)) as callers:
        callers.map(_ask, [CALLS // 4] * CALLERS, chunksize=1)
        before, asked = _cpu(servers), 0.0
        for _ in range(ROUNDS):
            started = time.perf_counter()
            asked += sum(callers.map(_ask, [CALLS] * CALLERS, chunksize=1))
            rates.append(CALLS * CALLERS / (time.perf_counter() - started))
        answered = _cpu(servers) - before
    each = 1000 / (ROUNDS * CALLS * CALLERS)
    cpu = {"where it is given": round(answered * each, 2), "where it is asked for": round(asked * each, 2)}
    return sorted(rates)[ROUNDS // 2], cpu


def _part(system: System) -> list[Any]:
    return [process for name, process in system.processes.items() if name.startswith(PART)]


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


class _Caller:
    """What a calling process keeps."""

    ask: Any = None


def _prepare(environment: dict[str, str]) -> None:
    settings = load_settings(environment)
    services = services_for(settings, load(settings.topology), "cli")
    with context.acting_as(context.SYSTEM):
        people = services.accounts.ensure_listeners([f"demo-{number:03}" for number in range(2, LISTENERS + 2)])
    listeners = [each.listener_id for each in people]

    def ask(number: int) -> None:
        with context.acting_as(context.SYSTEM):
            services.recommendations.recommend(listeners[number % LISTENERS], "recordings", 20)

    _Caller.ask = ask


def _ask(calls: int) -> float:
    """Ask, from several threads; return the CPU seconds that it took here."""
    started = time.process_time()
    at_once(_Caller.ask, calls)
    return time.process_time() - started
