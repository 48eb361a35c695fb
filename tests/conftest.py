"""Fixtures: real servers once per run, the same test bodies on every topology."""

import json as jsonlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.bench.system import Process, Reply, Servers, kill, running_servers, start_worker, temporary_folder
from app.composition import Container
from app.kernel.db import Database
from tests.support.people import Person, new_person
from tests.support.stack import ROOT, Stack, fastapi_stack, loopback_stack, split_stack
from tests.support.subsonic import MISSING, Supysonic, running_supysonic
from tests.support.waiting import eventually

# As every part of Segue is started: where cores are shared, threads of BLAS wait for each other ten times longer than
# they compute. Before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Hundreds of processes are started from here; where nothing compiled is kept, each compiles all of Segue anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

REAL_DATA = "real data"
LAST = ("parts", "web")
COMMON = {"stack", "loopback", "split", "fastapi"}  # the systems that the whole suite shares


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
    with temporary_folder() as path:
        yield path


@pytest.fixture(scope="session")
def servers(folder: Path) -> Iterator[Servers]:
    with running_servers(folder) as running:
        yield running


@pytest.fixture(scope="session")
def loopback(servers: Servers, folder: Path) -> Iterator[Stack]:
    with loopback_stack(servers, folder / "loopback") as stack:
        yield stack


@pytest.fixture(scope="session")
def split(servers: Servers, folder: Path) -> Iterator[Stack]:
    with split_stack(servers, folder / "split") as stack:
        yield stack


@pytest.fixture(scope="session")
def fastapi(servers: Servers, folder: Path) -> Iterator[Stack]:
    with fastapi_stack(servers, folder / "fastapi") as stack:
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


@pytest.fixture(scope="session")
def worker(loopback: Stack) -> Iterator[Process]:
    """A real Celery worker (with beat) for the loopback stack's database."""
    process = start_worker(loopback.settings, loopback.environment)
    log = loopback.settings.data_dir / "worker.log"
    eventually(lambda: "ready." in log.read_text(), within_s=60, every_s=0.2)
    yield process
    kill(process)


@pytest.fixture(scope="session")
def supysonic(folder: Path) -> Iterator[Supysonic]:
    """A real Subsonic server with a few tones; what needs it is skipped, loudly, where it is not installed."""
    (folder / "supysonic").mkdir()
    with running_supysonic(folder / "supysonic") as running:
        yield running


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data; what needs it is skipped where it is missing."""
    path = Path(os.environ.get("SEGUE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"{REAL_DATA}: no folder {path} (set SEGUE_TEST_DATA)")
    return path


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares a running system when several processes share the suite.

    All that needs parts in processes of their own is one group, since two sets of them are too much for two cores, and
    comes last: once started, they run to the end beside whatever else is tried. Those of topology end with their tests.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    group = group_of(item)
    return LAST.index(group) if group in LAST else -1


def folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT / "tests").parts[0]


def group_of(item: pytest.Item) -> str:
    folder = folder_of(item)
    has_own = folder == "topology" and not COMMON.intersection(getattr(item, "fixturenames", ()))
    if has_own or folder == "web":
        return folder
    return "parts" if folder == "topology" or item.get_closest_marker("split") else str(item.path)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    note_failed(terminalreporter)
    missed = [r for r in terminalreporter.stats.get("skipped", ()) if REAL_DATA in str(r.longrepr)]
    if missed:
        terminalreporter.section("REAL DATA IS MISSING", sep="!", red=True)
        terminalreporter.line(f"{len(missed)} tests on real data were skipped; set SEGUE_TEST_DATA to its folder")
    missed = [r for r in terminalreporter.stats.get("skipped", ()) if MISSING in str(r.longrepr)]
    if missed:
        terminalreporter.section(MISSING, sep="!", red=True)
        terminalreporter.line(f"{len(missed)} tests on a real Subsonic server were skipped; see SEGUE_TEST_SUPYSONIC")


def note_failed(terminalreporter: Any) -> None:
    """Write the tests that failed to the file of SEGUE_TEST_FAILED, a line each, as `pytest @FILE` takes them."""
    if file := os.environ.get("SEGUE_TEST_FAILED"):
        is_grouped = (
            terminalreporter.config.getoption("dist", "no") == "loadgroup"
        )  # then a name has its group behind it
        reports = [each for kind in ("failed", "error") for each in terminalreporter.stats.get(kind, ())]
        names = {each.nodeid.rpartition("@")[0] if is_grouped else each.nodeid for each in reports}
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("".join(f"{name}\n" for name in sorted(names)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter else ()
    if os.environ.get("SEGUE_REQUIRE_DATA") == "1" and any(REAL_DATA in str(r.longrepr) for r in skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
