"""A TCP proxy that spoils connections: delay, swallow, reset, cut."""

import contextlib
import socket
import struct
import threading
import time


class FaultProxy:
    """Listens on `port` and passes on to `upstream`, by `mode`: pass, swallow, reset, or cut after `limit` bytes."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.mode, self.delay_s, self.limit = "pass", 0.0, 0
        self.connections = 0
        self.open: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def cut_off(self) -> None:
        """Reset every connection there is, as a killed process does."""
        for client in list(self.open):
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        self.open.add(client)
        with client, contextlib.suppress(OSError):
            if self.mode == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if self.mode == "swallow":
                time.sleep(5)
                return
            with socket.create_connection(self.upstream) as server:
                threading.Thread(target=self._pump, args=(client, server, 0), daemon=True).start()
                time.sleep(self.delay_s)
                self._pump(server, client, self.limit if self.mode == "cut" else 0)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket, limit: int) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if limit:
                    data = data[: limit - passed]
                target.sendall(data)
                passed += len(data)
                if limit and passed >= limit:
                    break
            target.shutdown(socket.SHUT_WR)
