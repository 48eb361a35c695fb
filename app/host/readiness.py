"""Asks programs whether they can serve, and the machine whether a port is free."""

import http.client
import os
import socket

from app.host.places import HostError


def is_ready(address: str) -> bool:
    """Ask /readyz?self of `http://host:port` or `unix:/path`."""
    is_unix = address.startswith("unix:")
    connection = http.client.HTTPConnection("localhost" if is_unix else address.removeprefix("http://"), timeout=5)
    try:
        if is_unix:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(5)
            connection.sock.connect(address.removeprefix("unix:"))
        connection.request("GET", "/readyz?self")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def check_port(host: str, port: int) -> None:
    """Raise HostError when the port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise HostError(f"port {port} on {host} can't be used ({reason}): try --port") from None
