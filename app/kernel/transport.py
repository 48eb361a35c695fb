"""Connections to other processes: a urllib3 pool per address, over TCP or a unix socket."""

import socket
from pathlib import Path
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

POOL_SIZE = 16


class _UnixConnection(HTTPConnection):
    socket_path = ""

    def _new_conn(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
        try:
            connection.connect(self.socket_path)
        except OSError as error:
            connection.close()
            raise urllib3.exceptions.NewConnectionError(self, f"no answer at {self.socket_path}: {error}") from error
        return connection


def pool_for(url: str, socket_dir: Path) -> HTTPConnectionPool:
    """Return a pool for `http://host:port`, or `unix:name.sock` in the folder of sockets (or an absolute path).

    It neither retries nor follows redirects: the stub owns that.
    """
    options: dict[str, Any] = {"maxsize": POOL_SIZE, "block": False, "retries": False}
    if not url.startswith("unix:"):
        return urllib3.connection_from_url(url, **options)
    path = str(socket_dir / url.removeprefix("unix:"))
    pool = HTTPConnectionPool("localhost", **options)
    pool.ConnectionCls = type("UnixConnection", (_UnixConnection,), {"socket_path": path})
    return pool
