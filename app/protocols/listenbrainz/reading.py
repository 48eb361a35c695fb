"""Listens read back: pages by time, what plays now, counts, people, and marks of importers."""

import contextlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Response, request

from app.contracts.catalog import Identifier
from app.contracts.listens import Listen, ListenNotFound, PlayingNow
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import DomainError
from app.protocols.callers import Callers
from app.protocols.listenbrainz.answers import (
    OK,
    Refused,
    answer,
    body,
    count_and_offset,
    identifier,
    integer,
    json_body,
    json_object,
    me,
)

OWN_KEYS = ("release_artist", "listened_at_is")  # what is kept beside what the client told


def listens(services: Services, callers: Callers, name: str) -> Response:
    count, _ = count_and_offset()
    newest, oldest = integer("max_ts"), integer("min_ts")
    if newest is not None and oldest is not None and newest <= oldest:
        raise Refused("max_ts should be greater than min_ts")
    before, after = (None if each is None else str(_within(each)) for each in (newest, oldest))
    with callers.reading(name) as listener:
        found = []
        if count:
            page = services.listens.history(
                listener.listener_id, before, after, count, is_nearest_after=newest is None and oldest is not None
            )
            found = page.listens
        total = services.listens.summary(listener.listener_id)
    payload = {
        "count": len(found),
        "user_id": listener.name,
        "latest_listen_ts": seconds(total.last_listened_at),
        "oldest_listen_ts": seconds(total.first_listened_at),
        "listens": [listen_of(each, listener.name) for each in found],
    }
    return answer({"payload": payload})


def _within(at: int) -> int:
    return max(-(10**9), min(at, 10**11))  # years that a date can name


def listen_of(listen: Listen, name: str) -> dict[str, Any]:
    return {
        "listened_at": seconds(listen.listened_at),
        "inserted_at": seconds(listen.inserted_at),
        "recording_msid": listen.recording_key,
        "user_name": name,
        "track_metadata": track_of(listen),
    }


def track_of(track: Listen | PlayingNow) -> dict[str, Any]:
    """Return names and additional_info as they were sent, with the recording's own identifier."""
    info = {key: value for key, value in (track.extra or {}).items() if key not in OWN_KEYS}
    if track.duration_ms and "duration" not in info:
        info.setdefault("duration_ms", track.duration_ms)
    if track.client:
        info.setdefault("submission_client", track.client)
    info["recording_msid"] = str(track.recording_key)
    metadata: dict[str, Any] = {
        "artist_name": track.artist,
        "track_name": track.title,
        "release_name": track.release,
        "additional_info": info,
    }
    if mbid := info.get("recording_mbid"):
        metadata["mbid_mapping"] = {
            "recording_mbid": mbid,
            "recording_name": track.title,
            "release_mbid": info.get("release_mbid"),
            "artist_mbids": info.get("artist_mbids", []),
        }
    return metadata


def seconds(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0


def listen_count(services: Services, callers: Callers, name: str) -> Response:
    with callers.reading(name) as listener:
        plays = services.listens.summary(listener.listener_id).plays
    return answer({"payload": {"count": plays}})


def playing_now(services: Services, callers: Callers, name: str) -> Response:
    with callers.reading(name) as listener:
        now = services.listens.get_playing_now(listener.listener_id)
    found = [{"track_metadata": track_of(now), "playing_now": True}] if now else []
    return answer({"payload": {"count": len(found), "user_id": listener.name, "playing_now": True, "listens": found}})


def clear_playing_now(services: Services) -> Response:
    if raw := body():
        json_object(raw)
    services.listens.clear_playing_now(me())
    return answer({**OK, "message": "Nothing is playing now."})


def delete_listen(services: Services) -> Response:
    document = json_body()
    if "listened_at" not in document:
        raise Refused("Listen timestamp missing.")
    if "recording_msid" not in document:
        raise Refused("Recording MSID missing.")
    said = document["listened_at"]
    try:
        at = datetime.fromtimestamp(int(said), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Refused(f"{said}: Listen timestamp invalid.") from None
    key = identifier(document["recording_msid"], f"{document['recording_msid']}: Recording MSID format invalid.")
    with contextlib.suppress(ListenNotFound):  # gone already: a client that asks again is told the same
        services.listens.delete_listen(me(), at, key)
    return answer(OK)


def validate_token(callers: Callers) -> Response:
    header = request.headers.get("Authorization", "")
    token = header.partition(" ")[2].strip() or request.args.get("token", "")
    if not token:
        raise Refused("You need to provide an Authorization token.")
    try:
        actor = callers.of_token(token)
    except DomainError as error:
        if error.status != 401:
            raise
        return answer({"code": 200, "message": "Token invalid.", "valid": False})
    callers.act_as(actor)
    return answer({"code": 200, "message": "Token valid.", "valid": True, "user_name": actor.name})


def latest_import(services: Services, callers: Callers) -> Response:
    service = _service(request.args.get("service", "lastfm"))
    with callers.reading(request.args.get("user_name", "")) as listener:
        at = services.listens.get_import_mark(listener.listener_id, service)
    return answer({"musicbrainz_id": listener.name, "latest_import": seconds(at), "status": None, "error": None})


def set_latest_import(services: Services) -> Response:
    document = json_body()
    said, service = document.get("ts", 0), _service(document.get("service", "lastfm"))
    try:
        at = datetime.fromtimestamp(int(said), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Refused("Invalid data sent") from None
    services.listens.set_import_mark(me(), service, at)
    return answer(OK)


def _service(said: object) -> str:
    if not isinstance(said, str) or not said or len(said) > 50:
        raise Refused("Invalid data sent")
    return said.lower()


def services_of(name: str) -> Response:
    """Other services connected to an account; they are set up here, never handed out."""
    me()
    if context.actor().name.casefold() != name.casefold():
        raise Refused("You don't have permissions to view this user's information.", 403)
    return answer({"user_name": context.actor().name, "services": []})


def search_people(services: Services) -> Response:
    found = services.accounts.search_visible(request.args.get("search_term", "")[:64]) if me() else []
    return answer({"users": [{"user_name": each.name} for each in found]})


def similar_people(services: Services, callers: Callers, name: str) -> Response:
    found = _similar(services, callers, name)
    return answer({"payload": [{"user_name": who, "similarity": near} for who, near in found]})


def similar_to(services: Services, callers: Callers, name: str, other: str) -> Response:
    for who, near in _similar(services, callers, name):
        if who.casefold() == other.casefold():
            return answer({"payload": {"user_name": who, "similarity": near}})
    raise Refused(f"Similar-to user not found: {other}", 404)


def _similar(services: Services, callers: Callers, name: str) -> list[tuple[str, float]]:
    """Return who plays alike, nearest first; only those whose listening is public are named."""
    with callers.reading(name) as listener:
        near = services.recommendations.similar_listeners(listener.listener_id, 100)
    with context.acting_as(context.SYSTEM):
        names = {each.listener_id: each.name for each in services.accounts.visible_of([n.listener_id for n in near])}
    return [(names[each.listener_id], round(each.similarity, 6)) for each in near if each.listener_id in names]


def mbids_of(services: Services, keys: list[UUID]) -> dict[UUID, UUID]:
    """Return what stands for each recording as MBID: its own where one was told, else its key."""
    known: list[Identifier] = []
    try:
        known = services.catalog.get_identifiers(keys[:1000]) if keys else []
    except DomainError as error:
        if error.status < 500:
            raise
    return {**{key: key for key in keys}, **{each.recording_key: each.mbid for each in known}}


def keys_of(services: Services, mbids: list[UUID]) -> dict[UUID, UUID]:
    """Return the recording that each MBID stands for: the one it was told of, or the one whose key it is."""
    known = services.catalog.find_identifiers(mbids[:1000]) if mbids else []
    return {**{mbid: mbid for mbid in mbids}, **{each.mbid: each.recording_key for each in known}}
