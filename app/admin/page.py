"""What every administrator's page needs: the acts that are written down before they happen, and fresh sign-ins."""

from collections.abc import Callable
from typing import TypeVar

from flask import Response, g, make_response, redirect, request, url_for

from app.kernel import context
from app.kernel.auth import safe_next
from app.kernel.contract import DeadlineExceeded, ServiceUnavailable
from app.kernel.locales import N_

T = TypeVar("T")

# Words that contracts send; templates translate them where they are shown.
KINDS = (N_("recordings"), N_("artists"))
STATES = (
    *(N_("up"), N_("down"), N_("queued"), N_("running"), N_("cancelling"), N_("cancelled"), N_("done"), N_("failed")),
    *(N_("candidate"), N_("registered"), N_("champion"), N_("retired"), N_("rejected"), N_("quarantined")),
    *(N_("rolled back"), N_("shadow"), N_("canary")),
)


def say(text: str, *, tone: str = "done") -> None:
    """Say something on the next page. Tones: done, problem."""
    g.setdefault("notes", []).append({"text": text, "tone": tone, "undo": "", "fields": {}})


def go(target: str) -> Response:
    return make_response(redirect(target, 303))


def back(default: str) -> Response:
    return go(safe_next(request.form.get("back"), default))


def or_none(call: Callable[[], T]) -> T | None:
    """Return what a call brings, or None where that part is away: the page says so and shows the rest."""
    try:
        return call()
    except (ServiceUnavailable, DeadlineExceeded):
        return None


def must_prove() -> Response | None:
    """Return the way to the password page unless the person signed in within the last 15 minutes."""
    if context.actor().is_fresh:
        return None
    return go(url_for("admin.prove", next=safe_next(request.form.get("back"), url_for("admin.overview"))))
