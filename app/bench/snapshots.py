"""A snapshot of the whole log while listens arrive at half of what the system can take, against the same without one.

The snapshot is taken by a process that yields the cores, as the worker of `up` does: first of everything, then again
and again of what is new.
"""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.bench.import_ import PATIENCE_S, has_followed
from app.bench.load import Client, at_once, beside, paced, sign_in
from app.bench.report import Result, against, median_ms, percentile_ms, report
from app.bench.system import ROOT, System, running_servers, running_system, temporary_folder, wait_until
from app.bench.topologies import submit
from app.contracts.listens import ListenerListens, NewListen
from app.host.serving import WORKER_NICE, yielding
from app.kernel import context

ALL = int(os.environ.get("SEGUE_BENCH_LISTENS", "10000000"))
PER_LISTENER, LOADED_AT_ONCE = 5_000, 4
ARTISTS, TITLES = 2_000, 20
FIRST, EVERY_S = 1_500_000_000, 240
SECONDS, MOST_MB = 60.0, 500.0
SEED = 5


def run() -> dict[str, Any]:
    """Measure on the monolith: memory against what is allowed, submissions against those without a snapshot."""
    with (
        temporary_folder() as folder,
        running_servers(folder) as servers,
        running_system(servers, folder / "monolith", "monolith") as system,
    ):
        _fill(system, ALL)
        with context.acting_as(context.SYSTEM):
            wait_until(lambda: has_followed(system), within_s=PATIENCE_S)
        client = sign_in(system, "submitter")
        capacity, _ = at_once(lambda _number: submit(client), 400)
        still, failed = _submitting(client, capacity / 2)
        snapshots = Snapshots(system)
        with beside(snapshots.repeat):
            together, failed_together = _submitting(client, capacity / 2)
    return report(
        "snapshots",
        [
            Result("listens", float(ALL), "listens"),
            Result("submissions a second", round(capacity / 2, 1), "1/s"),
            Result("submissions that failed", float(failed + failed_together), "submissions"),
            against("a snapshot of everything, peak memory", snapshots.peak_mb[0], "MB", MOST_MB),
            Result("a snapshot of everything", round(snapshots.seconds[0], 1), "s"),
            Result("snapshots of what is new", float(len(snapshots.seconds) - 1), "snapshots"),
            Result("the slowest of them", round(max(snapshots.seconds[1:], default=0.0), 1), "s"),
            against("a submission beside them, median", median_ms(together), "ms", median_ms(still)),
            against("a submission beside them, p99", percentile_ms(together, 99), "ms", percentile_ms(still, 99)),
        ],
    )


class Snapshots:
    """Takes one snapshot after the other in a process of its own."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.seconds: list[float] = []
        self.peak_mb: list[float] = []

    def repeat(self, ending: threading.Event) -> None:
        while not ending.is_set():
            started = time.perf_counter()
            command = yielding(WORKER_NICE, [sys.executable, "manage.py", "snapshots", "create", "--json"])
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **self.system.environment}, stdout=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise RuntimeError("the snapshot failed")
            self.seconds.append(time.perf_counter() - started)
            # kilobytes on Linux, bytes on macOS
            self.peak_mb.append(usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))


def _submitting(client: Client, rate: float) -> tuple[list[float], int]:
    return paced(lambda: submit(client), rate, SECONDS)


def _fill(system: System, total: int) -> None:
    """Store listens through the contract, events and all: snapshots are made from the log."""
    chance = np.random.default_rng(SEED)
    with context.acting_as(context.SYSTEM):
        for start in range(0, total, PER_LISTENER * LOADED_AT_ONCE):
            starts = range(start, min(start + PER_LISTENER * LOADED_AT_ONCE, total), PER_LISTENER)
            people = system.services.accounts.ensure_listeners([f"filler-{at}" for at in starts])
            batches = [
                ListenerListens(one.listener_id, _history(chance, min(PER_LISTENER, total - at)))
                for one, at in zip(people, starts, strict=True)
            ]
            system.services.listens.load(batches, "bench")


def _history(chance: np.random.Generator, size: int) -> list[NewListen]:
    artists = (ARTISTS * chance.random(size) ** 3).astype(int).tolist()
    titles = (TITLES * chance.random(size) ** 2).astype(int).tolist()
    return [
        NewListen(datetime.fromtimestamp(FIRST + n * EVERY_S, UTC), f"Artist {artist}", f"Song {title} of {artist}")
        for n, (artist, title) in enumerate(zip(artists, titles, strict=True))
    ]
