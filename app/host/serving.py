"""The command that serves a process of the topology, by the HTTP server that the topology names."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from app.host.places import HostError

ROOT = Path(__file__).resolve().parents[2]


def serving_command(
    process: str, binds: Sequence[str], *, server: str = "flask", workers: int = 1, threads: int = 8
) -> list[str]:
    """Return the command; `binds` are `host:port` or `unix:/path`. Raises HostError for a server that is missing."""
    if server == "fastapi":
        return _uvicorn(process, binds, workers)
    command = [sys.executable, "-m", "gunicorn", "-c", "docker/gunicorn.conf.py"]
    command += ["-w", str(workers), "--threads", str(threads)]
    for bind in binds:
        command += ["-b", bind]
    is_shipped = (ROOT / "services" / process / "wsgi.py").exists()
    return [*command, f"services.{process}.wsgi:app" if is_shipped else f"services.process:app('{process}')"]


def _uvicorn(process: str, binds: Sequence[str], workers: int) -> list[str]:
    if any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn")):
        raise HostError(f"process {process!r}: server = \"fastapi\" needs pip install 'segue[fastapi]'")
    [bind] = binds
    command = [sys.executable, "-m", "uvicorn", f"services.{process}.asgi:app", "--workers", str(workers)]
    if bind.startswith("unix:"):
        command += ["--uds", bind.removeprefix("unix:")]
    else:
        host, _, port = bind.rpartition(":")
        command += ["--host", host, "--port", port]
    command += ["--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "3"]
    return [*command, "--log-level", "warning", "--no-access-log", "--no-server-header", "--no-date-header"]
