"""Two parts of a fit at the same time, on two threads."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from typing import TypeVar

from app.ml.progress import Progress

A = TypeVar("A")
B = TypeVar("B")

THREADS = 2
BEAT_S = 0.2


def side_by_side(
    first: Callable[[Progress, ThreadPoolExecutor], A], second: Callable[[Progress], B], progress: Progress
) -> tuple[A, B]:
    """Return what both return. What `progress` raises ends both; it hears how far the first is, on this thread.

    The first is given the threads to divide its work among: one until the second is done, then both. With one thread of
    linear algebra for each caller the bits are those of one after the other.
    """
    ending = threading.Event()

    def until_the_end(_done: float, _step: str) -> None:
        if ending.is_set():
            raise CancelledError

    with ThreadPoolExecutor(THREADS, thread_name_prefix="fit") as threads:
        beside = threads.submit(second, until_the_end)
        try:
            found = first(progress, threads)
            while not wait([beside], BEAT_S).done:
                progress(1.0, "waiting for the other part")
            return found, beside.result()
        except BaseException:
            ending.set()
            raise
