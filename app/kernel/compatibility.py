"""Contracts as data, and what of a change would break those that were built against the release before.

Both ways round: callers of the old version on the new service, and callers of the new version on the old one. So
nothing is taken away or retyped, what is added has a default, and errors keep their code and status.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.kernel.contract import Contract, DomainError

Document = dict[str, Any]


def describe(contract: Contract) -> Document:
    """Return a contract as JSON: each method with its mark, and the schemas of what goes in and comes out."""
    methods = {}
    for method in contract.methods.values():
        schemas, components = msgspec.json.schema_components([method.params, method.returns], ref_template="{name}")
        methods[method.name] = {
            "kind": "query" if method.mark.is_query else "command",
            "idempotent": method.mark.is_idempotent,
            "access": method.mark.access.value,
            "scope": method.mark.scope,
            "params": _plain(schemas[0], components),
            "returns": _plain(schemas[1], components),
        }
    return {"module": contract.name, "methods": methods}


def describe_errors() -> Document:
    """Return the status of every error that may cross the wire, by its code."""
    return {
        code: kind.status for code, kind in sorted(DomainError.by_code.items()) if kind.__module__.startswith("app.")
    }


def broken(old: Document, new: Document) -> list[str]:
    """Return what of a contract's change is not an addition, in words."""
    found = []
    for name, before in old["methods"].items():
        label = f"{old['module']}.{name}"
        after = new["methods"].get(name)
        if after is None:
            found.append(f"{label} is gone")
            continue
        for mark in ("kind", "access", "scope"):
            if before[mark] != after[mark]:
                found.append(f"{label}: {mark} was {before[mark]}, is {after[mark]}")
        if before["idempotent"] and not after["idempotent"]:
            found.append(f"{label} is no longer idempotent, and old callers repeat it")
        found += _differences(before["params"], after["params"], f"{label}(", may_widen=True)
        found += _differences(before["returns"], after["returns"], f"{label} → ", may_widen=False)
    return found


def broken_errors(old: Document, new: Document) -> list[str]:
    found = [f"error {code} is gone" for code in old if code not in new]
    return found + [
        f"error {code}: status was {status}, is {new[code]}"
        for code, status in old.items()
        if code in new and new[code] != status
    ]


def write_snapshot(folder: Path, contracts: Iterable[Contract]) -> None:
    """Keep what is released now, a file per module."""
    folder.mkdir(parents=True, exist_ok=True)
    for contract in contracts:
        _write(folder / f"{contract.name}.json", describe(contract))
    _write(folder / "errors.json", describe_errors())


def broken_since(folder: Path, contracts: Iterable[Contract]) -> list[str]:
    """Compare with a snapshot; a module that is new has nothing to break."""
    found = []
    for contract in contracts:
        file = folder / f"{contract.name}.json"
        if file.exists():
            found += broken(json.loads(file.read_text()), describe(contract))
    return found + broken_errors(json.loads((folder / "errors.json").read_text()), describe_errors())


def _write(path: Path, document: Document) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _plain(schema: Any, components: Document, inside: tuple[str, ...] = ()) -> Any:
    """Return a schema without references and words for people; what contains itself is named instead."""
    if isinstance(schema, list):
        return [_plain(part, components, inside) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"]
        return {"again": name} if name in inside else _plain(components[name], components, (*inside, name))
    return {k: _plain(v, components, inside) for k, v in schema.items() if k not in {"title", "description", "$defs"}}


def _differences(old: Any, new: Any, at: str, *, may_widen: bool) -> Iterator[str]:
    old_kinds, new_kinds = _kinds(old), _kinds(new)
    for kind in old_kinds.keys() - new_kinds.keys():
        if may_widen or not new_kinds:
            yield f"{at}: was {kind}, is {' or '.join(sorted(new_kinds)) or 'nothing'}"
    if not may_widen:
        for kind in new_kinds.keys() - old_kinds.keys():
            yield f"{at}: may be {kind} now"
    for kind in old_kinds.keys() & new_kinds.keys():
        before, after = old_kinds[kind], new_kinds[kind]
        yield from _values(before, after, at, may_widen=may_widen)
        if kind == "object":
            yield from _fields(before, after, at, may_widen=may_widen)
        if "items" in before or "items" in after:
            yield from _differences(before.get("items", {}), after.get("items", {}), f"{at}[]", may_widen=may_widen)
        if "additionalProperties" in before and isinstance(before["additionalProperties"], dict):
            yield from _differences(
                before["additionalProperties"], after.get("additionalProperties", {}), f"{at}[…]", may_widen=may_widen
            )


def _kinds(schema: Any) -> Document:
    """Return the alternatives of a schema by what tells them apart: type, format, tag."""
    if not isinstance(schema, dict) or not schema:
        return {}
    found: Document = {}
    for each in schema.get("anyOf", [schema]):
        kinds = each.get("type", "any")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            tag = each.get("properties", {}).get("type", {}).get("enum")
            name = f"{kind} {each['format']}" if "format" in each else f"{kind} {tag[0]}" if tag else str(kind)
            found["object" if name == "object" else name] = each
    return found


def _values(old: Document, new: Document, at: str, *, may_widen: bool) -> Iterator[str]:
    if "enum" not in old and "enum" not in new:
        return
    before, after = set(old.get("enum", ())), set(new.get("enum", ()))
    if may_widen and after and (not before or before - after):
        yield f"{at}: no longer takes {', '.join(map(str, sorted(before - after, key=str))) or 'everything'}"
    if not may_widen and before and (not after or after - before):
        yield f"{at}: may be {', '.join(map(str, sorted(after - before, key=str))) or 'anything'} now"


def _fields(old: Document, new: Document, at: str, *, may_widen: bool) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name, schema in before.items():
        if name not in after:
            yield f"{at}{_dot(at)}{name} is gone"
        else:
            yield from _differences(schema, after[name], f"{at}{_dot(at)}{name}", may_widen=may_widen)
    needed = set(new.get("required", ())) - set(old.get("required", ()))
    for name in sorted(needed):
        yield f"{at}{_dot(at)}{name} is required now"


def _dot(at: str) -> str:
    return "" if at.endswith(("(", "→ ")) else "."
