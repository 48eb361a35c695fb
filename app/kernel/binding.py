"""Bind a contract to its service: as a plain call (`local`) or encoded and decoded (`loopback`).

Both guard the service in the same way: the caller's time, then the caller's right. The dispatcher of
`app.kernel.rpc` guards with the same function, so a method has one rule whichever way a call arrives.
"""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec

from app.kernel import context, spans, tallies
from app.kernel.contract import (
    Access,
    Contract,
    ContractMismatch,
    DeadlineExceeded,
    DomainError,
    Forbidden,
    InvalidRequest,
    Mark,
    Method,
    NotFound,
    Unauthenticated,
)

Call = Callable[..., Any]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error: RFC 9457 with a stable `code`."""

    title: str
    status: int
    code: str
    type: str = "about:blank"
    details: dict[str, Any] = {}
    request_id: str = ""


def problem_of(error: DomainError, *, request_id: str = "") -> Problem:
    return Problem(error.message, error.status, error.code, details=error.details, request_id=request_id)


def error_of(problem: Problem) -> DomainError:
    """Return the exception that a problem document stands for, of its own type where that is known here."""
    kind = DomainError.by_code.get(problem.code)
    if kind is None:
        return ContractMismatch(f"unknown error {problem.code!r}: {problem.title}", code=problem.code)
    error = kind(problem.title)
    error.details = problem.details
    return error


def check_access(mark: Mark, actor: context.Actor, listener_id: Any) -> None:
    """Let the call pass, or raise Unauthenticated, Forbidden or NotFound.

    Somebody else's objects answer as if they were not there: an id is no proof of a right.
    """
    if actor.kind == "service" or mark.access is Access.PUBLIC:
        return
    if actor.kind != "person":
        raise Unauthenticated
    if mark.scope not in actor.scopes:
        raise Forbidden(f"this token lacks the scope {mark.scope!r}", scope=mark.scope)
    if mark.access is Access.LISTENER or (mark.access is Access.ADMIN and actor.is_admin):
        return
    if mark.access is Access.OWNER:
        if actor.is_admin or listener_id == actor.listener_id:
            return
        raise NotFound
    raise Forbidden


def guard(method: Method, call: Call) -> Call:
    """Wrap a service's method so that it checks deadline and access, and is counted. Costs under a microsecond."""
    current, monotonic, mark = context.current, time.monotonic, method.mark
    tally = tallies.of(method.label)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        ctx = current()
        started = monotonic()
        if ctx.deadline is not None and started >= ctx.deadline:
            raise DeadlineExceeded
        if ctx.actor.kind != "service":
            check_access(mark, ctx.actor, args[0] if args else kwargs.get("listener_id"))
        try:
            return call(*args, **kwargs)
        except DomainError as error:
            if error.status >= 500:
                tally.errors += 1
            raise
        except Exception:
            tally.errors += 1
            raise
        finally:
            tally.calls += 1
            tally.seconds += monotonic() - started

    return guarded


def local(contract: Contract, service: object) -> Any:
    """Bind by plain calls: what passes is the caller's own (frozen) objects."""
    return SimpleNamespace(
        **{m.name: spans.traced(m.label, guard(m, getattr(service, m.name))) for m in contract.methods.values()}
    )


def loopback(contract: Contract, service: object) -> Any:
    """Bind by encoding and decoding in this process: catches what a wire could not carry."""
    return SimpleNamespace(**{m.name: _loop(m, guard(m, getattr(service, m.name))) for m in contract.methods.values()})


def encode_call(method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Encode a call's arguments by name. Raises TypeError as the call itself would."""
    bound = method.signature.bind(*args, **kwargs)
    return msgspec.json.encode(bound.arguments)


def decode_arguments(decoder: msgspec.json.Decoder[Any], body: bytes) -> dict[str, Any]:
    """Decode and check a call's arguments. Raises InvalidRequest."""
    try:
        params = decoder.decode(body)
    except msgspec.DecodeError as error:
        raise InvalidRequest(str(error)) from None
    return {name: getattr(params, name) for name in params.__struct_fields__}


def _loop(method: Method, call: Call) -> Call:
    decoder = msgspec.json.Decoder(method.params)
    result = msgspec.json.Decoder(method.returns)
    problem = msgspec.json.Decoder(Problem)

    def looped(*args: Any, **kwargs: Any) -> Any:
        arguments = decode_arguments(decoder, encode_call(method, args, kwargs))
        try:
            answer = call(**arguments)
        except DomainError as error:
            raise error_of(problem.decode(msgspec.json.encode(problem_of(error)))) from None
        return result.decode(msgspec.json.encode(answer))

    return looped
