"""Fixtures: real servers once per run, the same test bodies on every topology."""

import json as jsonlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.composition import OTHER_PROCESSES, Container
from app.host import secrets as host_secrets
from app.host.postgres import running_postgres
from app.host.valkey import running_valkey
from app.kernel.db import Database
from app.topology import load as load_topology
from tests.support.people import Person, new_person
from tests.support.stack import ROOT, Reply, Servers, Stack, kill, loopback_stack, split_stack
from tests.support.waiting import eventually

REAL_DATA = "real data"


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Refuse connections beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to connect to {address!r}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A temporary folder with a short path: unix sockets allow about 100 characters."""
    path = Path(tempfile.mkdtemp(prefix="segue-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(folder: Path) -> Iterator[Servers]:
    secrets_home = folder / "shared"
    names = [*load_topology("split").processes, *OTHER_PROCESSES]
    host_secrets.ensure(secrets_home, names)
    with running_postgres(folder / "pg") as admin_url, running_valkey(folder / "vk") as valkey:
        yield Servers(admin_url, valkey.broker_url, valkey.results_url, valkey.limits_url, secrets_home / "secrets")


@pytest.fixture(scope="session")
def loopback(servers: Servers, folder: Path) -> Iterator[Stack]:
    with loopback_stack(servers, folder / "loopback") as stack:
        yield stack


@pytest.fixture(scope="session")
def split(servers: Servers, folder: Path) -> Iterator[Stack]:
    with split_stack(servers, folder / "split") as stack:
        yield stack


@pytest.fixture(params=["loopback", pytest.param("split", marks=pytest.mark.split)])
def stack(request: pytest.FixtureRequest) -> Stack:
    """The topology that a test runs on; each test that asks for it runs on both."""
    found: Stack = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def services(stack: Stack) -> Container:
    return stack.services


@pytest.fixture
def person(services: Container) -> Person:
    return new_person(services)


@pytest.fixture
def admin(services: Container) -> Person:
    return new_person(services, is_admin=True)


@pytest.fixture
def database(stack: Stack) -> Iterator[Callable[..., Database]]:
    opened: list[Database] = []

    def of(module: str, role: str = "app") -> Database:
        opened.append(stack.database(module, role))
        return opened[-1]

    yield of
    for each in opened:
        each.dispose()


class PublicApi:
    """The public HTTP API of a stack, as a script would use it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if json is not None:
            body = jsonlib.dumps(json).encode()
            sent["Content-Type"] = "application/json"
        return self.stack.request(method, path, headers=sent, body=body)

    def get(self, path: str, **kwargs: Any) -> Reply:
        return self.send("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Reply:
        return self.send("POST", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> Reply:
        return self.send("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Reply:
        return self.send("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Reply:
        return self.send("DELETE", path, **kwargs)


@pytest.fixture
def api(stack: Stack) -> PublicApi:
    return PublicApi(stack)


def start_worker(stack: Stack) -> "subprocess.Popen[bytes]":
    log = (stack.settings.data_dir / "worker.log").open("ab")
    command = ["-m", "celery", "-A", "services.worker.celery_app", "worker", "-B", "-c", "1", "--loglevel", "INFO"]
    command += ["-s", str(stack.settings.data_dir / "run" / "beat-schedule")]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **stack.environment, "OPENBLAS_NUM_THREADS": "1"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


@pytest.fixture(scope="session")
def worker(loopback: Stack) -> Iterator["subprocess.Popen[bytes]"]:
    """A real Celery worker (with beat) for the loopback stack's database."""
    process = start_worker(loopback)
    log = loopback.settings.data_dir / "worker.log"
    eventually(lambda: "ready." in log.read_text(), within_s=60, every_s=0.2)
    yield process
    kill(process)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data; what needs it is skipped where it is missing."""
    path = Path(os.environ.get("SEGUE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"{REAL_DATA}: no folder {path} (set SEGUE_TEST_DATA)")
    return path


def pytest_terminal_summary(terminalreporter: Any) -> None:
    missed = [r for r in terminalreporter.stats.get("skipped", ()) if REAL_DATA in str(r.longrepr)]
    if missed:
        terminalreporter.section("REAL DATA IS MISSING", sep="!", red=True)
        terminalreporter.line(f"{len(missed)} tests on real data were skipped; set SEGUE_TEST_DATA to its folder")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter else ()
    if os.environ.get("SEGUE_REQUIRE_DATA") == "1" and any(REAL_DATA in str(r.longrepr) for r in skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
