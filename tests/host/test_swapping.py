"""A program is replaced under load: nobody is refused, and a successor that fails changes nothing."""

import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
import urllib3

from app.bench.system import free_port
from app.host.places import HostError
from app.host.processes import Program, came_true
from app.host.supervisor import ROOT, Supervisor
from app.host.swapping import swap, swaps, wait_for
from app.kernel.transport import pool_for


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="segue-swap-", dir="/tmp"))
    yield folder
    rmtree(folder, ignore_errors=True)


def program(port: int, socket: Path, version: str) -> Program:
    command = [sys.executable, "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "-w", "2", "--threads", "4"]
    return Program(
        "web",
        [*command, "tests.host.small_wsgi:app"],
        {"VERSION": version, "PYTHONPATH": str(ROOT)},
        ROOT,
        binds=(f"127.0.0.1:{port}", f"unix:{socket}"),
        workers=2,
    )


class Load:
    """Keeps connections to both addresses busy, and counts the answers."""

    def __init__(self, *pools: urllib3.HTTPConnectionPool) -> None:
        self.answers: list[str] = []
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self.run, args=(pool, path)) for pool in pools for path in ("/", "/slow")
        ]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self, pool: urllib3.HTTPConnectionPool, path: str) -> None:
        while not self.stopping.is_set():
            try:
                self.answers.append(pool.request("GET", path, retries=False, timeout=30).data.decode())
            except urllib3.exceptions.HTTPError as error:
                self.answers.append(f"failed: {error!r}")


def test_nobody_is_refused_while_a_program_is_replaced(data_dir: Path) -> None:
    port, socket, gate = free_port(), data_dir / "web.sock", data_dir / "gate"
    first = program(port, socket, "1")
    pools = [urllib3.connection_from_url(f"http://127.0.0.1:{port}", maxsize=4), pool_for(f"unix:{socket}", data_dir)]
    with Supervisor(data_dir, [first]) as supervisor:

        def answers(version: str) -> bool:
            try:
                return bool(pools[0].request("GET", "/", retries=False).data.decode() == version)
            except urllib3.exceptions.HTTPError:
                return False

        assert came_true(lambda: answers("1"), 60)
        with Load(*pools) as load:
            supervisor.replace(program(port, socket, "2"))
            swap(data_dir, "web")
            assert answers("2")
            # one that can't start leaves the old one in place
            broken = replace(program(port, socket, "3"), command=[sys.executable, "-c", "raise SystemExit(1)"])
            supervisor.replace(broken)
            with pytest.raises(HostError, match="the old one goes on"):
                swap(data_dir, "web")
            assert answers("2")
            # at a closed gate requests wait, and none is lost
            before = swaps(data_dir, "web")
            supervisor.replace(replace(program(port, socket, "4"), gate=str(gate)))
            swap(data_dir, "web", until="waiting")
            count = len(load.answers)
            gate.touch()
            wait_for(data_dir, "web", before)
            assert came_true(lambda: len(load.answers) > count + 10, 30)
            assert answers("4")
            # and back, when what was waited for does not come
            before = swaps(data_dir, "web")
            supervisor.replace(replace(program(port, socket, "5"), gate=str(gate)))
            swap(data_dir, "web", until="waiting")
            gate.write_text("back")
            with pytest.raises(HostError, match="the gate stayed closed"):
                wait_for(data_dir, "web", before)
            assert answers("4")
    assert set(load.answers) == {"1", "2", "4"}, [a for a in load.answers if len(a) > 1][:3]
    assert len(load.answers) > 100
