"""The reference of the public API, read from the same document that machines get."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app

from app.contracts.services import Services
from app.settings import Settings
from app.web.page import Answer, render

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    note: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    anchor: str
    summary: str
    access: str
    parameters: list[Field]
    body: str
    answer: str
    status: str


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/docs")
    def docs() -> Answer:
        document = current_app.config["SEGUE_OPENAPI"]()
        return render(
            "web/docs.html",
            info=document["info"],
            groups=groups_of(document),
            schemas={name: list(fields_of(schema)) for name, schema in schemas_of(document).items()},
        )


def schemas_of(document: dict[str, Any]) -> dict[str, Any]:
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    return schemas


def groups_of(document: dict[str, Any]) -> dict[str, list[Operation]]:
    """Return the operations by their first tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if spec := methods.get(method):
                groups.setdefault((spec.get("tags") or ["other"])[0], []).append(operation_of(path, method, spec))
    return groups


def operation_of(path: str, method: str, spec: dict[str, Any]) -> Operation:
    status, answer = next(((s, a) for s, a in spec["responses"].items() if s != "default"), ("200", {}))
    return Operation(
        method=method.upper(),
        path=path,
        anchor=spec.get("operationId") or f"{method}{path}",
        summary=spec.get("summary", ""),
        access=spec.get("description", "") if spec.get("security") else "Open to everybody.",
        parameters=[
            Field(p["name"], type_of(p["schema"]), p["in"], bool(p.get("required"))) for p in spec.get("parameters", [])
        ],
        body=content_type_of(spec.get("requestBody", {})),
        answer=content_type_of(answer),
        status=status,
    )


def content_type_of(part: dict[str, Any]) -> str:
    content = part.get("content", {}).get("application/json")
    return type_of(content["schema"]) if content else ""


def fields_of(schema: dict[str, Any]) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, of in schema.get("properties", {}).items():
        yield Field(name, type_of(of), note_of(of), name in required)


def note_of(schema: dict[str, Any]) -> str:
    """Return the default and the limits of a field, where it has any."""
    words = []
    if "default" in schema:
        words.append(f"default {schema['default']!r}" if schema["default"] is not None else "optional")
    for key, word in (("minLength", "at least"), ("maxLength", "at most")):
        if key in schema:
            words.append(f"{word} {schema[key]} characters")
    for key, word in (("minimum", "from"), ("maximum", "to")):
        if key in schema:
            words.append(f"{word} {schema[key]}")
    return ", ".join(words)


def type_of(schema: dict[str, Any]) -> str:
    """Return a JSON schema's type in a few words."""
    if ref := schema.get("$ref"):
        return str(ref).rsplit("/", 1)[-1]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(type_of(option) for option in options))
    if values := schema.get("enum"):
        return " | ".join(str(v) for v in values)
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    if isinstance(kind, list):
        return " or ".join(kind)
    return str(schema.get("format") or kind)
