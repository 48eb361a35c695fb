"""Short notes that the next page shows once, with a way back: "Hidden. Undo".

Whoever handles a form appends to `g.notes`; they travel to the next page in a signed cookie.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.settings import Settings

COOKIE = "segue_notes"
MAX_AGE_S = 120
MAX_BYTES = 3000  # browsers keep 4096 for a cookie with its name and attributes


def add(text: str, *, tone: str = "done", undo: str = "", fields: Mapping[str, Any] | None = None) -> None:
    """Say something on the next page; `undo` is the address that takes `fields` to undo it. Tones: done, problem."""
    kept = {name: str(value) for name, value in (fields or {}).items() if value is not None}
    g.setdefault("notes", []).append({"text": text, "tone": tone, "undo": undo, "fields": kept})


def _serializer(settings: Settings) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.secret("secret_key"), salt="notes")


def take(settings: Settings) -> list[dict[str, Any]]:
    """Return the notes for this page: those that came with it and those said while it was made."""
    notes: list[dict[str, Any]] = []
    if cookie := request.cookies.get(COOKIE):
        try:
            notes = list(_serializer(settings).loads(cookie, max_age=MAX_AGE_S))
        except BadSignature:
            notes = []
        g.notes_shown = True
    return notes + list(g.pop("notes", []))


def keep(response: Response, settings: Settings) -> None:
    """Send the notes on with a redirect; forget those that were shown."""
    if g.get("notes") and 300 <= response.status_code < 400:
        value = _serializer(settings).dumps(g.notes)
        if len(value) > MAX_BYTES:
            value = _serializer(settings).dumps([{**note, "undo": "", "fields": {}} for note in g.notes[-1:]])
        response.set_cookie(
            COOKIE, str(value), max_age=MAX_AGE_S, secure=settings.uses_tls, httponly=True, samesite="Strict"
        )
    elif g.get("notes_shown"):
        response.delete_cookie(COOKIE, secure=settings.uses_tls, httponly=True, samesite="Strict")
