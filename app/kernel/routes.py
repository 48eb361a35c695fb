"""Public JSON routes: declared once, for whichever HTTP server mounts them, described in OpenAPI."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from app.kernel import context
from app.kernel.contract import (
    Access,
    DomainError,
    Forbidden,
    InvalidRequest,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
)

H = TypeVar("H", bound=Callable[..., Any])
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Route:
    """`query` and `body` are structs (forbid_unknown_fields) that the request is checked against."""

    method: str
    path: str  # with Flask's converters, below /api/v1
    handler: Callable[..., Any]
    query: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None
    returns: Any
    access: Access
    scope: str
    status: int
    summary: str


@dataclass
class Api:
    """The routes of one module. `prefixes` are the first path segments that the gateway sends to it.

    `repeatable` are the paths whose POST may arrive twice and happens once: those of idempotent commands.
    """

    module: str
    prefixes: tuple[str, ...]
    repeatable: tuple[str, ...] = ()
    routes: list[Route] = field(default_factory=list)

    def route(
        self,
        method: str,
        path: str,
        *,
        query: type[msgspec.Struct] | None = None,
        body: type[msgspec.Struct] | None = None,
        returns: Any = None,
        access: Access = Access.LISTENER,
        scope: str = "",
        status: int = 200,
    ) -> Callable[[H], H]:
        """Declare `handler(services, *, query, body, **path_parameters)`; what it returns is encoded as JSON.

        A handler may return a response of its server itself (files). The first line of its docstring goes into OpenAPI.
        """
        scope = scope or ("read" if method == "GET" else "write")

        def declare(handler: H) -> H:
            summary = (inspect.getdoc(handler) or "").partition("\n")[0]
            self.routes.append(Route(method, path, handler, query, body, returns, access, scope, status, summary))
            return handler

        return declare


def check_route(route: Route) -> None:
    """Refuse early what the service would refuse anyway, with the status that the documentation says."""
    actor = context.actor()
    if route.access is Access.PUBLIC:
        return
    if actor.kind == "anonymous":
        raise Unauthenticated
    if actor.kind == "person" and route.scope not in actor.scopes:
        raise Forbidden(f"this token lacks the scope {route.scope!r}", scope=route.scope)
    if route.access is Access.ADMIN and not actor.is_admin:
        raise Forbidden


def parse_pairs(form: type[msgspec.Struct], pairs: Mapping[str, Sequence[str]], *, many: tuple[str, ...] = ()) -> Any:
    """Check a query string or a posted form against a struct. Raises InvalidRequest."""
    given: dict[str, Any] = {}
    for name, values in pairs.items():
        if len(values) > 1 and name not in many:
            raise InvalidRequest(f"{name}: given more than once")
        if any("\0" in value for value in values):
            raise InvalidRequest(f"{name}: holds a NUL character")
        given[name] = values if name in many else values[0]
    try:
        return msgspec.convert(given, form, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from None


def parse_body(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    """Check a JSON body against a struct; the header that names its type is not asked. Raises InvalidRequest."""
    try:
        raw = raw or b"{}"  # no body says no more than an empty object
        if b"\\u0000" in raw or b"\0" in raw:
            raise InvalidRequest("text must not hold NUL characters")
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(str(error) or "too deeply nested") from None


def arguments_of(
    route: Route,
    decoder: "msgspec.json.Decoder[Any] | None",
    path: Mapping[str, Any],
    query: Mapping[str, Sequence[str]],
    body: Callable[[], bytes],
) -> dict[str, Any]:
    """Check who asks and what, and return what the handler is called with. Raises DomainError."""
    check_route(route)
    arguments: dict[str, Any] = dict(path)
    if route.query is not None:
        arguments["query"] = parse_pairs(route.query, query)
    elif query:
        raise InvalidRequest(f"unknown parameters: {', '.join(sorted(query))}")
    if decoder is not None:
        arguments["body"] = parse_body(decoder, body())
    return arguments


def retry_after_s(error: DomainError) -> int | None:
    """Return when to try again after a failure, None where that is not the question."""
    said = error.details.get("retry_after_s")
    if said is None and isinstance(error, ServiceUnavailable | TooManyRequests):
        return 5
    return None if said is None else int(said)


def find_module(path: str, module_of_path: dict[str, str]) -> str | None:
    """Return which module answers an API path, by the longest matching prefix."""
    parts = path.removeprefix("/api/v1/").split("/")
    return module_of_path.get("/".join(parts[:2])) or module_of_path.get(parts[0])
