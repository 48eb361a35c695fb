"""Figures of everybody: one look reads the plays of all, so what was counted is shown for a while."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T")

SHARE = 0.02  # of the time may go into counting one figure, however many listens there are
SHORTEST_S = 5.0
MOST = 200  # figures


class Counted:
    """Figures by what was asked for, in this process. Of those who ask for the same at once, one counts."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._locks: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, asked: Hashable, count: Callable[[], T]) -> T:
        with self._lock:
            if len(self._locks) > MOST:
                self._locks.clear()
                self._kept.clear()
            lock = self._locks.setdefault(asked, Lock())
        with lock:
            until, found = self._kept.get(asked, (0.0, None))
            if time.monotonic() < until:
                return cast(T, found)
            started = time.monotonic()
            counted = count()
            took = time.monotonic() - started
            self._kept[asked] = (time.monotonic() + max(SHORTEST_S, took / SHARE), counted)
            return counted
