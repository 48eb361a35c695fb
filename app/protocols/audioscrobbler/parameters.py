"""Parameters of the web service 2.0, wherever they stand: clients put some in the query and some in the body."""

import re
from collections.abc import Mapping

from flask import request

from app.protocols.audioscrobbler.answers import PARAMETER, ApiError

INDEXED = re.compile(r"([A-Za-z]+)\[(\d{1,3})\]")
MAX_VALUE_CHARS = 10_000


def given() -> dict[str, str]:
    """Return all parameters; of one that is repeated the last."""
    found = {name: values[-1] for source in (request.args, request.form) for name, values in source.lists()}
    for name, value in found.items():
        if len(value) > MAX_VALUE_CHARS:
            raise ApiError(PARAMETER, f"Invalid parameters - {name[:50]} is too long")
    return found


def required(parameters: Mapping[str, str], *names: str) -> list[str]:
    """Return parameters that must be there and not empty. Raises ApiError."""
    missing = [name for name in names if not parameters.get(name, "").strip()]
    if missing:
        raise ApiError(
            PARAMETER,
            f"Invalid parameters - Your request is missing a required parameter ({', '.join(missing)})",
        )
    return [parameters[name].replace("\0", "") for name in names]


def whole(parameters: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int = 10**10) -> int:
    """Return a number, held within its bounds. Raises ApiError."""
    said = parameters.get(name, "").strip()
    if not said:
        return default
    try:
        return max(least, min(int(float(said)), most))
    except (ValueError, OverflowError):
        raise ApiError(PARAMETER, f"Invalid parameters - {name} is not a number") from None


def rows(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the items of a batch in the order of their numbers; a single one may come without."""
    found: dict[int, dict[str, str]] = {}
    for name, value in parameters.items():
        if match := INDEXED.fullmatch(name):
            found.setdefault(int(match[2]), {})[match[1].lower()] = value.replace("\0", "")
    if found:
        return [found[number] for number in sorted(found)]
    single = {name.lower(): value.replace("\0", "") for name, value in parameters.items()}
    return [single] if {"artist", "track", "timestamp"} & single.keys() else []
