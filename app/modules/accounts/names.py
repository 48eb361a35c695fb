"""Names of listeners: 1 to 64 ASCII letters, digits, and - _ . after the first; unique without regard to case.

ASCII, so that no two names look alike and every one is safe in an address.
"""

import re
from collections.abc import Iterable

from app.contracts.accounts import InvalidName
from app.kernel.contract import InvalidRequest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def is_name(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def check_names(names: Iterable[str]) -> None:
    """Raises InvalidName."""
    for name in names:
        if not is_name(name):
            raise InvalidName(name=name[:64])


def check_text(value: str, *, what: str, longest: int) -> str:
    """Return a text that a person typed, trimmed. Raises InvalidRequest when it is empty, too long or holds a NUL."""
    trimmed = value.strip()
    if not trimmed or len(trimmed) > longest or "\0" in trimmed:
        raise InvalidRequest(f"{what}: 1 to {longest} characters")
    return trimmed
