"""Prometheus metrics: rate, errors and duration of routes, calls and tasks; what background work is at.

With `PROMETHEUS_MULTIPROC_DIR` each process keeps its figures in files of that folder, called `metrics-<process>`, and
`/metrics` sums them over its workers. The gateway shows those of every folder beside its own too, so that on one
machine, or one volume, a single address tells of the gateway, the services and the Celery workers.
"""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    multiprocess,
)
from prometheus_client.registry import Collector

from app.kernel import tallies

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "metrics-"
CARRY_EVERY_S = 1.0

REQUESTS = Counter("segue_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "segue_http_request_seconds",
    "Time to answer a request.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
CALLS = Counter("segue_calls_total", "Calls of contract methods that were answered here.", ["module", "method"])
CALL_ERRORS = Counter("segue_call_errors_total", "Of those, failures of ours.", ["module", "method"])
CALL_SECONDS = Counter("segue_call_seconds_total", "Time spent answering them.", ["module", "method"])
LOST_CALLS = Counter(
    "segue_lost_calls_total",
    "Attempts to call another process that came to nothing.",
    ["module", "reason"],  # unsent, broken (off, or too late), refused (the breaker is open)
)
TASKS = Counter("segue_tasks_total", "Celery tasks that ended.", ["task", "outcome"])
TASK_SECONDS = Histogram(
    "segue_task_seconds", "Time that Celery tasks took.", ["task"], buckets=(0.01, 0.1, 1, 5, 20, 60, 300, 1800)
)
CAUGHT_UP = Gauge(
    "segue_background_caught_up_timestamp_seconds",
    "When background work last had nothing left to do.",
    ["work"],
    multiprocess_mode="max",
)


class Carrier:
    """Carries the tallies of calls over into the metrics."""

    def __init__(self) -> None:
        self._carried: dict[str, tallies.Tally] = {}
        self._at = -1e9
        self._lock = threading.Lock()

    def carry(self, *, unless_within_s: float = 0.0) -> None:
        if time.monotonic() - self._at < unless_within_s or not self._lock.acquire(blocking=False):
            return
        try:
            self._at = time.monotonic()
            for label, now in tallies.all_of_them().items():
                self._carry(label, tallies.Tally(now.calls, now.errors, now.seconds))
        finally:
            self._lock.release()

    def _carry(self, label: str, now: tallies.Tally) -> None:
        before = self._carried.get(label) or tallies.Tally()
        if now.calls > before.calls:
            module, _, method = label.partition(".")
            CALLS.labels(module, method).inc(now.calls - before.calls)
            CALL_SECONDS.labels(module, method).inc(max(0.0, now.seconds - before.seconds))
            CALL_ERRORS.labels(module, method).inc(now.errors - before.errors)
            self._carried[label] = now


carrier = Carrier()


def prepare_folder() -> None:
    """Empty the folder that this process and its children keep their figures in; before anything is counted."""
    if folder := os.environ.get(FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir(parents=True, exist_ok=True)


def name_children(identify: Callable[[], object]) -> None:
    """Keep figures in files named by what `identify` returns instead of the process id.

    Celery's children live for a few tasks: a child continues the files of the one whose place it takes.
    """
    from prometheus_client import values

    if os.environ.get(FOLDER):
        values.ValueClass = values.MultiProcessValue(identify)  # type: ignore[no-untyped-call]


class Folders(Collector):
    """The figures of several processes, each with its name as a label."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for process, folder in self.folders.items():
            for metric in multiprocess.MultiProcessCollector(None, str(folder)).collect():  # type: ignore[no-untyped-call]
                whole = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    whole.samples.append(sample._replace(labels={"process": process, **sample.labels}))
        return merged.values()


class Ready(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self.metrics


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(route).observe(seconds)
    carrier.carry(unless_within_s=CARRY_EVERY_S)


def exposition(*, with_others: bool = False, extra: Iterable[Metric] = ()) -> bytes:
    """Return everything in Prometheus' text form; `with_others`, of the processes beside too."""
    kept, given = CollectorRegistry(), CollectorRegistry()
    kept.register(Ready(collected(with_others=with_others)))
    given.register(Ready(extra))
    return generate_latest(kept) + generate_latest(given)


def collected(*, with_others: bool = False) -> list[Metric]:
    """Return the metrics as they stand, for pages that show them."""
    carrier.carry()
    folder = os.environ.get(FOLDER)
    if not folder:
        return list(REGISTRY.collect())
    own = Path(folder)
    beside = sorted(own.parent.glob(f"{PREFIX}*")) if with_others else []
    return list(Folders({each.name.removeprefix(PREFIX): each for each in [*beside, own]}).collect())


@contextlib.contextmanager
def counting_task(task: str) -> Iterator[None]:
    """Count a task, how long it takes and how it ends."""
    started, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "done"
    finally:
        TASKS.labels(task, outcome).inc()
        TASK_SECONDS.labels(task).observe(time.perf_counter() - started)
        carrier.carry()
