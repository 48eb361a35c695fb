"""What players tell: scrobbles, what plays now, love."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request

from app.contracts.identity import EmptyName, identify
from app.contracts.listens import NewListen
from app.contracts.services import Services
from app.kernel import context
from app.protocols.audioscrobbler.answers import PARAMETER, SESSION, ApiError, Node
from app.protocols.audioscrobbler.parameters import required, rows

MAX_SCROBBLES = 50
ARTIST_IGNORED, TRACK_IGNORED, TOO_OLD, TOO_NEW = 1, 2, 3, 4
NOW = datetime(2026, 1, 1, tzinfo=UTC)  # of what plays now the time is not looked at


def me() -> UUID:
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise ApiError(SESSION, "Invalid session key - Please re-authenticate")
    return listener_id


def scrobble(services: Services, parameters: dict[str, str]) -> Node:
    """Store up to 50 plays; one that can't be taken is marked and does not fail the others."""
    given = rows(parameters)
    if not given:
        required(parameters, "artist", "track", "timestamp")
    if len(given) > MAX_SCROBBLES:
        raise ApiError(PARAMETER, f"Invalid parameters - at most {MAX_SCROBBLES} scrobbles at once")
    if len(given) == 1:
        required(given[0], "artist", "track", "timestamp")
    checked = [_checked(row) for row in given]
    listens = [each for each in checked if isinstance(each, NewListen)]
    result = services.listens.submit(me(), listens, client()) if listens else None
    reasons = {each.index: each.reason for each in result.rejected} if result else {}
    nodes, ignored, place = [], 0, 0
    for row, each in zip(given, checked, strict=True):
        code, why = each if isinstance(each, tuple) else (0, "")
        if isinstance(each, NewListen):
            if place in reasons:
                code, why = _code_of(reasons[place]), reasons[place]
            place += 1
        ignored += bool(code)
        nodes.append(_scrobble(row, code, why))
    return Node("scrobbles", attributes={"accepted": len(given) - ignored, "ignored": ignored}, children=nodes)


def _checked(row: dict[str, str]) -> NewListen | tuple[int, str]:
    """Return the play, or why it is ignored."""
    if not row.get("artist", "").strip():
        return ARTIST_IGNORED, "artist is empty"
    if not row.get("track", "").strip():
        return TRACK_IGNORED, "track is empty"
    try:
        at = datetime.fromtimestamp(int(float(row.get("timestamp", ""))), UTC)
    except (ValueError, OverflowError, OSError):
        return TOO_OLD, "timestamp is not UNIX seconds"
    return listen_of(row, at)


def listen_of(row: dict[str, str], at: datetime) -> NewListen:
    """Return a play of the fields that scrobbles and what plays now share."""
    extra: dict[str, Any] = {}
    if number := row.get("tracknumber", "").strip():
        extra["tracknumber"] = number[:20]
    return NewListen(
        listened_at=at,
        artist=row["artist"],
        title=row["track"],
        release=row.get("album", "").strip() or None,
        release_artist=row.get("albumartist", "").strip() or None,
        duration_ms=_duration_ms(row.get("duration", "")),
        recording_mbid=_mbid(row.get("mbid", "")),
        extra=extra or None,
    )


def _duration_ms(said: str) -> int | None:
    try:
        length = int(float(said))
    except (ValueError, OverflowError):
        return None
    return length * 1000 if 0 < length <= 24 * 86_400 else None


def _mbid(said: str) -> UUID | None:
    try:
        return UUID(said) if len(said) == 36 else None
    except ValueError:
        return None


def _code_of(reason: str) -> int:
    if "future" in reason:
        return TOO_NEW
    if "before" in reason:
        return TOO_OLD
    return ARTIST_IGNORED if "artist" in reason else TRACK_IGNORED


def _scrobble(row: dict[str, str], code: int, why: str) -> Node:
    return Node(
        "scrobble",
        children=[
            *_names(row),
            Node("timestamp", row.get("timestamp", "")),
            Node("ignoredMessage", why, {"code": str(code)}),
        ],
    )


def _names(row: dict[str, str]) -> list[Node]:
    return [
        Node("track", row.get("track", ""), {"corrected": "0"}),
        Node("artist", row.get("artist", ""), {"corrected": "0"}),
        Node("album", row.get("album", ""), {"corrected": "0"}),
        Node("albumArtist", row.get("albumartist", ""), {"corrected": "0"}),
    ]


def now_playing(services: Services, parameters: dict[str, str]) -> Node:
    required(parameters, "artist", "track")
    row = {name.lower(): value.replace("\0", "") for name, value in parameters.items()}
    services.listens.set_playing_now(me(), listen_of(row, NOW), client())
    return Node("nowplaying", children=[*_names(row), Node("ignoredMessage", "", {"code": "0"})])


def set_love(services: Services, parameters: dict[str, str], value: int) -> None:
    artist, track = required(parameters, "artist", "track")
    love(services, artist, track, value)


def love(services: Services, artist: str, track: str, value: int) -> None:
    try:
        key = identify(artist, track).recording_key
    except EmptyName:
        raise ApiError(PARAMETER, "Invalid parameters - artist or track is empty") from None
    services.listens.set_feedback(me(), "recordings", key, value)


def client() -> str:
    """Return what names the program, as far as it says."""
    return (request.headers.get("User-Agent", "").split("/")[0].strip() or "audioscrobbler")[:100]
