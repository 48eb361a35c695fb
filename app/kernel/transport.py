"""Connections to other processes: a urllib3 pool per address, over TCP, mutual TLS or a unix socket."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

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


@dataclass(frozen=True)
class Identity:
    """Who this process is on TLS connections: its certificate and the instance's authority, in `folder`."""

    folder: Path
    process: str

    def context(self) -> ssl.SSLContext:
        """Return what presents this process and believes the instance's authority alone. Raises OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(self.folder / "ca.pem")
        context.load_cert_chain(self.folder / f"{self.process}.pem")
        return context


class _TlsConnection(HTTPSConnection):
    """Looks at the certificate again for each connection, so that a renewed one is used from then on."""

    identity: Identity

    def connect(self) -> None:
        try:
            self.ssl_context = self.identity.context()
        except OSError as error:  # SSLError is one
            raise urllib3.exceptions.NewConnectionError(self, f"no usable certificate: {error}") from error
        super().connect()


def pool_for(url: str, socket_dir: Path, identity: Identity | None = None, peer: str = "") -> HTTPConnectionPool:
    """Return a pool for `http(s)://host:port`, or `unix:name.sock` in the folder of sockets (or an absolute path).

    On https the other side must prove to be the process `peer`. A pool neither retries nor follows redirects: the stub
    owns that.
    """
    options: dict[str, Any] = {"maxsize": POOL_SIZE, "block": False, "retries": False}
    if url.startswith("unix:"):
        pool = HTTPConnectionPool("localhost", **options)
        path = str(socket_dir / url.removeprefix("unix:"))
        pool.ConnectionCls = type("UnixConnection", (_UnixConnection,), {"socket_path": path})
        return pool
    if url.startswith("https://") and identity:
        parts = urlsplit(url)
        secure = HTTPSConnectionPool(parts.hostname or "", parts.port, server_hostname=peer, **options)
        secure.ConnectionCls = type("TlsConnection", (_TlsConnection,), {"identity": identity})
        return secure
    return urllib3.connection_from_url(url, **options)
