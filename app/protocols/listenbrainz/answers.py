"""The form of answers: JSON, errors as `{"code", "error"}`, open to every origin, parameters checked one by one."""

import logging
import time
from typing import Any
from uuid import UUID

import msgspec
from flask import Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from app.contracts.accounts import ListenerNotFound
from app.kernel import context
from app.kernel.contract import DomainError, ServiceUnavailable, TooManyRequests, Unauthenticated

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10_240_000
MAX_COUNT = 1000
DEFAULT_COUNT = 25
OK: dict[str, Any] = {"status": "ok"}


class Refused(Exception):
    """This request gets an error in the protocol's form."""

    def __init__(self, message: str, status: int = 400) -> None:
        self.message = message
        self.status = status
        super().__init__(message)


def answer(value: Any) -> Response:
    return Response(msgspec.json.encode(value), content_type="application/json")


def nothing_yet() -> Response:
    """Say that there is no such thing yet (204 without a body)."""
    return Response(status=204)


def refusal(error: Exception) -> Response:
    """Return an error in the protocol's form; what nobody expected is logged and said without detail."""
    status, message = _said(error)
    g.outcome = message
    response = Response(
        msgspec.json.encode({"code": status, "error": message}), status=status, content_type="application/json"
    )
    if isinstance(error, ServiceUnavailable | TooManyRequests):
        response.headers["Retry-After"] = str(int(error.details.get("retry_after_s", 5)))
    return response


def _said(error: Exception) -> tuple[int, str]:
    if isinstance(error, Refused):
        return error.status, error.message
    if isinstance(error, DomainError):
        return _of_contract(error)
    if isinstance(error, RequestEntityTooLarge):
        return 400, f"Payload too large. Payload cannot exceed {MAX_BODY_BYTES} bytes"
    if isinstance(error, HTTPException):
        return error.code or 500, error.description or error.name
    log.exception("unexpected failure", exc_info=error)
    return 500, "Something went wrong here."


def _of_contract(error: DomainError) -> tuple[int, str]:
    if isinstance(error, Unauthenticated):
        return 401, "Invalid authorization token."
    if isinstance(error, ListenerNotFound):
        name = (request.view_args or {}).get("name") or request.args.get("user_name", "")
        return 404, f"Cannot find user: {name}"
    return (400 if error.status == 422 else error.status), error.message


def open_to_all(response: Response) -> Response:
    """Let scripts on any site use the protocol; its credentials are tokens, never cookies."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    response.headers["Access-Control-Max-Age"] = "21600"
    response.headers["Access-Control-Expose-Headers"] = (
        "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset-In, X-RateLimit-Reset"
    )
    return response


def tell_rate(response: Response) -> Response:
    """Tell the rate limit in whole numbers.

    A client that reads "none left" waits for the whole rest of the window, so that is only said when it is so.
    """
    amount, remaining, reset_at = g.get("rate_limit") or (1000, 1000, time.time() + 10)
    reset_in = max(1, int(reset_at - time.time()))
    response.headers["X-RateLimit-Limit"] = str(amount)
    response.headers["X-RateLimit-Remaining"] = str(0 if response.status_code == 429 else max(1, remaining))
    response.headers["X-RateLimit-Reset-In"] = str(reset_in)
    response.headers["X-RateLimit-Reset"] = str(int(time.time()) + reset_in)
    return response


def me() -> UUID:
    """Return whose token this is. Raises Refused."""
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise Refused("You need to provide an Authorization header.", 401)
    return listener_id


def body() -> bytes:
    """Return the raw body; clients send JSON under any type or none. Raises Refused."""
    request.max_content_length = MAX_BODY_BYTES
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Refused(f"Payload too large. Payload cannot exceed {MAX_BODY_BYTES} bytes")
    return request.get_data(cache=False)


def json_body() -> dict[str, Any]:
    """Return the body, an object. Raises Refused."""
    return json_object(body())


def json_object(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"Cannot parse JSON document: {error}") from None
    if not isinstance(found, dict):
        raise Refused("Invalid JSON document submitted. Top level of JSON document should be a json object.")
    return found


def integer(name: str) -> int | None:
    """Return a whole number of the query, or None. Raises Refused."""
    said = request.args.get(name)
    if said is None:
        return None
    try:
        found = int(said)
    except ValueError:
        raise Refused(f"Invalid {name} argument: {said[:50]}") from None
    if abs(found) > 10**12:
        raise Refused(f"Invalid {name} argument: {said[:50]}")
    return found


def count_and_offset(*, default: int = DEFAULT_COUNT) -> tuple[int, int]:
    """Return how many are asked for (at most 1000) and from where. Raises Refused."""
    count, offset = integer("count"), integer("offset")
    if (count or 0) < 0 or (offset or 0) < 0:
        raise Refused("Number of items requested should be positive")
    return min(default if count is None else count, MAX_COUNT), min(offset or 0, 1_000_000)


def identifier(said: object, message: str) -> UUID:
    """Return a UUID in its usual form. Raises Refused with the message."""
    try:
        if isinstance(said, str) and len(said) == 36:
            return UUID(said)
    except ValueError:
        pass
    raise Refused(message)
