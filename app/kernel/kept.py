"""Answers that a process keeps, each with the stamps it was made under: it is given only while they are the same."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_S = 60.0  # so that nothing of an erased person stays, and what depends on the time of day shows in time


class Kept(Generic[T]):
    """At most `most` answers by what was asked. Stamps are read before what an answer is made from."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, tuple[Hashable, float, T]] = OrderedDict()
        self._lock = Lock()

    def get(self, asked: Hashable, stamps: Hashable) -> T | None:
        with self._lock:
            found = self._kept.get(asked)
            if found is None or found[0] != stamps or monotonic() - found[1] > KEPT_S:
                return None
            return found[2]

    def keep(self, asked: Hashable, stamps: Hashable, answer: T) -> None:
        now = monotonic()
        with self._lock:
            self._kept.pop(asked, None)
            self._kept[asked] = (stamps, now, answer)
            while self._kept and (len(self._kept) > self.most or now - next(iter(self._kept.values()))[1] > KEPT_S):
                self._kept.popitem(last=False)
