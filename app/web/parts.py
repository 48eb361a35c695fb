"""The parts of a page: contract calls made side by side, each of which may be away without taking the page with it."""

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from app.kernel.contract import DeadlineExceeded, ServiceUnavailable

T = TypeVar("T")

# More than a page asks for at once; the threads wait for a database or another process nearly all of the time.
THREADS = 16


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """What one call brought, or that it is away; templates ask `part.is_away` before `part.value`."""

    value: T
    is_away: bool = False

    def __bool__(self) -> bool:
        return not self.is_away


AWAY: Part[Any] = Part(None, is_away=True)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="page-part")


def part(call: Callable[[], T]) -> Part[T]:
    """Return a part by making a call; what is unavailable or too slow becomes an absent part."""
    try:
        return Part(call())
    except (ServiceUnavailable, DeadlineExceeded):
        return AWAY


def gather(*calls: Callable[[], Any]) -> list[Part[Any]]:
    """Make several calls at the same time and return their parts in order: one step in the life of a page.

    Each keeps the actor, the deadline and the trace of this request. Other errors are raised here.
    """
    rest = [_pool().submit(contextvars.copy_context().run, part, call) for call in calls[1:]]
    first = part(calls[0])
    return [first, *(future.result() for future in rest)]
