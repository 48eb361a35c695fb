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
    *(N_("rolled back"), N_("archived"), N_("shadow"), N_("canary"), N_("promoted"), N_("stopped")),
)
VERDICTS = (N_("undecided"), N_("better"), N_("equal"), N_("worse"), N_("failing"), N_("invalid"))
CAUSES = (N_("asked"), N_("nightly"), N_("volume"), N_("drift"), N_("search"), N_("retry"), N_("reproduce"))
CHECKS = (N_("volume"), N_("times"), N_("unknown"), N_("duplicates"), N_("time gap"), N_("sudden change"))
LEVELS = (N_("ok"), N_("warn"), N_("stop"))
FEATURES = (N_("items"), N_("listeners"), N_("play times"))
RULES = (
    *(N_("better than champion"), N_("no group worse"), N_("better than popularity")),
    *(N_("coverage"), N_("latency"), N_("size")),
)
SUBJECTS = (N_("model"), N_("popularity"), N_("difference"))
COHORTS = (N_("all"), N_("new"), N_("light"), N_("heavy"))


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
