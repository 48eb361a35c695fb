"""Public JSON routes: declared once, mounted where the module runs, described in OpenAPI wherever it runs."""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Flask, Response, g, has_request_context, request
from werkzeug.exceptions import HTTPException

from app.kernel import context
from app.kernel.binding import Problem, problem_of
from app.kernel.contract import (
    Access,
    DomainError,
    Forbidden,
    InvalidRequest,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
)

log = logging.getLogger(__name__)

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
    """The routes of one module. `prefixes` are the first path segments that the gateway sends to it."""

    module: str
    prefixes: tuple[str, ...]
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

        A handler may return a Flask response itself (files). The first line of its docstring goes into OpenAPI.
        """
        scope = scope or ("read" if method == "GET" else "write")

        def declare(handler: H) -> H:
            summary = (inspect.getdoc(handler) or "").partition("\n")[0]
            self.routes.append(Route(method, path, handler, query, body, returns, access, scope, status, summary))
            return handler

        return declare


def blueprint(api: Api, services: Any) -> Blueprint:
    """Mount a module's routes under /api/v1."""
    bp = Blueprint(f"{api.module}_api", __name__, url_prefix="/api/v1")
    for number, route in enumerate(api.routes):
        endpoint = f"{route.handler.__name__}_{number}"
        bp.add_url_rule(route.path, endpoint, _view(route, services), methods=[route.method])
    return bp


def _view(route: Route, services: Any) -> Callable[..., Response]:
    decoder = msgspec.json.Decoder(route.body) if route.body else None

    def view(**path: Any) -> Response:
        check_route(route)
        arguments: dict[str, Any] = dict(path)
        if route.query is not None:
            arguments["query"] = parse_query(route.query)
        elif request.args:
            raise InvalidRequest(f"unknown parameters: {', '.join(sorted(request.args))}")
        if decoder is not None:
            arguments["body"] = parse_body(decoder)
        answer = route.handler(services, **arguments)
        if isinstance(answer, Response):
            return answer
        return json_response(answer, 204 if answer is None and route.returns is None else route.status)

    return view


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


def parse_query(form: type[msgspec.Struct]) -> Any:
    """Check the query string against a struct. Raises InvalidRequest."""
    return _parse_pairs(form, dict(request.args.lists()), many=())


def parse_form(form: type[msgspec.Struct], *, many: tuple[str, ...] = ()) -> Any:
    """Check a posted form against a struct; the fields in `many` are lists. Raises InvalidRequest."""
    pairs = {name: values for name, values in request.form.lists() if name != "csrf_token"}
    return _parse_pairs(form, pairs, many=many)


def _parse_pairs(form: type[msgspec.Struct], pairs: dict[str, list[str]], many: tuple[str, ...]) -> Any:
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


def parse_body(decoder: msgspec.json.Decoder[Any]) -> Any:
    """Check the JSON body against a struct; the header that names its type is not asked. Raises InvalidRequest."""
    try:
        raw = request.get_data() or b"{}"  # no body says no more than an empty object
        if b"\\u0000" in raw or b"\0" in raw:
            raise InvalidRequest("text must not hold NUL characters")
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(str(error) or "too deeply nested") from None


def json_response(value: Any, status: int = 200) -> Response:
    if status == 204:
        return Response(status=204)
    return Response(msgspec.json.encode(value), status=status, content_type="application/json")


def problem_response(error: DomainError) -> Response:
    request_id = getattr(g, "request_id", "") if has_request_context() else ""
    problem = problem_of(error, request_id=request_id)
    response = Response(msgspec.json.encode(problem), status=error.status, content_type=PROBLEM)
    retry_after = error.details.get("retry_after_s")
    if retry_after is None and isinstance(error, ServiceUnavailable | TooManyRequests):
        retry_after = 5
    if retry_after is not None:
        response.headers["Retry-After"] = str(int(retry_after))
    return response


def to_domain_error(error: Exception) -> DomainError:
    """Say any failure in the project's form; what nobody expected is logged and said without detail."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, HTTPException):
        known = _HttpError(error.description or error.name)
        known.status, known.code = error.code or 500, f"http_{error.code}"  # type: ignore[misc]
        return known
    log.exception("unexpected failure", exc_info=error)
    return DomainError("something went wrong here; the request id helps to find it in the log")


class _HttpError(DomainError):
    """An answer that HTTP itself gives: no such route, method not allowed, body too large."""

    code, status = "http", 500


def is_api_request() -> bool:
    return request.path.startswith(("/api/", "/rpc/", "/healthz", "/readyz", "/metrics", "/openapi.json"))


def install_errors(app: Flask, page: Callable[[DomainError], Response] | None = None) -> None:
    """Answer every failure as a problem document, or by `page` where a person is looking."""

    @app.errorhandler(Exception)
    def handle(error: Exception) -> Response:
        known = to_domain_error(error)
        response = problem_response(known) if page is None or is_api_request() else page(known)
        if isinstance(error, HTTPException):
            for name, value in error.get_headers():
                if name in {"Allow", "Retry-After"}:
                    response.headers[name] = value
        return response


__all__ = ["Api", "Problem", "Route", "blueprint", "install_errors", "json_response", "problem_response"]
