"""Which listens are accepted, and the rows that they become."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.contracts.identity import EmptyName, identify, release_key
from app.contracts.listens import NewListen

OLDEST = datetime(2002, 10, 1, tzinfo=UTC)  # before the first scrobbler; ListenBrainz draws the same line
TOLERATED_AHEAD = timedelta(hours=1)  # clocks of players are wrong
MAX_TEXT_BYTES = 10_240
MAX_DURATION_MS = 24 * 86_400_000


class Rejected(Exception):
    """This listen is not accepted; the message says why."""


def check_text(name: str, value: str | None) -> None:
    """Raise Rejected for a text that can't be stored."""
    if value is None:
        return
    if "\0" in value:
        raise Rejected(f"{name} holds a NUL character")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Rejected(f"{name} is not valid Unicode") from None
    if size > MAX_TEXT_BYTES:
        raise Rejected(f"{name} is longer than 10 kB")


def check(listen: NewListen, now: datetime) -> None:
    """Raise Rejected for a listen that can't be stored."""
    if listen.listened_at.tzinfo is None:
        raise Rejected("listened_at has no time zone")
    if listen.listened_at < OLDEST:
        raise Rejected("listened_at is before 2002-10-01")
    if listen.listened_at > now + TOLERATED_AHEAD:
        raise Rejected("listened_at is in the future")
    if listen.duration_ms is not None and not 0 <= listen.duration_ms <= MAX_DURATION_MS:
        raise Rejected("duration_ms is not between 0 and 24 days")
    check_text("artist", listen.artist)
    check_text("title", listen.title)
    check_text("release", listen.release)
    check_text("release_artist", listen.release_artist)


def row_of(listener_id: UUID, listen: NewListen, client: str, now: datetime) -> dict[str, Any]:
    """Return the row of a listen, its time in whole seconds. Raises Rejected."""
    check(listen, now)
    try:
        identity = identify(listen.artist, listen.title)
    except EmptyName:
        raise Rejected("artist or title is empty") from None
    release, key = (listen.release or "").strip() or None, None
    if release:
        try:
            key = release_key(listen.release_artist or listen.artist, release)
        except EmptyName:
            release = None
    return {
        "listener_id": listener_id,
        "listened_at": whole_second(listen.listened_at),
        "recording_key": identity.recording_key,
        "artist_key": identity.artist_key,
        "release_key": key,
        "artist": listen.artist.strip(),
        "title": listen.title.strip(),
        "release": release,
        "duration_ms": listen.duration_ms,
        "client": clean_name(listen.client) if listen.client else client,
        "extra": _extra(listen),
    }


def whole_second(at: datetime) -> datetime:
    """Return a time in UTC without its fraction: an equal second is the same listen. One without zone is UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def clean_name(name: str) -> str:
    """Return the name of a client or source as it is stored."""
    return name.replace("\0", "").encode("utf-8", "replace").decode()[:100]


def _extra(listen: NewListen) -> dict[str, Any] | None:
    extra = dict(listen.extra or {})
    extra.pop("recording_mbid", None)
    if listen.recording_mbid:
        extra["recording_mbid"] = str(listen.recording_mbid)
    if listen.release_artist:
        extra["release_artist"] = listen.release_artist
    if not extra:
        return None
    try:
        encoded = msgspec.json.encode(extra)
    except (TypeError, ValueError, RecursionError):  # a lone surrogate is a ValueError
        raise Rejected("extra is not JSON") from None
    if b"\\u0000" in encoded:
        raise Rejected("extra holds a NUL character")
    if len(encoded) > MAX_TEXT_BYTES:
        raise Rejected("extra is longer than 10 kB")
    return extra
