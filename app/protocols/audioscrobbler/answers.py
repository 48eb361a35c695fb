"""Answers of the web service 2.0: one tree, written as XML or, by the service's mechanical rule, as JSON."""

import logging
import re
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree  # only written here, never read

import msgspec
from flask import Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from app.contracts.accounts import ListenerNotFound
from app.kernel.contract import DomainError, Forbidden, TooManyRequests, Unauthenticated

log = logging.getLogger(__name__)

# What XML 1.0 can't hold.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

SERVICE, METHOD, AUTHENTICATION, FORMAT, PARAMETER = 2, 3, 4, 5, 6
RESOURCE, FAILED, SESSION, KEY, PENDING, EXPIRED, AWAY, LIMIT = 7, 8, 9, 10, 14, 15, 16, 29


class ApiError(Exception):
    """An error of the web service by its number."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass
class Node:
    """An element: a text or children, and attributes."""

    name: str
    text: Any = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    always_lists: tuple[str, ...] = ()  # names of children that are a list in JSON also when there is none

    def to_xml(self) -> ElementTree.Element:
        element = ElementTree.Element(self.name, {k: _plain(v) for k, v in self.attributes.items()})
        if self.children:
            element.extend(child.to_xml() for child in self.children)
        else:
            element.text = _plain(self.text)
        return element

    def to_json(self) -> Any:
        """A bare text is itself, one with attributes an object; children are keys, alike ones a list of them."""
        if not self.children and not self.always_lists:
            return {"#text": self.text, **self.attributes} if self.attributes else self.text
        found: dict[str, Any] = {name: [] for name in self.always_lists}
        for child in self.children:
            value = child.to_json()
            if child.name not in found or found[child.name] == []:
                found[child.name] = value
            elif isinstance(found[child.name], list):
                found[child.name].append(value)
            else:
                found[child.name] = [found[child.name], value]
        if self.attributes:
            found["@attr"] = self.attributes
        return found


def _plain(value: Any) -> str:
    return UNPRINTABLE.sub("", str(value))


def wants_json() -> bool:
    return request.values.get("format", "").lower() == "json"


def success(node: Node | None) -> Response:
    """Answer with a node, or with nothing but success."""
    if wants_json():
        return _json({node.name: node.to_json()} if node else {})
    return _xml("ok", node.to_xml() if node else None)


def failure(error: Exception) -> Response:
    """Answer with an error. Never with a status of 5xx: clients would not read what it says."""
    found = _known(error)
    g.outcome = f"error {found.code}: {found.message}"
    if wants_json():
        response = _json({"error": found.code, "message": found.message})
    else:
        element = ElementTree.Element("error", {"code": str(found.code)})
        element.text = _plain(found.message)
        response = _xml("failed", element)
    if isinstance(error, TooManyRequests):
        response.status_code = 429
        response.headers["Retry-After"] = str(int(error.details.get("retry_after_s", 5)))
    return response


def _known(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, DomainError):
        return _of_contract(error)
    if isinstance(error, RequestEntityTooLarge):
        return ApiError(PARAMETER, "The request is too large")
    if isinstance(error, HTTPException):
        return ApiError(SERVICE, error.description or error.name)
    log.exception("unexpected failure", exc_info=error)
    return ApiError(FAILED, "Operation failed - Something went wrong here")


def _of_contract(error: DomainError) -> ApiError:
    match error:
        case ListenerNotFound():
            return ApiError(PARAMETER, "User not found")
        case TooManyRequests():
            return ApiError(LIMIT, "Rate limit exceeded - wait a moment")
        case Unauthenticated():
            return ApiError(SESSION, "Invalid session key - Please re-authenticate")
        case Forbidden():
            return ApiError(AUTHENTICATION, error.message)
        case _ if error.status < 500:
            return ApiError(PARAMETER, error.message)
    return ApiError(AWAY, "The service is temporarily unavailable, please try again")


def _json(document: Any) -> Response:
    return Response(msgspec.json.encode(document), content_type="application/json")


def _xml(status: str, element: ElementTree.Element | None) -> Response:
    root = ElementTree.Element("lfm", {"status": status})
    if element is not None:
        root.append(element)
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    return Response(f'<?xml version="1.0" encoding="utf-8"?>\n{text}', content_type="text/xml; charset=utf-8")
