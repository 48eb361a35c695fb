"""Answers that a process keeps, each with the stamps it was made under: it is given only while they are the same."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

KEPT_S = 60.0  # so that nothing of an erased person stays, and what depends on the time of day shows in time
MAKING_S = 1.0  # who has not made an answer by then has failed


class _Answer(NamedTuple, Generic[T]):
    stamps: Hashable
    by: Hashable
    at: float
    answer: T
    remade_at: float = -MAKING_S  # when somebody began to make it anew


class Kept(Generic[T]):
    """At most `most` answers by what was asked. Stamps are read before what an answer is made from.

    `by` is what makes the answers, a model for instance. When another takes its place, the first who asks makes the new
    answer, and those who ask meanwhile get the one that is kept: else all would make it at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, _Answer[T]] = OrderedDict()
        self._lock = Lock()

    def get(self, asked: Hashable, stamps: Hashable, by: Hashable = None) -> T | None:
        """Return the answer that is kept; None where it is to be made."""
        now = monotonic()
        with self._lock:
            found = self._kept.get(asked)
            if found is None or found.stamps != stamps or now - found.at > KEPT_S:
                return None
            if found.by != by and now - found.remade_at >= MAKING_S:
                self._kept[asked] = found._replace(remade_at=now)
                return None
            return found.answer

    def keep(self, asked: Hashable, stamps: Hashable, answer: T, by: Hashable = None) -> None:
        now = monotonic()
        with self._lock:
            self._kept.pop(asked, None)
            self._kept[asked] = _Answer(stamps, by, now, answer)
            while self._kept and (len(self._kept) > self.most or now - next(iter(self._kept.values())).at > KEPT_S):
                self._kept.popitem(last=False)
