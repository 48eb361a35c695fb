"""The submissions protocol 1.2: a handshake, what plays now, up to 50 plays at once; answers are words on lines.

Errors are answered with status 200: clients that fail on others would never read BADSESSION and shake hands anew.
"""

import logging
import time
from datetime import UTC, datetime

from flask import Blueprint, Response, g, request
from msgspec import structs

from app.contracts.accounts import InvalidCredentials
from app.contracts.listens import NewListen
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import DomainError, Unauthenticated
from app.protocols.audioscrobbler import scrobbles
from app.protocols.audioscrobbler.parameters import rows
from app.protocols.callers import Callers

log = logging.getLogger(__name__)

PROTOCOL = "audioscrobbler 1.2"
AWAY = "FAILED temporarily unavailable, please try again"
KEY_CHARS = 64  # of a session: what follows is the client's name for itself
CLOCK_S = 3600
MAX_PLAYS = 50
# Clients that tell when a play was submitted, not when it began: mpdscribble, by the two names it had.
SUBMITS_LATE = frozenset({"mdc", "mpd"})
FIELDS = {"a": "artist", "t": "track", "b": "album", "l": "duration", "n": "tracknumber", "m": "mbid"}
OPINIONS = {"L": 1, "B": -1}


class Said(Exception):
    """What the client is told in the first line."""


def blueprint(services: Services, callers: Callers) -> Blueprint:
    bp = Blueprint("submissions", __name__, url_prefix="/audioscrobbler/1.2")

    @bp.errorhandler(Exception)
    def say(error: Exception) -> Response:
        match error:
            case Said():
                said = str(error)
            case Unauthenticated():
                said = "BADSESSION"
            case DomainError() if error.status < 500:
                said = f"FAILED {error.message}"
            case DomainError():
                said = AWAY
            case _:
                log.exception("unexpected failure", exc_info=error)
                said = AWAY
        g.outcome = said
        return lines(said)

    @bp.after_request
    def note(response: Response) -> Response:
        outcome = g.get("outcome", "")
        what = (request.endpoint or "").rpartition(".")[2]
        callers.note(PROTOCOL, what, is_accepted=not outcome.startswith(("BAD", "FAILED")), outcome=outcome)
        return response

    @bp.get("/handshake")
    def handshake() -> Response:
        given = {name: values[-1] for name, values in request.args.lists()}
        if not given.get("p", "").startswith("1."):
            raise Said("FAILED this server speaks protocol 1.2")
        if _is_clock_off(given.get("t", "")):
            raise Said("BADTIME")
        key = _session(services, callers, given)
        callers.act_as(callers.of_session(key))
        base = request.host_url.rstrip("/") + "/audioscrobbler/1.2"
        client = "".join(c for c in given.get("c", "") if c.isalnum())[:10]
        return lines("OK", key + client, f"{base}/nowplaying", f"{base}/submit")

    @bp.post("/nowplaying")
    def nowplaying() -> Response:
        client = _enter(callers)
        row = _named({name: values[-1] for name, values in request.form.lists()})
        if row["artist"].strip() and row["track"].strip():
            listen = scrobbles.listen_of(row, scrobbles.NOW)
            services.listens.set_playing_now(scrobbles.me(), listen, client)
        return lines("OK")

    @bp.post("/submit")
    def submit() -> Response:
        client = _enter(callers)
        given = [_named(row) | row for row in rows({n: v[-1] for n, v in request.form.lists()})]
        if len(given) > MAX_PLAYS:
            raise Said(f"FAILED at most {MAX_PLAYS} plays at once")
        listens = [listen for row in given if (listen := _listen(row, client)) is not None]
        skipped = len(given) - len(listens)
        if listens:
            skipped += len(services.listens.submit(scrobbles.me(), listens, client).rejected)
        for row in given:
            if (value := OPINIONS.get(row.get("r", ""))) and row["artist"].strip() and row["track"].strip():
                _set_opinion(services, row, value)
        if skipped:
            g.outcome = f"{skipped} of {len(given)} plays could not be taken"
        return lines("OK")

    return bp


def lines(*said: str) -> Response:
    text = "".join(" ".join(line.split("\n")) + "\n" for line in said)
    return Response(text, content_type="text/plain; charset=utf-8")


def _is_clock_off(said: str) -> bool:
    return not said.isdigit() or abs(int(said[:15]) - time.time()) > CLOCK_S


def _session(services: Services, callers: Callers, given: dict[str, str]) -> str:
    """Return the session key that a handshake proves. Raises Said."""
    try:
        if key := given.get("sk"):
            # an application of the web service that goes on in this protocol: its session proves itself
            actor = callers.of_session(key)
            if actor.name.casefold() == given.get("u", actor.name).casefold():
                return key
            raise Said("BADAUTH")
        proof, salt = given.get("a", "").lower(), given.get("t", "")
        return services.accounts.sign_in_scrobbler(given.get("u", ""), proof, "handshake", salt).key
    except (InvalidCredentials, Unauthenticated):
        raise Said("BADAUTH") from None


def _enter(callers: Callers) -> str:
    """Act as the session's listener; return its client's name. Raises Said."""
    session = request.form.get("s") or request.args.get("s", "")
    try:
        callers.act_as(callers.of_session(session[:KEY_CHARS]))
    except Unauthenticated:
        raise Said("BADSESSION") from None
    return session[KEY_CHARS:][:20] or scrobbles.client()


def _named(row: dict[str, str]) -> dict[str, str]:
    return {name: row.get(letter, "").replace("\0", "") for letter, name in FIELDS.items()}


def _listen(row: dict[str, str], client: str) -> NewListen | None:
    """Return a play, or None for what is none."""
    try:
        at = datetime.fromtimestamp(int(float(row.get("i", ""))), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not row["artist"].strip() or not row["track"].strip():
        return None
    listen = scrobbles.listen_of(row, at)
    if client in SUBMITS_LATE:
        return structs.replace(listen, extra={**(listen.extra or {}), "listened_at_is": "submission"})
    return listen


def _set_opinion(services: Services, row: dict[str, str], value: int) -> None:
    if "write" in context.actor().scopes:  # a token for listens alone may not love
        scrobbles.love(services, row["artist"], row["track"], value)
