"""submit-listens: the checks of the protocol, in its order, with its messages; the first bad listen fails them all."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Response, request

from app.contracts.listens import NewListen
from app.contracts.services import Services
from app.protocols.listenbrainz.answers import OK, Refused, answer, body, identifier, json_object, me

MAX_LISTENS = 1000
MAX_LISTEN_BYTES = 10_240
MAX_TAGS, MAX_TAG_CHARS = 50, 64
MAX_DURATION_S = 24 * 86_400
EARLIEST = 1_033_430_400  # 2002-10-01T00:00:00Z
TOLERATED_AHEAD_S = 3600
KINDS = ("single", "playing_now", "import")
MBIDS = ("release_mbid", "recording_mbid", "release_group_mbid", "track_mbid")
MBID_LISTS = ("artist_mbids", "work_mbids")


def submit(services: Services) -> Response:
    listener_id, raw = me(), body()
    document = json_object(raw)
    kind, payload = checked_document(document, len(raw))
    if b"\\u0000" in raw or b"\0" in raw:
        refuse_null_characters(payload)
    now = time.time()
    listens = [checked_listen(each, kind, now) for each in payload]
    client = client_of(listens[0])
    if kind == "playing_now":
        key = services.listens.set_playing_now(listener_id, listens[0], client)
        wants_msid = request.args.get("return_msid", "").lower() == "true"
        return answer({**OK, "recording_msid": key} if wants_msid else OK)
    result = services.listens.submit(listener_id, listens, client)
    if result.rejected:
        raise Refused(result.rejected[0].reason)
    return answer(OK)


def checked_document(document: dict[str, Any], size: int) -> tuple[str, list[Any]]:
    """Return the kind of submission and its listens. Raises Refused."""
    if "payload" not in document or "listen_type" not in document:
        raise Refused("Invalid JSON document submitted.")
    kind, payload = document["listen_type"], document["payload"]
    if not isinstance(payload, list):
        raise Refused("The payload in the JSON document should be a list of listens.")
    if not payload:
        raise Refused("JSON document does not contain any listens")
    if len(payload) > MAX_LISTENS:
        raise Refused(f"Too many listens. You may not submit more than {MAX_LISTENS} listens at once.")
    if size > MAX_LISTEN_BYTES * len(payload):
        raise Refused(f"JSON document is too large. Each listens may not be larger than {MAX_LISTEN_BYTES} bytes.")
    if kind not in KINDS:
        raise Refused("JSON document requires a valid listen_type key.")
    if kind != "import" and len(payload) > 1:
        raise Refused("JSON document contains more than listen for a single/playing_now. It should contain only one.")
    return kind, payload


def checked_listen(listen: Any, kind: str, now: float) -> NewListen:
    """Return a listen as the module takes it. Raises Refused."""
    if not listen:
        raise Refused("Listen is empty and cannot be validated.")
    if not isinstance(listen, dict):
        raise Refused("The payload in the JSON document should be a list of listens.")
    at = _no_time(listen) if kind == "playing_now" else _time_of(listen, now)
    track = listen.get("track_metadata")
    if "track_metadata" not in listen:
        raise Refused("JSON document must contain the key track_metadata at the top level.")
    if not isinstance(track, dict):
        raise Refused("JSON document may not have track_metadata set to null.")
    artist, title = _required(track, "artist_name"), _required(track, "track_name")
    release = track.get("release_name")
    if release is not None and not isinstance(release, str):
        raise Refused("track_metadata.release_name must be a single string.")
    info = track.get("additional_info")
    if info is None:
        info = {}
    if not isinstance(info, dict):
        raise Refused("track_metadata.additional_info must be a json object.")
    info = dict(info)
    duration_ms = _duration_ms(info)
    _check_tags(info)
    _check_mbids(info)
    return NewListen(
        listened_at=datetime.fromtimestamp(at, UTC),
        artist=artist,
        title=title,
        release=(release or "").strip() or None,
        release_artist=_release_artist(info),
        duration_ms=duration_ms,
        recording_mbid=UUID(info["recording_mbid"]) if info.get("recording_mbid") else None,
        extra=info or None,
    )


def client_of(listen: NewListen) -> str:
    """Return what names the program that told of a listen."""
    info = listen.extra or {}
    for name in ("submission_client", "media_player", "music_service_name", "music_service"):
        said = info.get(name)
        if isinstance(said, str) and said.strip():
            return said.strip()
    return (request.headers.get("User-Agent", "").split("/")[0].strip() or "listenbrainz")[:100]


def refuse_null_characters(payload: list[Any]) -> None:
    """Raise Refused where a text holds U+0000, which the database can't store."""
    waiting: list[Any] = list(payload)
    while waiting:
        each = waiting.pop()
        if isinstance(each, str) and "\0" in each:
            raise Refused(f"{each.replace(chr(0), '')[:100]} contains a unicode null.")
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each


def _no_time(listen: dict[str, Any]) -> int:
    if "listened_at" in listen:
        raise Refused("JSON document must not contain listened_at while submitting playing_now.")
    if set(listen) - {"track_metadata"}:
        raise Refused("JSON document may only contain track_metadata as top level key when submitting playing_now.")
    return 0


def _time_of(listen: dict[str, Any], now: float) -> int:
    if "listened_at" not in listen:
        raise Refused("JSON document must contain the key listened_at at the top level.")
    said = listen["listened_at"]
    try:
        at = int(said)
    except (TypeError, ValueError, OverflowError):
        raise Refused("JSON document must contain an int value for listened_at.") from None
    if at >= now + TOLERATED_AHEAD_S:
        raise Refused("Value for key listened_at is too high.")
    if at < EARLIEST:
        raise Refused(
            "Value for key listened_at is too low. listened_at timestamp should be greater than 1033410600 "
            "(2002-10-01 00:00:00 UTC)."
        )
    if set(listen) - {"listened_at", "track_metadata"}:
        raise Refused("JSON document may only contain listened_at and track_metadata top level keys")
    return at


def _required(track: dict[str, Any], name: str) -> str:
    if name not in track:
        raise Refused(f"JSON document does not contain required field track_metadata.{name}.")
    said = track[name]
    if not isinstance(said, str):
        raise Refused(f"track_metadata.{name} must be a single string.")
    if not said.strip():
        raise Refused(f"field track_metadata.{name} is empty.")
    return said


def _duration_ms(info: dict[str, Any]) -> int | None:
    """Return the duration; a text that holds a number is taken for it. Raises Refused."""
    given = [name for name in ("duration", "duration_ms") if info.get(name) is not None]
    if len(given) > 1:
        raise Refused("JSON document should not contain both duration and duration_ms.")
    if not given:
        return None
    name = given[0]
    longest = MAX_DURATION_S * (1 if name == "duration" else 1000)
    try:
        value = int(float(info[name])) if not isinstance(info[name], bool) else 0
    except (TypeError, ValueError, OverflowError):
        value = 0
    if value <= 0:
        raise Refused(f"Value for {name} is invalid, should be a positive integer.")
    if value > longest:
        raise Refused(f"Value for {name} is too large, max permitted value is {longest}")
    info[name] = value
    return value * (1000 if name == "duration" else 1)


def _check_tags(info: dict[str, Any]) -> None:
    tags = info.get("tags")
    if tags is None:
        return
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise Refused("track_metadata.additional_info.tags must be a list of strings.")
    if len(tags) > MAX_TAGS:
        raise Refused(
            f"JSON document may not contain more than {MAX_TAGS} items in track_metadata.additional_info.tags."
        )
    if any(len(tag) > MAX_TAG_CHARS for tag in tags):
        raise Refused(
            f"JSON document may not contain track_metadata.additional_info.tags longer than {MAX_TAG_CHARS} characters."
        )


def _check_mbids(info: dict[str, Any]) -> None:
    """Drop empty identifiers. Raises Refused for what is none."""
    for name in MBIDS:
        if name in info and not info[name]:
            del info[name]
        elif name in info:
            info[name] = str(identifier(info[name], f"{name} MBID format invalid."))
    for name in MBID_LISTS:
        said = info.get(name)
        if said is None:
            info.pop(name, None)
            continue
        if not isinstance(said, list):
            raise Refused(f"{name} MBID format invalid.")
        kept = [str(identifier(each, f"{name} MBID format invalid.")) for each in said if each]
        if kept:
            info[name] = kept
        else:
            del info[name]


def _release_artist(info: dict[str, Any]) -> str | None:
    for name in ("release_artist_name", "albumartist"):
        said = info.get(name)
        if isinstance(said, str) and said.strip():
            return said.strip()
    several = info.get("release_artist_names")
    if isinstance(several, list) and several and all(isinstance(each, str) for each in several):
        return ", ".join(several).strip() or None
    return None
