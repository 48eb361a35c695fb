"""What every page of the site needs: who is looking, the words for times and numbers, and where to go back to."""

import hashlib
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.contracts.catalog import Act, Merge, ReassignArtist, Rename, SplitArtist
from app.kernel import context, locales
from app.kernel.auth import csrf_token, safe_next
from app.kernel.contract import Unauthenticated
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import look, notes

Answer = ResponseReturnValue

STATIC = Path(__file__).parent / "static"
DEMO_CLIENT = "demo data"


def me() -> UUID:
    """Return the listener who is looking. Raises Unauthenticated."""
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise Unauthenticated
    return listener_id


def render(template: str, **values: Any) -> str:
    return render_template(template, **values)


def go(target: str) -> Response:
    """Go on to a page of this site after a form was sent."""
    return make_response(redirect(target, 303))


def back(default: str) -> Response:
    """Go back to the page whose form was sent, as its hidden field `back` says."""
    return go(safe_next(request.form.get("back"), default))


def here() -> str:
    """Return the address of this page as forms send it in `back`."""
    if "here" in g:
        return str(g.here)
    return request.full_path.rstrip("?") if request.method == "GET" else urlsplit(request.path).path


@cache
def assets_version() -> str:
    """Return a word that changes with any static file, so that browsers may keep each version for ever."""
    digest = hashlib.sha256()
    for file in sorted(p for p in STATIC.rglob("*") if p.is_file()):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def asset(name: str) -> str:
    return url_for("web.static", filename=name, v=assets_version())


def cover(key: UUID, fetched: int | None = None) -> str:
    """Return a picture's address: another one where covers are fetched, since drawn ones are kept for ever."""
    return url_for("web.cover", key=key, fetched=fetched)


def day_of(moment: datetime) -> str:
    return look.day_name(moment, datetime.now(UTC), look.look().zone)


def time_of(moment: datetime) -> str:
    return locales.time_of_day(look.local(moment))


def moment_of(moment: datetime) -> str:
    return locales.moment(look.local(moment))


def local_day(moment: datetime) -> str:
    """Return the day of a moment where the person is, in short."""
    return locales.day(look.local(moment))


def ago(moment: datetime) -> str:
    return look.ago(moment, datetime.now(UTC), look.look().zone)


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{locales.number(round(value, 1 if unit == 'GB' else 0))} {unit}"


def correction_word(act: Act) -> str:
    """Return what a correction says of its subject, as the first word of what follows."""
    match act:
        case Merge():
            return _("is")
        case Rename():
            return _("is named")
        case SplitArtist():
            return _("are")
        case ReassignArtist():
            return _("is by")


FILTERS = {
    "number": locales.number,
    "percent": locales.percent,
    "plural": locales.plural,
    "date": locales.day,
    "localday": local_day,
    "day": day_of,
    "clock": time_of,
    "moment": moment_of,
    "ago": ago,
    "listed": locales.listed,
    "filesize": size,
    "local_input": lambda moment: f"{look.local(moment):%Y-%m-%dT%H:%M:%S}",
    "correction_word": correction_word,
}


def context_of(settings: Settings) -> dict[str, Any]:
    """Return what all templates may use."""
    actor = context.actor()
    return {
        "actor": actor,
        "is_signed_in": actor.listener_id is not None,
        "is_demo_account": actor.name.startswith("demo-") or actor.name == "demo",
        "look": look.look(),
        "language": locales.language(),
        "notes": lambda: notes.take(settings),
        "csrf_token": csrf_token,
        "asset": asset,
        "styles": url_for("web.styles", v=assets_version()),
        "cover": partial(cover, fetched=1) if settings.fetch_covers else cover,
        "here": here,
        "public_url": settings.public_url.rstrip("/"),
        "DEMO_CLIENT": DEMO_CLIENT,
    }
