"""Is this process alive, and can it serve?"""

from collections.abc import Callable, Mapping
from typing import Any

from app.kernel.contract import DomainError

Check = Callable[[], None]


def readiness(process: str, version: str, checks: Mapping[str, Check]) -> tuple[dict[str, Any], int]:
    """Return what /readyz answers, and its status: 200 only when every check passes."""
    reasons = {name: reason(check) for name, check in checks.items()}
    away = sorted(name for name, why in reasons.items() if why)
    body = {
        "process": process,
        "version": version,
        "ready": not away,
        "away": away,
        "parts": {name: why or "up" for name, why in sorted(reasons.items())},
    }
    return body, 503 if away else 200


def reason(check: Check) -> str:
    """Return why a check fails, as a code; "" when it passes."""
    try:
        check()
    except DomainError as error:
        return error.code
    return ""
