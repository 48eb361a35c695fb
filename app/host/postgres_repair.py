"""Removes what a killed PostgreSQL left and the next one would stumble over.

PostgreSQL trusts its lock files when a process with the noted id exists. Where process 1 reaps nothing the dead
server stays a zombie, and in a restarted container the id belongs to another program: both stop it for good.
"""

import signal
from pathlib import Path

import psutil

from app.host.processes import came_true

LOCKS = (".s.PGSQL.5432", ".s.PGSQL.5432.lock")

# Fast, immediate, gone: how long each gets before the next.
STOPPING = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def clear_stale(data: Path, sockets: Path) -> None:
    """Stop a server that still runs on these data, then remove the lock files of any that died."""
    server = running_server(data)
    if server:
        for number, patience_s in STOPPING:
            server.send_signal(number)
            if came_true(lambda: _gone(server), patience_s):
                break
    for path in (data / "postmaster.pid", *(sockets / name for name in LOCKS)):
        path.unlink(missing_ok=True)


def running_server(data: Path) -> psutil.Process | None:
    """Return the server that works on these data: alive, no zombie, no other program with its former id."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(pid)
        if _gone(process) or "postgres" not in process.name():
            return None
        # A server's working folder is its data folder.
        return process if Path(process.cwd()) == data.resolve() else None
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
