"""Time as a thing that is handed in, so that tests can set it."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Return now, aware, in UTC."""


def system_clock() -> datetime:
    return datetime.now(UTC)
