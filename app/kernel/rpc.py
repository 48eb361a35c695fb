"""Bind a contract to another process: the stub that calls, and the dispatcher that answers.

`POST /rpc/<module>/<method>`, JSON. The stub alone owns resilience: the time left, the retries, the breaker.
A reply that was relayed from further away (a problem document) is an answer: neither retried nor counted.
"""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Protocol

import msgspec
import pybreaker
import urllib3

from app.kernel import context, metrics, spans
from app.kernel.balance import Instance, Instances
from app.kernel.binding import Problem, decode_arguments, encode_call, error_of, guard, problem_of
from app.kernel.contract import (
    Contract,
    ContractMismatch,
    DeadlineExceeded,
    DomainError,
    Forbidden,
    InvalidRequest,
    Method,
    NotFound,
    ServiceUnavailable,
    Unauthenticated,
)
from app.kernel.tokens import ServiceSigner, ServiceVerifier

log = logging.getLogger(__name__)

ACTOR = "X-Segue-Actor"
TIMEOUT = "X-Segue-Timeout-Ms"
VERSION = "X-Segue-Contract"
TRACE = "traceparent"

# The version of the wire itself; contracts within it change by addition only.
WIRE_VERSION = "1"

ATTEMPTS = 3
MAX_CALL_BYTES = 64_000_000  # between parts of Segue: data sets are loaded in calls of some megabytes
CONNECT_TIMEOUT_S = 0.5


class Resilience(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a topology may set per module."""

    attempts: int = ATTEMPTS
    breaker_failures: int = 5
    breaker_reset_s: float = 5.0
    concurrency: int = 6  # of a process's 8 threads, so that a part that hangs never holds them all


class _Storage(pybreaker.CircuitMemoryStorage):
    """Counts from when it opened by a clock that nobody sets: an hour back is not an hour shut."""

    _opened = 0.0

    @property
    def opened_at(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=self.opened_for_s)

    @opened_at.setter
    def opened_at(self, _now: datetime) -> None:
        self._opened = time.monotonic()

    @property
    def opened_for_s(self) -> float:
        return time.monotonic() - self._opened


class Breaker:
    """A pybreaker that is told outcomes afterwards: its own `call` holds a lock for the length of the request,
    which would let one request through at a time."""

    def __init__(self, module: str, resilience: Resilience) -> None:
        self._storage = _Storage(pybreaker.STATE_CLOSED)
        self._reset_s = resilience.breaker_reset_s
        self.breaker = pybreaker.CircuitBreaker(
            fail_max=resilience.breaker_failures,
            reset_timeout=resilience.breaker_reset_s,
            state_storage=self._storage,
            name=module,
        )

    @property
    def is_open(self) -> bool:
        return bool(self._storage.state == pybreaker.STATE_OPEN and self._storage.opened_for_s < self._reset_s)

    def succeeded(self) -> None:
        if self._storage.counter or self._storage.state != pybreaker.STATE_CLOSED:
            self.breaker.call(lambda: None)

    def failed(self) -> None:
        with contextlib.suppress(pybreaker.CircuitBreakerError, ServiceUnavailable):
            self.breaker.call(_fail)


def _fail() -> None:
    raise ServiceUnavailable


class Remote:
    """The connection of this process to one module elsewhere."""

    def __init__(self, module: str, instances: Instances, signer: ServiceSigner, resilience: Resilience) -> None:
        self.module = module
        self.instances = instances
        self.signer = signer
        self.resilience = resilience
        self.breaker = Breaker(module, resilience)
        self._problem = msgspec.json.Decoder(Problem)

    def call(self, method: Method, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
        with self.instances.room():
            try:
                return self._call(method, decoder, body)
            except Unauthenticated as error:
                renew = context.actor().renew
                if renew is None or not error.is_by_token:
                    raise
            # the token ended on the way, by the clock over there: nothing was done for it yet
            with context.acting_as(renew()):
                return self._call(method, decoder, body)

    def _call(self, method: Method, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
        ctx = context.current()
        remaining = ctx.remaining_s()
        deadline = time.monotonic() + (
            method.mark.timeout_s if remaining is None else min(remaining, method.mark.timeout_s)
        )
        attempts = self.resilience.attempts
        tried: list[Instance] = []
        for attempt in range(1, attempts + 1):
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeadlineExceeded(f"no answer from {self.module} in time", module=self.module)
            if self.breaker.is_open:
                self._lost("refused")
                raise ServiceUnavailable(f"{self.module} is unavailable", module=self.module)
            try:
                with self.instances.one(tried) as instance:
                    tried.append(instance)
                    return self._attempt(instance, method, decoder, body, ctx, left)
            except _Unsent as error:  # never reached the other side: safe to send again, whatever it is
                self._failed(tried[-1], "unsent")
                if attempt == attempts:
                    raise ServiceUnavailable(f"{self.module} is unavailable", module=self.module) from error
            except _Broken as error:
                self._failed(tried[-1], "broken")
                if error.is_timeout and deadline - time.monotonic() <= 0.005:
                    raise DeadlineExceeded(f"no answer from {self.module} in time", module=self.module) from error
                if attempt == attempts or not method.mark.is_idempotent:
                    raise ServiceUnavailable(
                        f"{self.module} broke off; unknown whether it happened", module=self.module
                    ) from error
            time.sleep(max(0.0, min(deadline - time.monotonic(), random.uniform(0.01, 0.05) * attempt)))
        raise AssertionError("unreachable")

    def _failed(self, instance: Instance, reason: str) -> None:
        """Leave an instance alone for a while; the module is away only when no instance is left."""
        self._lost(reason)
        instance.failed()
        if not self.instances.has_healthy():
            self.breaker.failed()

    def _attempt(
        self,
        instance: Instance,
        method: Method,
        decoder: msgspec.json.Decoder[Any],
        body: bytes,
        ctx: context.Context,
        left: float,
    ) -> Any:
        try:
            reply = instance.pool.urlopen(
                "POST",
                f"/rpc/{self.module}/{method.name}",
                body=body,
                headers=self._headers(ctx, left),
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, left), read=left),
                retries=False,
                redirect=False,
            )
            if reply.status == 200:
                answer = decoder.decode(reply.data)
                instance.answered()
                self.breaker.succeeded()
                return answer
            problem = self._problem.decode(reply.data)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise _Unsent from error
        except urllib3.exceptions.ReadTimeoutError as error:
            raise _Broken(is_timeout=True) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Broken(is_timeout=False) from error
        except msgspec.ValidationError as error:  # well-formed, of another shape: the versions differ
            instance.answered(has_failed=True)
            raise ContractMismatch(f"{self.module}.{method.name}: {error}") from error
        except msgspec.DecodeError as error:  # cut short inside its headers, an empty 200 looks fine until here
            raise _Broken(is_timeout=False) from error
        instance.answered(has_failed=reply.status >= 500)
        self.breaker.succeeded()
        raise error_of(problem)

    def _lost(self, reason: str) -> None:
        metrics.LOST_CALLS.labels(self.module, reason).inc()

    def _headers(self, ctx: context.Context, left: float) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self.signer.token(self.module)}",
            "Content-Type": "application/json",
            TIMEOUT: str(max(1, int(left * 1000))),
            TRACE: context.traceparent(),
            VERSION: WIRE_VERSION,
        }
        if ctx.actor.kind == "person":
            headers[ACTOR] = ctx.actor.token
        elif ctx.actor.kind == "anonymous":
            headers[ACTOR] = "anonymous"
        return headers


class _Unsent(Exception):
    pass


class _Broken(Exception):
    def __init__(self, *, is_timeout: bool) -> None:
        super().__init__()
        self.is_timeout = is_timeout


def remote(contract: Contract, connection: Remote) -> Any:
    """Bind by HTTP requests to the process that runs the module."""
    return SimpleNamespace(**{m.name: _stub(m, contract, connection) for m in contract.methods.values()})


def _stub(method: Method, contract: Contract, connection: Remote) -> Any:
    decoder = msgspec.json.Decoder(method.returns)
    former = contract.methods.get(method.mark.former)

    def stub(*args: Any, **kwargs: Any) -> Any:
        body = encode_call(method, args, kwargs)
        try:
            return connection.call(method, decoder, body)
        except NotFound:
            if former is None:
                raise
        return connection.call(former, decoder, body)  # the other side is of the last release

    return stub


class Headers(Protocol):
    def get(self, key: str, /) -> str | None: ...


class ActorSource(Protocol):
    def __call__(self, access_token: str, /) -> context.Actor:
        """Return whom an access token stands for. Raises Unauthenticated."""


class Dispatcher:
    """Answers calls of a contract, for whatever HTTP server there is.

    `allowed` are the methods that each process may call; where it is not given, all of them.
    """

    def __init__(
        self,
        contract: Contract,
        service: object,
        verifier: ServiceVerifier,
        actors: ActorSource,
        allowed: Callable[[str], Collection[str]] | None = None,
    ) -> None:
        self.allowed = allowed
        self.module = contract.name
        self.verifier = verifier
        self.actors = actors
        self.methods = {
            m.name: (guard(m, getattr(service, m.name)), msgspec.json.Decoder(m.params))
            for m in contract.methods.values()
        }

    def answer(self, name: str, headers: Headers, body: bytes) -> tuple[int, bytes]:
        """Return a status and JSON; an expected failure is a problem document, not an exception."""
        try:
            ctx = service_context(self.module, headers, self.verifier, self.actors)
            with context.use(ctx):
                return self._answer(name, body)
        except DomainError as error:
            return error.status, msgspec.json.encode(problem_of(error))

    def _answer(self, name: str, body: bytes) -> tuple[int, bytes]:
        if name not in self.methods:
            raise NotFound(f"{self.module} has no method {name!r}")
        caller = context.current().caller
        if self.allowed is not None and name not in self.allowed(caller):
            raise Forbidden(f"{caller} does not call {self.module}.{name}")
        call, decoder = self.methods[name]
        started, status = time.perf_counter(), 500
        try:
            answer = msgspec.json.encode(call(**decode_arguments(decoder, body)))
            status = 200
            return status, answer
        except DomainError as error:
            status = error.status
            raise
        finally:
            seconds, label = time.perf_counter() - started, f"{self.module}.{name}"
            spans.ended(label, "SERVER", seconds, is_error=status >= 500, **{"segue.status": status})
            log.info("call", extra={"call": label, "status": status, "ms": round(seconds * 1000, 1)})


def service_context(audience: str, headers: Headers, verifier: ServiceVerifier, actors: ActorSource) -> context.Context:
    """Read who calls, for whom and for how long. Raises Unauthenticated, ContractMismatch, InvalidRequest."""
    scheme, _, token = (headers.get("Authorization") or "").partition(" ")
    if scheme != "Bearer":
        raise NotFound  # without a service token there is nothing to see here
    caller = verifier.caller(token, audience)
    version = headers.get(VERSION) or WIRE_VERSION
    if version != WIRE_VERSION:
        raise ContractMismatch(f"this side speaks contract version {WIRE_VERSION}, the caller {version}")
    said = headers.get(ACTOR)
    if said is None:
        actor = context.Actor("service", name=caller, is_admin=True, scopes=context.SYSTEM.scopes)
    elif said == "anonymous":
        actor = context.ANONYMOUS
    else:
        actor = actors(said)
    milliseconds = headers.get(TIMEOUT) or "30000"
    if not milliseconds.isdigit():
        raise InvalidRequest(f"{TIMEOUT}: a number of milliseconds")
    trace_id, span_id, parent_id = context.continue_trace(headers.get(TRACE))
    return context.Context(actor, time.monotonic() + int(milliseconds) / 1000, trace_id, span_id, parent_id, caller)
