"""Ctrl-C, SIGTERM and SIGHUP as one exception, raised once: what follows it is not interrupted again."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """Somebody asked to stop."""


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Raise Stopped at the first signal and ignore the others. A hang-up that was ignored before stays so (nohup)."""
    is_stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopping
        if not is_stopping:
            is_stopping = True
            raise Stopped

    before = {number: signal.getsignal(number) for number in SIGNALS}
    caught = [n for n, handler in before.items() if n != signal.SIGHUP or handler is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])
