"""A proxy that takes the place of a Unix socket, and spoils what one caller sends through it.

Nobody's settings change: the socket's file gets a second name, and the proxy's is put over the first. Who starts anew
and binds the path again is noticed and the proxy put over that. Which program calls is told by the kernel.
"""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.02
WAYS = ("delay", "hold", "cut", "reset")


@dataclass
class Spoiling:
    """What happens to the connections of a caller until `until`: `delay` and `hold` pass all on, but late; `cut` ends
    an answer after `limit` bytes; `reset` ends connections at once."""

    caller: str
    way: str
    until: float
    delay_s: float = 0.0
    limit: int = 0

    def is_on(self, caller: str) -> bool:
        return caller == self.caller and time.monotonic() < self.until

    def wait(self, caller: str) -> None:
        if self.is_on(caller):
            time.sleep(max(0.0, self.until - time.monotonic()) if self.way == "hold" else self.delay_s)


QUIET = Spoiling("", "delay", 0.0)


class Between:
    """The proxy before the socket at `path`; `name_of` tells the program of a process id."""

    def __init__(self, path: Path, name_of: Callable[[int], str]) -> None:
        self.path, self.behind, self.name_of = path, path.with_name(path.name + ".behind"), name_of
        self.spoiling = QUIET
        self.callers: set[str] = set()
        self.open: dict[socket.socket, str] = {}
        self._ours = self._dead = (0, 0)
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> "Between":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._step_aside()
        self._end(lambda _caller: True)

    def spoil(self, spoiling: Spoiling) -> None:
        self.spoiling = spoiling
        if spoiling.way == "reset":
            self._end(lambda caller: caller == spoiling.caller)

    def _keep(self) -> None:
        while not self._stopping.wait(LOOK_S):
            with contextlib.suppress(OSError):  # it may vanish just now; the next look sees it
                if _which(self.path) not in (self._ours, self._dead):
                    self._take_place()

    def _take_place(self) -> None:
        self.behind.unlink(missing_ok=True)
        os.link(self.path, self.behind)
        new = self.path.with_name(self.path.name + ".new")
        new.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(new))
        listener.listen(512)
        former, self._listener = self._listener, listener
        self._ours = _which(new)
        new.rename(self.path)  # at no moment is there no socket
        _close(former)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _step_aside(self) -> None:
        """Put the socket itself back, so that who calls is refused as without a proxy."""
        with contextlib.suppress(OSError):
            if _which(self.path) == self._ours:
                self._dead = _which(self.behind)
                self.behind.rename(self.path)
        _close(self._listener)
        self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        pid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        caller = self.name_of(pid)
        self.callers.add(caller)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with client, server:
            if self.spoiling.is_on(caller) and self.spoiling.way == "reset":
                return
            try:
                server.connect(str(self.behind))
            except (ConnectionRefusedError, FileNotFoundError):
                self._step_aside()
                return
            except OSError:
                return
            self.open[client] = caller
            there = threading.Thread(target=self._pump, args=(client, server, caller, False), daemon=True)
            there.start()
            self._pump(server, client, caller, True)
            there.join()
            self.open.pop(client, None)

    def _pump(self, source: socket.socket, target: socket.socket, caller: str, is_answer: bool) -> None:
        try:
            while data := source.recv(65536):
                spoiling = self.spoiling
                spoiling.wait(caller)
                if is_answer and spoiling.way == "cut" and spoiling.is_on(caller):
                    target.sendall(data[: spoiling.limit])
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _end(self, is_meant: Callable[[str], bool]) -> None:
        for client, caller in list(self.open.items()):
            if is_meant(caller):
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)


def _which(path: Path) -> tuple[int, int]:
    """Tell a socket's file from others, also from one that gets its number later."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _close(listener: socket.socket | None) -> None:
    if listener:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts on it
        listener.close()
