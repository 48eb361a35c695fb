"""Which listens are accepted, and the rows that they become."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from app.contracts.identity import EmptyName, identify, release_key
from app.contracts.listens import NewListen

OLDEST = datetime(2002, 10, 1, tzinfo=UTC)  # before the first scrobbler; ListenBrainz draws the same line
TOLERATED_AHEAD = timedelta(hours=1)  # clocks of players are wrong
MAX_TEXT_BYTES = 10_240
MAX_DURATION_MS = 24 * 86_400_000
CACHED_CHARS = 512  # names are shorter; texts of 10 kB would fill the memory


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


class Names(NamedTuple):
    """What a listen is of: keys, and the names as they are stored."""

    recording_key: UUID
    artist_key: UUID
    release_key: UUID | None
    artist: str
    title: str
    release: str | None


def names_of(listen: NewListen) -> Names:
    """Return the names of a listen. Raises Rejected."""
    artist, title, release, by = listen.artist, listen.title, listen.release, listen.release_artist
    is_short = len(artist) + len(title) + len(release or "") + len(by or "") <= CACHED_CHARS
    return (_cached_names if is_short else _new_names)(artist, title, release, by)


def _new_names(artist: str, title: str, release: str | None, release_artist: str | None) -> Names:
    check_text("artist", artist)
    check_text("title", title)
    check_text("release", release)
    check_text("release_artist", release_artist)
    try:
        identity = identify(artist, title)
    except EmptyName:
        raise Rejected("artist or title is empty") from None
    release, key = (release or "").strip() or None, None
    if release:
        try:
            key = release_key(release_artist or artist, release)
        except EmptyName:
            release = None
    return Names(identity.recording_key, identity.artist_key, key, artist.strip(), title.strip(), release)


# People play the same things again: a history of years tells of few.
_cached_names = lru_cache(maxsize=65_536)(_new_names)


def row_of(listener_id: UUID, listen: NewListen, client: str, now: datetime) -> dict[str, Any]:
    """Return the row of a listen, its time in whole seconds and its `extra` as JSON. Raises Rejected."""
    check(listen, now)
    names = names_of(listen)
    return {
        "listener_id": listener_id,
        "listened_at": whole_second(listen.listened_at),
        "recording_key": names.recording_key,
        "artist_key": names.artist_key,
        "release_key": names.release_key,
        "artist": names.artist,
        "title": names.title,
        "release": names.release,
        "duration_ms": listen.duration_ms,
        "client": clean_name(listen.client) if listen.client else client,
        "extra": _extra(listen),
        "recording_mbid": listen.recording_mbid,
        "release_mbid": _uuid((listen.extra or {}).get("release_mbid")),
        "import_id": None,
    }


def whole_second(at: datetime) -> datetime:
    """Return a time in UTC without its fraction: an equal second is the same listen. One without zone is UTC."""
    if at.tzinfo is not UTC:
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    return at.replace(microsecond=0) if at.microsecond else at


def clean_name(name: str) -> str:
    """Return the name of a client or source as it is stored."""
    return name.replace("\0", "").encode("utf-8", "replace").decode()[:100]


def _uuid(said: object) -> UUID | None:
    """Read what a client sent as an identifier; it may be anything."""
    try:
        return UUID(said) if isinstance(said, str) and len(said) == 36 else None
    except ValueError:
        return None


def _extra(listen: NewListen) -> str | None:
    extra = {key: value for key, value in (listen.extra or {}).items() if key != "recording_mbid"}
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
    return encoded.decode()
