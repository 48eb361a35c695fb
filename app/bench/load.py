"""Requests to a system as its clients send them: keep-alive connections, bounded in number and time."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3

from app.bench.system import System
from app.contracts.accounts import ALL_SCOPES
from app.datasets.load import load as load_dataset
from app.kernel import context

CONNECTIONS = 8
PASSWORD = "a benchmark's own password"  # noqa: S105


@dataclass(frozen=True)
class Client:
    """Sends requests as one listener, over at most `CONNECTIONS` kept connections."""

    pool: urllib3.connectionpool.HTTPConnectionPool
    token: str

    def send(self, method: str, path: str, body: object = None) -> Any:
        reply = self.pool.request(
            method,
            path,
            body=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=20,
            retries=False,
        )
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {reply.data[:200]!r}")
        return json.loads(reply.data) if reply.data[:1] in (b"{", b"[") else None

    def ping(self) -> None:
        self.send("GET", "/api/v1/ping")


def sign_in(system: System, name: str) -> Client:
    """Give a listener a password and return a client signed in as them."""
    with context.acting_as(context.SYSTEM):
        accounts = system.services.accounts
        listener = accounts.ensure_listeners([name])[0]
        accounts.reset_password(accounts.create_reset(listener.listener_id), PASSWORD)
        tokens = accounts.login(name, PASSWORD)
    return Client(urllib3.connection_from_url(system.base_url, maxsize=CONNECTIONS), tokens.access_token)


def with_token(system: System, client: Client, name: str) -> Client:
    """Return a client of the same listener with an API token, as players have one."""
    with context.acting_as(context.SYSTEM):
        accounts = system.services.accounts
        issued = accounts.create_token(accounts.find_listener(name).listener_id, "benchmark", list(ALL_SCOPES))
    return Client(client.pool, issued.token)


def load_demo(system: System) -> None:
    with context.acting_as(context.SYSTEM):
        load_dataset("demo", None, system.services, lambda _fraction, _step: None)


def at_once(call: Callable[[int], object], count: int) -> tuple[float, list[float]]:
    """Make `count` calls from `CONNECTIONS` threads; return calls per second and the seconds of each."""
    samples: list[float] = []
    lock = threading.Lock()

    def timed(number: int) -> None:
        started = time.perf_counter()
        call(number)
        took = time.perf_counter() - started
        with lock:
            samples.append(took)

    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(timed, range(count)))
    return count / (time.perf_counter() - started), samples


def paced(call: Callable[[], object], rate: float, seconds: float) -> tuple[list[float], int]:
    """Make `rate` calls a second from `CONNECTIONS` threads; return the seconds of each, and how many failed.

    Timed from when a call was due: one that had to wait for those before it took that long.
    """
    samples: list[float] = []
    failures = 0
    lock = threading.Lock()
    began = time.perf_counter()

    def timed(number: int) -> None:
        nonlocal failures
        due = began + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        try:
            call()
        except (RuntimeError, urllib3.exceptions.HTTPError):
            with lock:
                failures += 1
        with lock:
            samples.append(time.perf_counter() - due)

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(timed, range(int(rate * seconds))))
    return samples, failures


@contextmanager
def beside(work: Callable[[threading.Event], None], threads: int = 1) -> Iterator[None]:
    """Let threads work until what is done meanwhile has ended; the event tells them, and they are waited for."""
    ending = threading.Event()
    running = [threading.Thread(target=work, args=(ending,)) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        for thread in running:
            thread.join()
