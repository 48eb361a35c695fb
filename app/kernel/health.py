"""Is this process alive, and can it serve?"""

from collections.abc import Callable, Mapping

from flask import Blueprint, Flask, Response, request

from app.kernel.contract import DomainError
from app.kernel.http import json_response

Check = Callable[[], None]


def install_health(
    app: Flask, *, process: str, version: str, own: Mapping[str, Check], others: Mapping[str, Check]
) -> None:
    """`own` checks what this process needs itself; `others` asks the modules that run elsewhere."""
    bp = Blueprint("health", __name__)

    @bp.get("/healthz")
    def healthz() -> Response:
        """Alive."""
        return json_response({"process": process, "version": version})

    @bp.get("/readyz")
    def readyz() -> Response:
        """Able to serve: 200 only when every module answers; with ?self only this process."""
        checks = dict(own) if "self" in request.args else {**own, **others}
        reasons = {name: reason(check) for name, check in checks.items()}
        away = sorted(name for name, why in reasons.items() if why)
        body = {
            "process": process,
            "version": version,
            "ready": not away,
            "away": away,
            "parts": {name: why or "up" for name, why in sorted(reasons.items())},
        }
        return json_response(body, 503 if away else 200)

    app.register_blueprint(bp)


def reason(check: Check) -> str:
    """Return why a check fails, as a code; "" when it passes."""
    try:
        check()
    except DomainError as error:
        return error.code
    return ""
