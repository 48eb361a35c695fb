"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], *, within_s: float = 5.0, every_s: float = 0.05) -> T:
    """Call `check` until it returns something true and raises nothing; fail with its last word after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            result = check()
            if result or time.monotonic() > deadline:
                assert result, f"still not true after {within_s} s"
                return result
        except Exception:
            if time.monotonic() > deadline:
                raise
        time.sleep(every_s)
