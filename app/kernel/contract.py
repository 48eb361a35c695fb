"""What a module promises: typed methods with a time limit, who may call them, and typed errors."""

import enum
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_type_hints

import msgspec

UNEXPECTED = "something went wrong here; the request id helps to find it in the log"

F = TypeVar("F", bound=Callable[..., Any])


class DomainError(Exception):
    """Base of every error that a contract may raise. `code` is stable and crosses the wire."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    by_code: ClassVar[dict[str, type["DomainError"]]] = {}

    def __init__(self, message: str = "", **details: Any) -> None:
        self.message = message or inspect.getdoc(type(self)) or self.code
        self.details = details
        super().__init__(self.message)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" in cls.__dict__ and DomainError.by_code.setdefault(cls.code, cls) is not cls:
            raise TypeError(f"two errors have the code {cls.code!r}")


class InvalidRequest(DomainError):
    """The request does not have the form that was asked for."""

    code, status = "invalid_request", 422


class Unauthenticated(DomainError):
    """Sign in or send a valid token."""

    code, status = "unauthenticated", 401

    @classmethod
    def by_token(cls) -> "Unauthenticated":
        """Return the refusal of an access token; where somebody else handed it on, a new one may be let in."""
        return cls("this access token is not valid, or no longer", token="refused")  # noqa: S106

    @property
    def is_by_token(self) -> bool:
        return self.details.get("token") == "refused"


class Forbidden(DomainError):
    """This account or token may not do that."""

    code, status = "forbidden", 403


class NotFound(DomainError):
    """There is nothing here, or it is not yours to see."""

    code, status = "not_found", 404


class TooManyRequests(DomainError):
    """Too many requests; wait a moment. `retry_after_s` says how long."""

    code, status = "too_many_requests", 429


class ContractMismatch(DomainError):
    """The two sides of a contract disagree: different versions are running."""

    code, status = "contract_mismatch", 502


class ServiceUnavailable(DomainError):
    """A part of the service could not be reached; unknown whether the call happened."""

    code, status = "unavailable", 503


class DeadlineExceeded(DomainError):
    """The time for this call ran out; unknown whether it happened."""

    code, status = "deadline_exceeded", 504


class HttpError(DomainError):
    """An answer that HTTP itself gives: no such route, method not allowed, body too large."""

    code, status = "http", 500

    @classmethod
    def of(cls, status: int, message: str) -> "HttpError":
        error = cls(message)
        error.status, error.code = status, f"http_{status}"  # type: ignore[misc]
        return error


class Access(enum.Enum):
    """Who may call a method. Checked beside the service, whichever way the call arrived."""

    PUBLIC = "public"  # anybody, signed in or not
    LISTENER = "listener"  # any signed-in person
    OWNER = "owner"  # the person named by the first parameter, `listener_id`; or an admin
    ADMIN = "admin"  # persons with the admin role
    SERVICE = "service"  # only parts of Segue, acting for nobody


# Parts of Segue acting for nobody (followers, workers, the command line) may call everything.


@dataclass(frozen=True, slots=True)
class Mark:
    is_query: bool
    is_idempotent: bool
    timeout_s: float
    access: Access
    scope: str  # what an API token needs: read, write or scrobble
    former: str = ""


def query(*, access: Access, timeout: float = 2.0, scope: str = "read", former: str = "") -> Callable[[F], F]:
    """Mark a read: no effect, so it may be retried. `timeout` in seconds.

    `former` is the method that answers where the module still runs as the last release, which hasn't this one: it
    takes the same, and what it returns may be returned here.
    """
    return _mark(Mark(True, True, timeout, access, scope, former))


def command(
    *, access: Access, idempotent: bool = False, timeout: float = 5.0, scope: str = "write"
) -> Callable[[F], F]:
    """Mark a write; only an idempotent one is ever retried. `timeout` in seconds."""
    return _mark(Mark(False, idempotent, timeout, access, scope))


def _mark(mark: Mark) -> Callable[[F], F]:
    def decorate(method: F) -> F:
        method.__mark__ = mark  # type: ignore[attr-defined]
        return method

    return decorate


@dataclass(frozen=True)
class Method:
    """`label` is the module's name and the method's: listens.submit."""

    name: str
    label: str
    mark: Mark
    params: type[msgspec.Struct]
    returns: Any
    signature: inspect.Signature
    doc: str


@dataclass(frozen=True)
class Contract:
    """A compiled Protocol: `name` is the module's, `methods` by their names."""

    name: str
    protocol: type
    methods: dict[str, Method]


def compile_contract(protocol: type, name: str) -> Contract:
    """Compile a Protocol. Raises TypeError for a method that is unmarked, untyped or unencodable."""
    methods = {
        method_name: _compile_method(f"{name}.{method_name}", function)
        for method_name, function in inspect.getmembers(protocol, inspect.isfunction)
        if not method_name.startswith("_")
    }
    for method in methods.values():
        if (former := method.mark.former) and (
            former not in methods or methods[former].signature.parameters.keys() != method.signature.parameters.keys()
        ):
            raise TypeError(f"{method.label}: {former} is not a method that takes the same")
    return Contract(name, protocol, methods)


def _compile_method(label: str, function: Callable[..., Any]) -> Method:
    mark = getattr(function, "__mark__", None)
    if not isinstance(mark, Mark):
        raise TypeError(f"{label}: mark it @query(…) or @command(…)")
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    untyped = [p.name for p in parameters if p.name not in hints] + ([] if "return" in hints else ["return"])
    if untyped:
        raise TypeError(f"{label}: no type for {', '.join(untyped)}")
    if mark.access is Access.OWNER and (not parameters or parameters[0].name != "listener_id"):
        raise TypeError(f"{label}: an owner's method takes `listener_id` first")
    fields: list[Any] = [
        (p.name, hints[p.name]) if p.default is p.empty else (p.name, hints[p.name], p.default) for p in parameters
    ]
    params = msgspec.defstruct(f"{label}.params", fields, forbid_unknown_fields=True, frozen=True, kw_only=True)
    try:
        # a decoder takes any class and fails when it is used; a schema knows only what JSON can carry
        msgspec.json.schema_components([params, hints["return"]])
    except TypeError as error:
        raise TypeError(f"{label}: {error}") from None
    doc = inspect.getdoc(function) or ""
    if not doc:
        raise TypeError(f"{label}: say in a docstring what comes back")
    bare = signature.replace(parameters=parameters)
    return Method(function.__name__, label, mark, params, hints["return"], bare, doc)
