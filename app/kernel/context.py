"""What travels with a call: who acts, how much time is left, and which trace it belongs to."""

import contextlib
import contextvars
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who a call is made for: a person, nobody yet (anonymous), or a part of Segue itself."""

    kind: str  # "person" | "anonymous" | "service"
    listener_id: UUID | None = None
    name: str = ""
    is_admin: bool = False
    scopes: frozenset[str] = frozenset()
    session_id: UUID | None = None
    is_fresh: bool = False  # signed in with credentials within the last 15 minutes
    token: str = ""  # the access token to relay; never logged
    renew: "Callable[[], Actor] | None" = field(default=None, compare=False)  # the same person, with a new token

    def __repr__(self) -> str:
        return f"Actor({self.kind}, {self.name or '-'})"


ANONYMOUS = Actor("anonymous")
SYSTEM = Actor("service", name="system", is_admin=True, scopes=frozenset({"read", "write", "scrobble"}))


@dataclass(frozen=True, slots=True)
class Context:
    actor: Actor = ANONYMOUS
    deadline: float | None = None  # time.monotonic() seconds
    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""  # the span that this one is within
    caller: str = ""  # the process that called, as its service token says

    def remaining_s(self) -> float | None:
        return None if self.deadline is None else self.deadline - time.monotonic()


_current: contextvars.ContextVar[Context] = contextvars.ContextVar("segue_context", default=Context())  # noqa: B039 (frozen)


def current() -> Context:
    return _current.get()


def actor() -> Actor:
    return _current.get().actor


def new_trace() -> tuple[str, str]:
    """Return a new trace id and span id (W3C Trace Context: 16 and 8 random bytes, hexadecimal)."""
    return secrets.token_hex(16), secrets.token_hex(8)


def traceparent() -> str:
    """Return the trace as W3C Trace Context says it; a new one where there is none yet."""
    ctx = _current.get()
    trace_id, span_id = (ctx.trace_id, ctx.span_id) if ctx.trace_id else new_trace()
    return f"00-{trace_id}-{span_id}-01"


def continue_trace(said: str | None) -> tuple[str, str, str]:
    """Return the trace id of a `traceparent`, a own span id and its parent's; a new trace where it says none."""
    found = TRACEPARENT.fullmatch(said or "")
    if found is None or not int(found[1], 16):
        return (*new_trace(), "")
    return found[1], new_trace()[1], found[2]


@contextlib.contextmanager
def use(ctx: Context) -> Iterator[Context]:
    token = _current.set(ctx)
    try:
        yield ctx
    finally:
        _current.reset(token)


@contextlib.contextmanager
def acting_as(actor: Actor) -> Iterator[Context]:
    """Run a block on behalf of `actor`, keeping deadline and trace."""
    with use(replace(_current.get(), actor=actor)) as ctx:
        yield ctx


@contextlib.contextmanager
def budget(seconds: float) -> Iterator[Context]:
    """Give a block at most `seconds`; an earlier deadline of the caller stays in force."""
    ctx = _current.get()
    deadline = time.monotonic() + seconds
    if ctx.deadline is not None:
        deadline = min(deadline, ctx.deadline)
    with use(replace(ctx, deadline=deadline)) as inner:
        yield inner


@contextlib.contextmanager
def unhurried() -> Iterator[Context]:
    """Run a block without the caller's deadline: handing a large file on takes longer than an answer may."""
    with use(replace(_current.get(), deadline=None)) as inner:
        yield inner


def carried(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Return the parts of a body, each made in the context of this call and without its deadline.

    The context of a request ends before its body is read.
    """
    ctx = replace(_current.get(), deadline=None)

    def made() -> Iterator[bytes]:
        while True:
            with use(ctx):
                part = next(parts, None)
            if part is None:
                return
            yield part

    return made()
