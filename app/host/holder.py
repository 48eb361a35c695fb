"""Keeps a program's listening sockets while the program behind them is replaced.

The process manager runs this for programs with `binds`. Sockets are opened once and handed down as systemd does
(LISTEN_FDS), so that a successor accepts on the same ones: nobody is refused and nothing in a queue is lost.

SIGHUP: read `programs.json` again, start the successor, wait until it can serve, then end the predecessor, which
finishes what it has. With a `gate` in the entry the predecessor ends first and the successor accepts only when the file
of that name appears: meanwhile requests wait in the sockets' queues. Whatever goes wrong, the old program goes on. What
came of it is written to `<name>.swap`.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

READY_FD, GATE_FD = "SEGUE_READY_FD", "SEGUE_GATE_FD"
READY_WITHIN_S = 240  # a busy small board takes minutes to import everything
GATE_WITHIN_S = 20
DRAIN_WITHIN_S = 30
FIRST_FD = 3  # where systemd puts them
HIGH_FD = 200


@dataclass
class Child:
    """A running program; `ready` and `gate` are our ends of what connects us."""

    pid: int
    entry: dict[str, Any]
    ready: int
    gate: socket.socket
    code: int | None = None

    def is_gone(self) -> bool:
        if self.code is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def open_gate(self) -> None:
        """Let its workers accept: they look at what was sent and leave it there for those that come later."""
        self.gate.send(b".")
        self.forget()

    def forget(self) -> None:
        """Close our ends. A worker that sees the gate's other end closed before it was opened goes away."""
        self.gate.close()
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1

    def end(self, within_s: float, number: int = signal.SIGTERM) -> None:
        """Ask it to finish, and kill it when it does not."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        deadline = time.monotonic() + within_s
        while not self.is_gone():
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        self.forget()


@dataclass
class Holder:
    folder: Path
    name: str
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    child: Child | None = None
    is_asked: bool = False
    stop_signal: int = 0
    swaps: int = 0

    def entry(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "programs.json").read_text())[self.name]
        return found

    def run(self) -> int:
        """Serve until told to stop, or until the program ends by itself; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._ask)
        (self.folder / f"{self.name}.swap").unlink(missing_ok=True)
        self.child = self.start(self.entry())
        self.child.open_gate()
        while not self.stop_signal:
            if self.is_asked:
                self.is_asked = False
                self.swap()
            if self.child.is_gone():
                return self.child.code or 1
            time.sleep(0.05)
        self.child.end(self.child.entry["stop_wait_s"], self.stop_signal)
        for bind in list(self.sockets):
            self.close(bind)
        return 0

    def start(self, entry: dict[str, Any], *, is_successor: bool = False) -> Child:
        """Start a program on the sockets it names, with its gate closed."""
        listening = [self.open(bind) for bind in entry["binds"]]
        ready, its_ready = os.pipe()
        its_gate, gate = socket.socketpair()
        count = len(listening)
        passed = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, HIGH_FD) for s in listening]
        passed += [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH_FD) for fd in (its_ready, its_gate.fileno())]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SUPERVISOR_")} | entry["environment"]
        environment |= {"LISTEN_FDS": str(count)}
        environment |= {READY_FD: str(FIRST_FD + count), GATE_FD: str(FIRST_FD + count + 1)}
        if is_successor:
            environment["SEGUE_IS_SUCCESSOR"] = "1"
        os.chdir(entry["directory"])
        pid = os.posix_spawn(
            "/bin/sh",  # it knows the id that the program will have
            ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *entry["command"]],
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, FIRST_FD + place) for place, fd in enumerate(passed)],
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP],
        )
        os.chdir(self.folder)
        for fd in (*passed, its_ready):
            os.close(fd)
        its_gate.close()
        return Child(pid, entry, ready, gate)

    def swap(self) -> None:
        """Replace the program; keep the old one when the new one does not get ready."""
        old = self.child
        assert old is not None
        try:
            new = self.start(self.entry(), is_successor=True)
        except (OSError, KeyError, ValueError) as error:
            self.tell("failed", f"it could not be started: {error}")
            return
        if not self.is_ready(new):
            new.end(1, signal.SIGKILL)
            self.tell("failed", f"the successor was not ready within {READY_WITHIN_S} s: see log/{self.name}.log")
            return
        gate = new.entry.get("gate", "")
        if gate:
            Path(gate).unlink(missing_ok=True)
            old.end(DRAIN_WITHIN_S)
            self.tell("waiting", "")
            if not _appears(Path(gate), GATE_WITHIN_S) or Path(gate).read_text() == "back":
                new.end(1, signal.SIGKILL)
                self.child = self.start(old.entry)
                self.child.open_gate()
                self.tell("failed", "the gate stayed closed")
                return
        new.open_gate()
        self.child = new
        if not gate:
            old.end(DRAIN_WITHIN_S)
        for bind in set(self.sockets) - set(new.entry["binds"]):
            self.close(bind)
        self.tell("done", "")

    def is_ready(self, child: Child) -> bool:
        """Wait until each of its workers said that it can serve."""
        deadline, said = time.monotonic() + READY_WITHIN_S, 0
        while said < child.entry["workers"]:
            if child.is_gone() or time.monotonic() > deadline or self.stop_signal:
                return False
            if select.select([child.ready], [], [], 0.2)[0]:
                said += len(os.read(child.ready, 64))
        return True

    def tell(self, state: str, reason: str) -> None:
        self.swaps += state != "waiting"
        unfinished = self.folder / f"{self.name}.swap.new"
        unfinished.write_text(json.dumps({"state": state, "reason": reason, "count": self.swaps}))
        unfinished.rename(self.folder / f"{self.name}.swap")

    def open(self, bind: str) -> socket.socket:
        if bind not in self.sockets:
            self.sockets[bind] = _listen(bind)
        return self.sockets[bind]

    def close(self, bind: str) -> None:
        self.sockets.pop(bind).close()
        if bind.startswith("unix:"):
            Path(bind.removeprefix("unix:")).unlink(missing_ok=True)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = number


def _listen(bind: str) -> socket.socket:
    if bind.startswith("unix:"):
        path = bind.removeprefix("unix:")
        Path(path).unlink(missing_ok=True)
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.bind(path)
    else:
        host, _, port = bind.rpartition(":")
        host = host.strip("[]")
        found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, int(port)))
    found.listen(2048)
    return found


def _appears(path: Path, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def hold(folder: Path, name: str) -> None:
    """Become the holder of a program. Does not return."""
    sys.exit(Holder(folder.absolute(), name).run())
