"""A small contract and its service, to try bindings on: what it does is what a test needs done."""

import time
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from app.kernel import context
from app.kernel.contract import Access, DomainError, command, query


class Thing(Struct, frozen=True):
    number: int
    name: str
    label: str | None = None


class ThingNotFound(DomainError):
    """There is no such thing."""

    code, status = "echo.thing_not_found", 404


class Echo(Protocol):
    @query(access=Access.PUBLIC, timeout=1.0)
    def get_thing(self, number: int) -> Thing:
        """A thing. Raises ThingNotFound."""

    @query(access=Access.PUBLIC, timeout=1.0)
    def get_things(self, numbers: list[int]) -> list[Thing]:
        """Things."""

    @query(access=Access.PUBLIC, timeout=2.0)
    def remaining_after(self, seconds: float) -> float:
        """Sleep, then say how much time is left."""

    @query(access=Access.PUBLIC, timeout=0.3)
    def hurry(self, seconds: float) -> bool:
        """Sleep, with little time for it."""

    @query(access=Access.OWNER)
    def whoami(self, listener_id: UUID) -> str:
        """The actor's name."""

    @command(access=Access.PUBLIC, idempotent=True, timeout=1.0)
    def put(self, number: int) -> int:
        """Count calls; may be retried."""

    @command(access=Access.PUBLIC, timeout=1.0)
    def add(self, number: int) -> int:
        """Count calls; never retried."""


class EchoService:
    def __init__(self) -> None:
        self.calls = 0

    def get_thing(self, number: int) -> Thing:
        if number < 0:
            raise ThingNotFound(f"no thing {number}", number=number)
        return Thing(number, f"thing {number}")

    def get_things(self, numbers: list[int]) -> list[Thing]:
        return [Thing(n, f"thing {n}") for n in numbers]

    def remaining_after(self, seconds: float) -> float:
        time.sleep(seconds)
        remaining = context.current().remaining_s()
        return -1.0 if remaining is None else remaining

    def hurry(self, seconds: float) -> bool:
        time.sleep(seconds)
        return True

    def whoami(self, listener_id: UUID) -> str:
        return context.actor().name

    def put(self, number: int) -> int:
        self.calls += 1
        return self.calls

    def add(self, number: int) -> int:
        self.calls += 1
        return self.calls
