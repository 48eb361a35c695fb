"""Several addresses of one module: which to ask next, and how many may be asked at once.

Of two healthy instances chosen at random the one with fewer requests under way is asked (the power of two choices:
Mitzenmacher 2001); one that failed is left alone for a moment that grows. Requests to a module are bounded, so that one
that hangs holds some of this process's threads, never all.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from urllib3.connectionpool import HTTPConnectionPool

from app.kernel.contract import ServiceUnavailable

HANGS_AFTER_S = PATIENCE_S = 2.0  # the time that most methods have
FIRST_REST_S, LONGEST_REST_S = 0.5, 8.0


class Overloaded(ServiceUnavailable):
    """Too many requests to this part are under way; try again in a moment."""

    code, status = "overloaded", 503


def _nobody(_has_failed: bool) -> None:
    """Nobody asks how it went."""


class Instance:
    """One address. `under_way` counts what was sent and is not answered; `told` is called with each outcome."""

    def __init__(self, pool: HTTPConnectionPool, told: Callable[[bool], None] = _nobody) -> None:
        self.pool = pool
        self.told = told
        self.under_way = 0
        self.rests_until = 0.0
        self._rest_s = FIRST_REST_S

    @property
    def is_healthy(self) -> bool:
        return time.monotonic() >= self.rests_until

    def failed(self) -> None:
        self.rests_until = time.monotonic() + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        self.told(True)

    def answered(self, *, has_failed: bool = False) -> None:
        """Take it that there was an answer, which may be a failure of that side."""
        self.rests_until, self._rest_s = 0.0, FIRST_REST_S
        self.told(has_failed)


class Instances:
    """The addresses of one module, shared by the threads of this process.

    `preferred` names an instance beside them for who acts now (a canary), and `told` takes the outcomes of all others.
    """

    def __init__(
        self,
        module: str,
        pools: Iterable[HTTPConnectionPool],
        *,
        concurrency: int = 0,
        preferred: Callable[[], Instance | None] = lambda: None,
        told: Callable[[bool], None] = _nobody,
    ) -> None:
        self.module = module
        self.all = [Instance(pool, told) for pool in pools]
        self.concurrency = concurrency
        self._preferred = preferred
        self._since: dict[object, float] = {}  # when each request under way began, oldest first
        self._lock = threading.Condition()

    @contextlib.contextmanager
    def room(self) -> Iterator[None]:
        """Take one of the places for requests to this module. Raises Overloaded when none gets free.

        One waits for a place while requests come and go; where they hang, nobody waits.
        """
        place = object()
        with self._lock:
            if (self.concurrency and not self._lock.wait_for(self._is_decided, PATIENCE_S)) or self._is_full():
                raise Overloaded(f"{self.module} is busy; try again in a moment", module=self.module, retry_after_s=1)
            self._since[place] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._since[place]
                self._lock.notify()

    def _is_full(self) -> bool:
        return bool(self.concurrency) and len(self._since) >= self.concurrency

    def _is_decided(self) -> bool:
        """Say whether there is nothing to wait for: a place is free, or the oldest request hangs."""
        return not self._is_full() or time.monotonic() - next(iter(self._since.values())) > HANGS_AFTER_S

    @contextlib.contextmanager
    def one(self, without: Iterable[Instance] = ()) -> Iterator[Instance]:
        """Choose an instance for one request; those in `without` only when there is no other."""
        tried, preferred = set(without), self._preferred()
        with self._lock:
            instance = preferred if preferred and preferred not in tried else self._choose(tried)
            instance.under_way += 1
        try:
            yield instance
        finally:
            with self._lock:
                instance.under_way -= 1

    def has_healthy(self) -> bool:
        return any(instance.is_healthy for instance in self.all)

    def _choose(self, without: set[Instance]) -> Instance:
        if len(self.all) == 1:
            return self.all[0]
        untried = [instance for instance in self.all if instance not in without]
        candidates = [i for i in untried if i.is_healthy] or untried or self.all
        return min(random.sample(candidates, min(2, len(candidates))), key=lambda instance: instance.under_way)
