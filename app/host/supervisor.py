"""Keeps programs running with supervisord: writes its configuration, starts it, talks to it, stops everything."""

import contextlib
import fcntl
import http.client
import json
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xml.parsers.expat import ExpatError

from supervisor.xmlrpc import SupervisorTransport

from app.host.places import HostError, log_folder, run_folder, socket_folder
from app.host.processes import (
    PRIORITY_APP,
    Program,
    Record,
    came_true,
    is_alive,
    read_records,
    start_mark,
    stop_recorded,
    write_record,
)

MANAGER = "supervisord"
ROOT = Path(__file__).resolve().parents[2]

# A program that dies within START_S of its start is tried again after 1, 2, 3, … seconds, for ever.
START_S = 2
RETRIES = 1_000_000
LOG_BYTES, LOG_FILES = "5MB", 2

STATES = {"RUNNING": "up", "STARTING": "starting", "BACKOFF": "failing", "STOPPING": "stopping"}


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder's lock. Raises HostError when another `up` does."""
    with open(run_folder(data_dir) / "lock", "a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HostError(f"already running on {data_dir}: stop it first, or use another SEGUE_DATA_DIR") from None
        yield


def stop_leftovers(data_dir: Path) -> list[str]:
    """Stop what a killed start left running and return the names; the caller holds the lock."""
    folder = run_folder(data_dir)
    stopped = []
    # The manager leads: it stops its programs in order, and must not restart what is stopped here.
    for record in read_records(folder):
        if stop_recorded(record):
            stopped.append(record.name)
        (folder / f"{record.name}.pid").unlink(missing_ok=True)
    return stopped


def recorded_processes(data_dir: Path) -> list[dict[str, Any]]:
    """Return name, process id (None when it is gone) and start of each program; works beside a running `up`."""
    records = [r for r in read_records(data_dir.absolute() / "run") if r.name != MANAGER]
    return [{"name": r.name, "pid": r.pid if is_alive(r) else None, "since": r.since} for r in reversed(records)]


class ManagerAway(HostError):
    """The process manager does not answer, or died while it did."""


class Supervisor:
    """Runs programs for as long as it is entered; the caller holds the lock and has stopped leftovers."""

    def __init__(self, data_dir: Path, programs: Iterable[Program]) -> None:
        self.data_dir = data_dir.absolute()
        self.programs = {program.name: program for program in sorted(programs, key=lambda p: p.priority)}
        self._folder = run_folder(data_dir)
        self._socket = socket_folder(data_dir) / "supervisor.sock"
        self._started: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.launch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def launch(self) -> None:
        """Start the process manager; programs with `autostart` start with it."""
        self._write_files()
        self._socket.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "app.host.manager",
            "-n",
            "-s",
            "-c",
            str(self._folder / "supervisord.conf"),
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEGUE_PYTHON": sys.executable}
        with open(log_folder(self.data_dir) / "supervisord.err", "wb") as errors:
            # A session of its own: Ctrl-C in the terminal reaches `up` alone, which then stops everything in order.
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        pid = self._process.pid
        record = Record(MANAGER, pid, start_mark(pid) or "", time.time(), "TERM", 20, PRIORITY_APP * 10)
        write_record(self._folder, record)
        if not came_true(lambda: not self.is_running() or self._answers(), 20) or not self.is_running():
            said = (log_folder(self.data_dir) / "supervisord.err").read_text(errors="replace").strip().splitlines()
            raise HostError(f"the process manager did not start: {said[-1] if said else 'see log/supervisord.log'}")

    def relaunch(self) -> None:
        """Start the manager again after its death, and with it what it ran."""
        stop_leftovers(self.data_dir)
        self.launch()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def add(self, programs: Iterable[Program]) -> None:
        """Take in more programs, and start those with `autostart`."""
        added = [program for program in programs if program.name not in self.programs]
        self.programs.update((program.name, program) for program in added)
        self._write_files()
        with self._connection() as manager:
            manager.reloadConfig()
            for program in added:
                manager.addProcessGroup(program.name)

    def start(self, name: str) -> None:
        """Start a program; returns before it is ready."""
        self._started.add(name)
        with self._connection() as manager, _ignoring("ALREADY_STARTED"):
            manager.startProcess(name, False)

    def stop(self, name: str) -> None:
        """Stop a program and wait until it is gone."""
        self._started.discard(name)
        with self._connection() as manager, _ignoring("NOT_RUNNING"):
            manager.stopProcess(name, True)

    def replace(self, program: Program) -> None:
        """Note down another form of a program; it is used from the next start or swap on."""
        self.programs[program.name] = program
        self._write_files()

    def remove(self, name: str) -> None:
        """Stop a program and forget it."""
        self.stop(name)
        self.programs.pop(name)
        self._write_files()
        with self._connection() as manager, _ignoring("BAD_NAME"):
            manager.reloadConfig()
            manager.removeProcessGroup(name)
        (self._folder / f"{name}.pid").unlink(missing_ok=True)

    def state(self) -> list[dict[str, Any]]:
        """Return name, state, pid and since (UNIX seconds) of each program."""
        with self._connection() as manager:
            return [
                {
                    "name": info["name"],
                    "state": STATES.get(info["statename"], "down"),
                    "pid": info["pid"] or None,
                    "since": info["start"] if info["pid"] else None,
                }
                for info in manager.getAllProcessInfo()
            ]

    def shutdown(self) -> None:
        """Stop all programs, those of equal priority together, then the manager, then whatever is left of either."""
        if self.is_running():
            for priority in sorted({program.priority for program in self.programs.values()}, reverse=True):
                with contextlib.suppress(ManagerAway, xmlrpc.client.Error):
                    self._stop_together([p for p in self.programs.values() if p.priority == priority])
        if self._process and self.is_running():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        if self._process and self.is_running():
            self._process.kill()
            self._process.wait(5)
        stop_leftovers(self.data_dir)
        self._socket.unlink(missing_ok=True)

    def _stop_together(self, programs: list[Program]) -> None:
        names = {program.name for program in programs}
        with self._connection() as manager:
            for name in names:
                with _ignoring("NOT_RUNNING", "BAD_NAME"):
                    manager.stopProcess(name, False)
        patience_s = max(program.stop_wait_s for program in programs) + 2
        came_true(lambda: all(p["pid"] is None for p in self.state() if p["name"] in names), patience_s)

    def _answers(self) -> bool:
        try:
            with self._connection() as manager:
                return bool(manager.getState()["statename"] == "RUNNING")
        except (ManagerAway, xmlrpc.client.Error):
            return False

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport, allow_none=True)
        try:
            yield proxy.supervisor
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError, ExpatError):
            raise ManagerAway("the process manager died: start again") from None
        finally:
            transport.close()

    def _write_files(self) -> None:
        programs = {
            p.name: {
                "command": p.command,
                "environment": p.environment,
                "directory": str(p.directory),
                "stop_signal": p.stop_signal,
                "stop_wait_s": p.stop_wait_s,
                "priority": p.priority,
                "binds": p.binds,
                "workers": p.workers,
                "gate": p.gate,
            }
            for p in self.programs.values()
        }
        write_private(self._folder / "programs.json", json.dumps(programs))
        write_private(self._folder / "supervisord.conf", self._configuration())

    def _configuration(self) -> str:
        # Relative to the run folder where possible: a path may hold characters that mean something here.
        socket = self._socket.name if self._socket.parent == self._folder else str(self._socket)
        sections = [
            "[supervisord]\nnodaemon = true\nlogfile = ../log/supervisord.log\nlogfile_maxbytes = 5MB\n"
            "logfile_backups = 2\npidfile = supervisord.lock\nchildlogdir = ../log\numask = 077\n",
            f"[unix_http_server]\nfile = {socket}\nchmod = 0700\n",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
        ]
        return "\n".join(sections + [self._section(program) for program in self.programs.values()])

    def _section(self, program: Program) -> str:
        log = str(program.log_file) if program.log_file else f"../log/{program.name}.log"
        values = {
            # The shell takes Python's path from the environment, where no character of it means anything.
            "command": f"""/bin/sh -c 'exec "$SEGUE_PYTHON" -m app.host.launch . {program.name}'""",
            "autostart": str(program.autostart or program.name in self._started).lower(),
            "autorestart": "true",
            "startsecs": START_S,
            "startretries": RETRIES,
            "stopsignal": program.stop_signal,
            "stopwaitsecs": program.stop_wait_s,
            "killasgroup": "true",
            "priority": program.priority,
            "redirect_stderr": "true",
            "stdout_logfile": log.replace("%", "%%"),
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": LOG_FILES,
        }
        return f"[program:{program.name}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this Python."""
    return [sys.executable, "-m", module, *arguments]


def write_private(path: Path, text: str) -> None:
    """Write all or nothing, readable by the owner only."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.rename(path)


@contextlib.contextmanager
def _ignoring(*names: str) -> Iterator[None]:
    """Ignore faults that only say that it is so already."""
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if not any(name in fault.faultString for name in names):
            raise
