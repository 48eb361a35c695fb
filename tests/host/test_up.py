"""What is killed comes back, and what is stopped is gone: with real processes in a temporary folder."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import psutil
import psycopg2
import pytest
from sqlalchemy.engine import make_url

from app.host.processes import Record, came_true, group_members, read_records, write_record
from app.host.readiness import is_ready
from app.host.supervisor import MANAGER, ROOT, recorded_processes

PROGRAMS = {"postgres", "valkey", "web", "worker"}


class System:
    """One `up` of the tiny system after another on the same folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = _free_port()
        self.lines: list[str] = []
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.host.tiny_system", str(self.data_dir), str(self.port)]
        environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "BROKER_URL"}}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.processes.append(process)
        self.lines = []
        threading.Thread(target=self._read, args=(process, self.lines), daemon=True).start()
        return process

    def start_ready(self) -> subprocess.Popen[str]:
        process = self.start()
        assert came_true(lambda: any(line.startswith("ready") for line in self.lines), 120), self.lines
        return process

    def query(self, sql: str) -> Any:
        url = next(line for line in self.lines if line.startswith("ready")).removeprefix("ready ").strip()
        parts = make_url(url)
        connection = psycopg2.connect(
            host=parts.query["host"], user=parts.username, password=parts.password, dbname="postgres"
        )
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone() if cursor.description else None

    def pids(self) -> dict[str, int]:
        return {p["name"]: p["pid"] for p in recorded_processes(self.data_dir) if p["pid"]}

    def manager(self) -> int:
        return next((r.pid for r in read_records(self.data_dir / "run") if r.name == MANAGER), 0)

    def everything(self) -> list[int]:
        """Return the groups of all programs and the manager."""
        return [r.pid for r in read_records(self.data_dir / "run")]

    def is_whole(self) -> bool:
        return set(self.pids()) == PROGRAMS and is_ready(f"http://127.0.0.1:{self.port}") and self._database_answers()

    def _database_answers(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            return bool(self.query("SELECT 1"))
        return False

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
        assert process.stdout
        with process.stdout:
            lines.extend(iter(process.stdout.readline, ""))


@pytest.fixture
def system() -> Iterator[System]:
    folder = Path(tempfile.mkdtemp(prefix="segue up ", dir="/tmp"))
    found = System(folder / "data")
    yield found
    groups = found.everything()
    for process in found.processes:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    for group in groups:
        for pid in group_members(group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        rmtree((folder / "data" / "postgres" / "place").read_text())
    rmtree(folder, ignore_errors=True)


def test_ctrl_c_stops_everything_and_the_next_start_finds_the_data(system: System) -> None:
    process = system.start_ready()
    system.query("CREATE TABLE kept (n int)")
    groups = system.everything()
    assert len(groups) == len(PROGRAMS) + 1
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert [pid for group in groups for pid in group_members(group)] == []
    assert not system.everything()
    system.start_ready()
    assert system.query("SELECT count(*) FROM kept") == (0,)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_as_ctrl_c_does(system: System, number: signal.Signals) -> None:
    process = system.start_ready()
    groups = system.everything()
    process.send_signal(number)
    assert process.wait(20) == 0
    assert [pid for group in groups for pid in group_members(group)] == []


def test_a_killed_program_comes_back_and_nothing_acknowledged_is_lost(system: System) -> None:
    system.start_ready()
    system.query("CREATE TABLE kept (n int)")
    system.query("INSERT INTO kept VALUES (1)")
    for name in sorted(PROGRAMS):
        before = system.pids()[name]
        os.kill(before, signal.SIGKILL)
        assert came_true(lambda name=name, before=before: system.pids().get(name, before) != before, 60), name
        assert came_true(system.is_whole, 60), name
        assert group_members(before) == [], f"children of the killed {name} live on"
    assert system.query("SELECT n FROM kept") == (1,)


def test_a_killed_manager_is_replaced(system: System) -> None:
    system.start_ready()
    manager, groups = system.manager(), system.everything()
    os.kill(manager, signal.SIGKILL)
    assert came_true(lambda: system.manager() not in {0, manager}, 60), system.lines
    assert came_true(system.is_whole, 60), system.lines
    assert [pid for group in groups for pid in group_members(group)] == []


@pytest.mark.parametrize("victims", ["up", "up and manager"])
def test_the_next_start_stops_what_a_kill_left(system: System, victims: str) -> None:
    process = system.start_ready()
    system.query("CREATE TABLE kept (n int)")
    groups = system.everything()
    process.kill()
    process.wait()
    if victims == "up and manager":
        os.kill(system.manager(), signal.SIGKILL)
    system.start_ready()
    assert [pid for group in groups for pid in group_members(group)] == []
    assert any("stopped what a former start left" in line for line in system.lines)
    assert system.query("SELECT count(*) FROM kept") == (0,)


def test_a_second_start_on_the_same_folder_says_so_in_one_line(system: System) -> None:
    system.start_ready()
    second = subprocess.run(
        [sys.executable, "-m", "tests.host.tiny_system", str(system.data_dir), "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert second.stdout == ""
    [line] = second.stderr.splitlines()
    assert line.startswith("already running on")
    assert system.is_whole()


def test_a_taken_port_is_said_before_anything_starts(system: System) -> None:
    with socket.create_server(("127.0.0.1", system.port)):
        process = system.start()
        assert process.wait(60) == 1
    assert came_true(lambda: len(system.lines) == 1, 10)
    assert f"port {system.port} on 127.0.0.1 can't be used" in system.lines[0]


def test_an_id_that_belongs_to_another_process_by_now_is_left_alone(system: System) -> None:
    process = system.start_ready()
    process.send_signal(signal.SIGINT)
    process.wait(20)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as bystander:
        write_record(system.data_dir / "run", Record("web", bystander.pid, "of a former process", 0))
        system.start_ready()
        assert psutil.Process(bystander.pid).status() != psutil.STATUS_ZOMBIE
        bystander.kill()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
