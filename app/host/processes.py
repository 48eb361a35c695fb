"""Programs that are kept running, and the records by which a later start recognises what they left.

A record is `<data>/run/<name>.pid`: process id, start mark, how to stop it. The mark tells a process from another
that got its id later. Each program leads a process group of its own, so its children are found by the group.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

PRIORITY_POSTGRES, PRIORITY_VALKEY, PRIORITY_APP = 10, 20, 50


@dataclass(frozen=True)
class Program:
    """A command kept running: started in order of priority, stopped in the reverse one.

    `ready_at` is where its /readyz is asked: `http://host:port` or `unix:/path`; empty when it has none. A program with
    `binds` (`host:port` or `unix:/path`) can be replaced while it serves; its `workers` each say when they are ready.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    directory: Path = Path("/")
    stop_signal: str = "TERM"
    stop_wait_s: int = 5
    priority: int = PRIORITY_APP
    autostart: bool = True
    log_file: Path | None = None
    ready_at: str = ""
    binds: tuple[str, ...] = ()
    workers: int = 1
    gate: str = ""

    def __repr__(self) -> str:
        return f"Program({self.name!r})"


@dataclass(frozen=True)
class Record:
    """What was noted when a program started."""

    name: str
    pid: int
    mark: str
    since: float
    stop_signal: str = "TERM"
    stop_wait_s: int = 5
    priority: int = PRIORITY_APP


def start_mark(pid: int) -> str | None:
    """Return what only this process has: when it started, counted so that setting the clock changes nothing."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + ":" + after_name[19]
    except (OSError, IndexError):
        pass
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def write_record(folder: Path, record: Record) -> None:
    unfinished = folder / f"{record.name}.pid.new"
    unfinished.write_text(json.dumps(vars(record)))
    unfinished.rename(folder / f"{record.name}.pid")


def read_records(folder: Path) -> list[Record]:
    """Return the records there are, in the order in which to stop them."""
    found = [read_record(path) for path in folder.glob("*.pid")]
    return sorted((r for r in found if r), key=lambda record: -record.priority)


def read_record(path: Path) -> Record | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        return Record(**values)
    except (OSError, ValueError, TypeError):
        return None


def is_alive(record: Record) -> bool:
    """Tell whether that very process still runs; a zombie does not."""
    return start_mark(record.pid) == record.mark and not _is_zombie(record.pid)


def stop_recorded(record: Record) -> bool:
    """Stop what is left of a recorded program: itself, then its group. Return whether anything was."""
    found = False
    if is_alive(record):
        found = True
        _send(os.kill, record.pid, signal.Signals[f"SIG{record.stop_signal}"])
        came_true(lambda: not is_alive(record), record.stop_wait_s)
    elif start_mark(record.pid) not in (None, record.mark):
        return False  # the id belongs to somebody else by now, and so would the group
    for number, patience_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        if not group_members(record.pid):
            break
        found = True
        _send(os.killpg, record.pid, number)
        came_true(lambda: not group_members(record.pid), patience_s)
    return found


def group_members(group: int) -> list[int]:
    """Return the living processes of a group; zombies don't count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    except PermissionError:
        pass
    return [pid for pid in psutil.pids() if _group_of(pid) == group and not _is_zombie(pid)]


def came_true(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for something; return whether it came."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _send(send: Callable[[int, int], None], target: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(target, number)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True
