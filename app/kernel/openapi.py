"""OpenAPI 3.1 from the routes and their structs, the same wherever the modules run."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from app.kernel.binding import Problem
from app.kernel.contract import Access
from app.kernel.routes import PROBLEM, Api, Route

CONVERTERS = {"int": {"type": "integer"}, "uuid": {"type": "string", "format": "uuid"}}
PARAMETER = re.compile(r"<(?:(?P<kind>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")


def document(apis: Sequence[Api], *, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of all public routes."""
    routes = [(api, route) for api in apis for route in api.routes]
    types: list[Any] = [Problem]
    for _, route in routes:
        types += [t for t in (route.body, route.returns) if t is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for api, route in routes:
        path = "/api/v1" + PARAMETER.sub(lambda m: "{" + m["name"] + "}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(api, route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Segue", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT or API token"}},
        },
    }


def _operation(api: Api, route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary or "Done."}
    if route.returns is not None:
        answer["content"] = {"application/json": {"schema": schema_of[repr(route.returns)]}}
    problem = {"description": "A problem.", "content": {PROBLEM: {"schema": schema_of[repr(Problem)]}}}
    status = route.status if route.returns is not None or route.status != 200 else 204
    operation: dict[str, Any] = {
        "operationId": f"{api.module}_{route.handler.__name__}",
        "summary": route.summary,
        "tags": [api.module],
        "parameters": _parameters(route),
        "responses": {str(status): answer, "default": problem},
        "security": [] if route.access is Access.PUBLIC else [{"token": []}],
    }
    if route.access is not Access.PUBLIC:
        operation["description"] = f"Scope `{route.scope}`" + (
            ", admins only." if route.access is Access.ADMIN else "."
        )
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[repr(route.body)]}},
        }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": m["name"],
            "in": "path",
            "required": True,
            "schema": CONVERTERS.get(m["kind"] or "", {"type": "string"}),
        }
        for m in PARAMETER.finditer(route.path)
    ]
    if route.query is not None:
        schema = msgspec.json.schema(route.query)
        properties = schema["$defs"][route.query.__name__]
        required = set(properties.get("required", ()))
        for name, of in properties["properties"].items():
            parameters.append({"name": name, "in": "query", "required": name in required, "schema": of})
    return parameters
