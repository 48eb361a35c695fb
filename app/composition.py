"""Puts the parts together: modules and topology in, bindings and applications out.

The only file that knows every module. Nothing here runs at import; each step is one of the calls below.
"""

import contextlib
import functools
import importlib
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from celery import Celery
from msgspec import structs
from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from urllib3.connectionpool import HTTPConnectionPool

from app import __version__
from app.contracts import callers
from app.contracts.accounts import Accounts
from app.contracts.catalog import Catalog
from app.contracts.listens import Listens
from app.contracts.playlists import Playlists
from app.contracts.recommendations import Recommender
from app.contracts.training import Training
from app.kernel import canary, feed, health, logs, metrics, spans
from app.kernel.background import Leader
from app.kernel.balance import Instances
from app.kernel.binding import local
from app.kernel.canary import Canaried
from app.kernel.celery import broker_state, make_celery, place_of_child, trace_tasks
from app.kernel.clock import Clock, system_clock
from app.kernel.contract import Contract, DomainError, ServiceUnavailable, compile_contract
from app.kernel.db import Database, module_url
from app.kernel.module import Wired, Wiring
from app.kernel.routes import Api
from app.kernel.rpc import Remote, Resilience, remote
from app.kernel.tokens import ServiceVerifier, WatchedFile, load_signer, load_verifier
from app.kernel.transport import Identity, pool_for
from app.settings import Settings
from app.settings import load as load_settings
from app.topology import COMING, FRONTS, GATEWAY, Topology
from app.topology import load as load_topology
from app.topology import parse as parse_topology

MODULES: dict[str, type] = {
    "accounts": Accounts,
    "catalog": Catalog,
    "listens": Listens,
    "recommendations": Recommender,
    "training": Training,
    "playlists": Playlists,
}

LOG_OWNERS = ("accounts", "catalog", "listens", "training")
FOLLOW_INTERVAL_S = 0.2
TICK_INTERVAL_S = 1.0
HEALTH_TTL_S = 5.0

# Modules with Celery tasks: the worker hosts them in every topology, since a task is part of its module.
WORKER_MODULES = ("training", "listens", "recommendations")

# Processes that call modules without hosting one in the topology; they have service keys too.
OTHER_PROCESSES = ("worker", "cli")


@functools.cache
def contract_of(module: str) -> Contract:
    return compile_contract(MODULES[module], module)


def api_of(module: str) -> Api:
    api: Api = importlib.import_module(f"app.modules.{module}.api").api
    return api


def process_names(topology: Topology) -> list[str]:
    return [*topology.processes, *OTHER_PROCESSES]


class Container:
    """Hands out the modules by name: the service itself where it runs in this process, a stub where it doesn't.

    `hosted` says which modules run in this process; `bind` how those are bound: `local`, or `loopback` in tests.
    """

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        hosted: tuple[str, ...],
        *,
        bind: Callable[[Contract, object], Any] = local,
        clock: Clock = system_clock,
    ) -> None:
        self.settings = settings
        self.topology = topology
        self.hosted = hosted
        self.bind = bind
        self.clock = clock
        self.wired: dict[str, Wired] = {}
        self.databases: dict[str, Database] = {}
        self._bound: dict[str, Any] = {}
        self._instances: dict[str, Instances] = {}
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        if name not in MODULES:
            raise AttributeError(name)
        return self.get(name)

    def get(self, module: str) -> Any:
        """Return a module bound to its contract."""
        bound = self._bound.get(module)
        if bound is None:
            with self._lock:
                bound = self._local(module) if module in self.hosted else self._remote(module)
                self._bound[module] = bound
        return bound

    def wire(self, module: str) -> Wired:
        """Build a module of this process, once."""
        with self._lock:
            if module not in self.wired:
                build = importlib.import_module(f"app.modules.{module}.wiring").build
                database = Database(module_url(self.settings, module), pool_size=self.settings.pool_size)
                self.databases[module] = database
                self.wired[module] = build(Wiring(self.settings, database, self, self.clock))
            return self.wired[module]

    def background(self) -> list[Leader]:
        """Return what runs beside requests for the modules of this process: their followers and ticks."""
        leaders = []
        for module in self.hosted:
            wired = self.wire(module)
            database = self.databases[module]
            leaders += [
                Leader(f"{module} follows {f.name}", f.database, f.step, interval_s=FOLLOW_INTERVAL_S)
                for f in wired.followers
            ]
            if wired.tick is not None:
                leaders.append(Leader(f"{module} tick", database, _ticking(wired.tick), interval_s=TICK_INTERVAL_S))
        return leaders

    def _local(self, module: str) -> Any:
        return self.bind(contract_of(module), self.wire(module).service)

    def _remote(self, module: str) -> Any:
        resilience = self.topology.resilience.get(module, Resilience())
        connection = Remote(module, self.instances(module), load_signer(self.settings), resilience)
        return remote(contract_of(module), connection)

    def instances(self, module: str) -> Instances:
        """Return the addresses of a module elsewhere, with the bound on requests that its callers here share."""
        with self._lock:
            if module not in self._instances:
                resilience = self.topology.resilience.get(module, Resilience())
                pools = self.pools(module)
                canaried = Canaried(module, self.settings.data_dir, lambda url: self._pool_at(url, module))
                self._instances[module] = Instances(
                    module,
                    pools,
                    concurrency=resilience.concurrency * len(pools),
                    preferred=canaried.instance,
                    told=canaried.others_told,
                )
            return self._instances[module]

    def pools(self, module: str) -> list[HTTPConnectionPool]:
        return [self._pool_at(url, module) for url in self.topology.urls(module)]

    def _pool_at(self, url: str, module: str) -> HTTPConnectionPool:
        return pool_for(url, self.settings.socket_dir, identity_of(self.settings), self.topology.owner(module))


def _ticking(tick: Callable[[], None]) -> Callable[[], int]:
    def step() -> int:
        tick()
        return 0

    return step


def services_for(settings: Settings, topology: Topology, process: str) -> Container:
    """Return the modules as a process without requests calls them: the command line (`cli`) or the worker.

    In a monolith nobody listens for them, so they host the modules themselves; the worker always
    hosts those with tasks.
    """
    everything = tuple(MODULES) if not topology.is_split() else ()
    hosted = everything or (WORKER_MODULES if process == "worker" else ())
    return Container(as_process(settings, process), topology, hosted)


def as_process(settings: Settings, process: str) -> Settings:
    return structs.replace(settings, process=process)


def identity_of(settings: Settings) -> Identity:
    return Identity(settings.data_dir / "pki", settings.process)


def modules_by_prefix(modules: Iterable[str]) -> dict[str, str]:
    return {prefix: module for module in modules for prefix in api_of(module).prefixes}


def verifier_of(container: Container) -> ServiceVerifier:
    """Return what verifies calls of the other processes."""
    return load_verifier(container.settings, process_names(container.topology))


def front_verifier_of(container: Container) -> ServiceVerifier:
    """Return what verifies that a public request comes from a process that people's requests arrive at."""
    return load_verifier(
        container.settings, [name for name in container.topology.processes if is_front(name)], is_closed=True
    )


def is_front(process: str) -> bool:
    return process in {GATEWAY, *FRONTS}


class Callers:
    """Which methods of a module each process may call: those that the modules in it need.

    While a running system takes on another topology (a file in `data_dir`), a process that gained modules there is
    called before the others are replaced: it may what it may in either.
    """

    def __init__(self, topology: Topology, module: str, data_dir: Path | None = None) -> None:
        self.contract = contract_of(module)
        self._coming = WatchedFile(data_dir / COMING, parse_topology) if data_dir else None
        self._rights = {name: self._of(topology, name) for name in topology.processes}
        self._rights["worker"] = callers.allowed(self.contract, WORKER_MODULES)
        self._rights["cli"] = frozenset(self.contract.methods)

    def of(self, process: str) -> frozenset[str]:
        """Return the methods that a process may call; one that joined since may be any of the modules."""
        if process not in self._rights:
            joined = (process,) if process in MODULES else tuple(MODULES)
            self._rights[process] = callers.allowed(self.contract, joined, is_front=is_front(process))
        coming = self._coming.read() if self._coming else None
        if coming and process in coming.processes:
            return self._rights[process] | self._of(coming, process)
        return self._rights[process]

    def _of(self, topology: Topology, process: str) -> frozenset[str]:
        return callers.allowed(self.contract, topology.processes[process].modules, is_front=is_front(process))

    def names(self) -> list[str]:
        """Return the processes with some right."""
        return [name for name, methods in self._rights.items() if methods]


def database_check(container: Container, module: str) -> health.Check:
    def check() -> None:
        container.wire(module)
        container.databases[module].ping()

    return check


def process_check(pools: list[HTTPConnectionPool]) -> health.Check:
    def check() -> None:
        for pool in pools:
            try:
                reply = pool.request("GET", "/readyz?self", timeout=1.0, retries=False)
            except urllib3.exceptions.HTTPError:
                continue
            if reply.status == 200:
                return
        raise ServiceUnavailable

    return check


def version_at(pools: list[HTTPConnectionPool]) -> str:
    """Return the version that a process says it is; "" where it doesn't answer."""
    try:
        reply = pools[0].request("GET", "/healthz", timeout=1.0, retries=False)
        return str(msgspec.json.decode(reply.data).get("version", ""))
    except (urllib3.exceptions.HTTPError, msgspec.DecodeError):
        return ""


class Runtime:
    """What a running process keeps: its container, its background work, and what it knows of the others' health."""

    def __init__(self, container: Container, process: str) -> None:
        self.container = container
        self.process = process
        self.leaders: list[Leader] = []
        self._seen: list[dict[str, Any]] = []
        self._looked_at = -HEALTH_TTL_S

    def warm(self) -> None:
        """Build the modules and connect, as each worker would first, before they are forked: so it is in memory once.

        No connection is kept, which two processes would share; a database that can't be reached is left for later.
        """
        for module in self.container.hosted:
            with contextlib.suppress(DomainError):
                database_check(self.container, module)()
            self.container.databases[module].dispose()

    def start_followers(self) -> None:
        """Start the background work; called in each gunicorn worker after the fork."""
        for module in self.container.hosted:
            if module in LOG_OWNERS:
                self.container.wire(module)
                with contextlib.suppress(DomainError), self.container.databases[module].begin() as session:
                    feed.ensure_generation(session)
        self.leaders = self.container.background()
        for leader in self.leaders:
            leader.start()

    def stop_followers(self) -> None:
        for leader in self.leaders:
            leader.stop()
        for leader in self.leaders:
            leader.join(timeout=5)

    def health(self) -> list[dict[str, Any]]:
        """Return each module and server with where it is and whether it answers, for the dashboard."""
        parts = []
        canaries = canary.read(self.container.settings.data_dir)
        for module in MODULES:
            is_here = module in self.container.hosted
            check = database_check(self.container, module) if is_here else process_check(self.container.pools(module))
            started = time.perf_counter()
            reason = health.reason(check)
            parts.append(
                {
                    "name": module,
                    "kind": "module",
                    "state": "down" if reason else "up",
                    "where": self.process if is_here else self.container.topology.owner(module),
                    "reason": reason,
                    "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                    "version": __version__ if is_here else version_at(self.container.pools(module)),
                    "canary": canaries.get(module),
                }
            )
        return [*parts, *background_health(self.container.settings)]

    def metrics(self) -> list[Metric]:
        """Return at the gateway which parts are up, looked at every few seconds at most, for Prometheus."""
        if self.process != GATEWAY:
            return []
        if time.monotonic() - self._looked_at > HEALTH_TTL_S:
            self._seen, self._looked_at = self.health(), time.monotonic()
        is_up = GaugeMetricFamily("segue_part_up", "Whether a part answers the gateway.", labels=["part"])
        for part in self._seen:
            is_up.add_metric([part["name"]], float(part["state"] == "up"))
        return [is_up]


def background_health(settings: Settings) -> list[dict[str, Any]]:
    """Return the state of the broker and the training workers."""
    celery = make_celery(settings)
    broker, workers = broker_state(celery)
    return [
        {"name": "broker", "kind": "server", "state": broker, "where": "", "reason": "", "milliseconds": None},
        {"name": "worker", "kind": "worker", "state": workers, "where": "", "reason": "", "milliseconds": None},
    ]


def create_worker() -> Celery:
    """Return the Celery application of the worker, with the tasks of every module that has some."""
    settings = as_process(load_settings(), "worker")
    logs.configure("worker")
    spans.configure("worker", settings)
    topology = load_topology(settings.topology)
    metrics.prepare_folder()
    metrics.name_children(place_of_child)
    container = services_for(settings, topology, "worker")
    celery = make_celery(settings)
    trace_tasks(celery)
    for module in WORKER_MODULES:
        tasks = importlib.import_module(f"app.modules.{module}.tasks")
        tasks.register(celery, container.wire(module).service)
    return celery
