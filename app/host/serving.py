"""The command that serves a process of the topology, by the HTTP server that the topology names."""

import importlib.util
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from app.host.places import HostError

ROOT = Path(__file__).resolve().parents[2]
WORKER_NICE = 5  # it computes for minutes; with 10 it hardly starts on a machine that others keep busy

# Threads of BLAS wait for each other where cores are shared.
COMPUTING = {"OPENBLAS_NUM_THREADS": "1"}
# What a request's arrays took goes back to the machine, instead of staying with each thread of each process.
SERVING = {
    **COMPUTING,
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000",
}


def serving_command(
    process: str,
    binds: Sequence[str],
    *,
    server: str = "flask",
    workers: int = 1,
    threads: int = 8,
    certificates: Path | None = None,
    nice: int = 0,
) -> list[str]:
    """Return the command; `binds` are `host:port` or `unix:/path`.

    With `nice` it yields the cores to whom has less of it. With `certificates`, the folder of the instance's
    authority, both sides must show one of it. Raises HostError for a server or a certificate that is missing.
    """
    if server == "fastapi":
        return yielding(nice, _uvicorn(process, binds, workers))
    command = [sys.executable, "-m", "gunicorn", "-c", "docker/gunicorn.conf.py"]
    command += ["-w", str(workers), "--threads", str(threads)]
    for bind in binds:
        command += ["-b", bind]
    if certificates:
        own = certificates / f"{process}.pem"
        if not own.exists():
            raise HostError(
                f"process {process!r} has an https:// url and no certificate: manage.py pki init, then issue"
            )
        command += ["--certfile", str(own), "--keyfile", str(own), "--ca-certs", str(certificates / "ca.pem")]
        command += ["--cert-reqs", str(int(ssl.CERT_REQUIRED))]
    is_shipped = (ROOT / "services" / process / "wsgi.py").exists()
    entry = f"services.{process}.wsgi:app" if is_shipped else f"services.process:app('{process}')"
    return yielding(nice, [*command, entry])


def yielding(nice: int, command: list[str]) -> list[str]:
    """Return a command whose process yields the cores to those with less `nice`; its id stays the same."""
    return ["nice", "-n", str(nice), *command] if nice else command


def bind_of(url: str, socket_dir: Path) -> str:
    """Return the address to listen at for a url of the topology."""
    if url.startswith("unix:"):
        return f"unix:{socket_dir / url.removeprefix('unix:')}"
    return url.split("://", 1)[1].rstrip("/")


def certificates_for(urls: Sequence[str], data_dir: Path) -> Path | None:
    """Return the folder of certificates where a process is reached by https."""
    return data_dir / "pki" if any(url.startswith("https://") for url in urls) else None


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
