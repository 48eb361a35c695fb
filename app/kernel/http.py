"""The public JSON routes on Flask: mounted where the module runs; failures as problem documents."""

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, g, has_request_context, request
from werkzeug.exceptions import HTTPException

from app.kernel.binding import problem_of
from app.kernel.contract import UNEXPECTED, DomainError, HttpError
from app.kernel.routes import PROBLEM, Api, Route, arguments_of, parse_pairs, retry_after_s

log = logging.getLogger(__name__)


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
        arguments = arguments_of(route, decoder, path, dict(request.args.lists()), request.get_data)
        answer = route.handler(services, **arguments)
        if isinstance(answer, Response):
            return answer
        return json_response(answer, 204 if answer is None and route.returns is None else route.status)

    return view


def parse_query(form: type[msgspec.Struct], *, many: tuple[str, ...] = ()) -> Any:
    """Check the query string against a struct; the parameters in `many` are lists. Raises InvalidRequest."""
    return parse_pairs(form, dict(request.args.lists()), many=many)


def parse_form(form: type[msgspec.Struct], *, many: tuple[str, ...] = ()) -> Any:
    """Check a posted form against a struct; the fields in `many` are lists. Raises InvalidRequest."""
    pairs = {name: values for name, values in request.form.lists() if name != "csrf_token"}
    return parse_pairs(form, pairs, many=many)


def json_response(value: Any, status: int = 200) -> Response:
    if status == 204:
        return Response(status=204)
    return Response(msgspec.json.encode(value), status=status, content_type="application/json")


def problem_response(error: DomainError) -> Response:
    request_id = getattr(g, "request_id", "") if has_request_context() else ""
    problem = problem_of(error, request_id=request_id)
    response = Response(msgspec.json.encode(problem), status=error.status, content_type=PROBLEM)
    if (seconds := retry_after_s(error)) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def to_domain_error(error: Exception) -> DomainError:
    """Say any failure in the project's form; what nobody expected is logged and said without detail."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, HTTPException):
        return HttpError.of(error.code or 500, error.description or error.name)
    log.exception("unexpected failure", exc_info=error)
    return DomainError(UNEXPECTED)


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
