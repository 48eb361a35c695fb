"""Love and hate of recordings, by MSID or MBID, and the ratings of recommendations."""

from typing import Any
from uuid import UUID

from flask import Response, request

from app.contracts.listens import Feedback
from app.contracts.services import Services
from app.protocols.callers import Callers
from app.protocols.listenbrainz.answers import (
    OK,
    Refused,
    answer,
    count_and_offset,
    identifier,
    integer,
    json_body,
    me,
)
from app.protocols.listenbrainz.reading import keys_of, mbids_of, seconds

ONLY = "JSON document may only contain recording_msid, recording_mbid and score top level keys"
MISSING = "JSON document must contain either recording_msid or recording_mbid, and score top level keys"
RATINGS = {"love": 1, "like": 1, "dislike": -1, "hate": -1, "bad_recommendation": -1}
MAX_ASKED = 1000


def give(services: Services) -> Response:
    document = json_body()
    if set(document) - {"recording_msid", "recording_mbid", "score"}:
        raise Refused(ONLY)
    if "score" not in document or not (document.get("recording_msid") or document.get("recording_mbid")):
        raise Refused(MISSING)
    score = document["score"]
    if isinstance(score, bool) or score not in {-1, 0, 1}:
        raise Refused("Feedback can have a value of 1, 0 or -1.")
    services.listens.set_feedback(me(), "recordings", _recording(services, document), int(score))
    return answer(OK)


def _recording(services: Services, document: dict[str, Any]) -> UUID:
    if msid := document.get("recording_msid"):
        return identifier(msid, "recording_msid MSID format invalid.")
    mbid = identifier(document["recording_mbid"], "recording_mbid MBID format invalid.")
    return keys_of(services, [mbid])[mbid]


def of_listener(services: Services, callers: Callers, name: str) -> Response:
    score = integer("score")
    if score not in {None, 1, -1}:
        raise Refused("Score can have a value of 1 or -1.")
    count, offset = count_and_offset()
    with callers.reading(name) as listener:
        said = services.listens.get_feedback(listener.listener_id, "recordings", score)
    return envelope(services, said, listener.name, count, offset)


def of_recording(services: Services, callers: Callers, key: UUID, *, is_mbid: bool) -> Response:
    """What is said of a recording: one's own only, since nobody else's love is public here."""
    count, offset = count_and_offset()
    wanted = keys_of(services, [key])[key] if is_mbid else key
    said = [each for each in services.listens.get_feedback(me(), "recordings") if each.key == wanted]
    return envelope(services, said, services.accounts.me().name, count, offset)


def envelope(services: Services, said: list[Feedback], name: str, count: int, offset: int) -> Response:
    page = said[offset : offset + count]
    mbids = mbids_of(services, [each.key for each in page])
    with_names = request.args.get("metadata", "").lower() == "true"
    found = []
    for each in page:
        entry: dict[str, Any] = {
            "user_id": name,
            "recording_msid": each.key,
            "recording_mbid": mbids[each.key],
            "score": each.value,
            "created": seconds(each.at),
        }
        if with_names:
            entry["track_metadata"] = {"artist_name": each.artist, "track_name": each.title}
        found.append(entry)
    return answer({"feedback": found, "count": len(found), "total_count": len(said), "offset": offset})


def for_recordings(services: Services, callers: Callers, name: str) -> Response:
    """The score of each recording asked for; 0 where nothing was said."""
    given: dict[str, Any] = dict(request.args) if request.method == "GET" else json_body()
    msids, mbids = _asked(given, "recording_msids", "MSID"), _asked(given, "recording_mbids", "MBID")
    if not msids and not mbids:
        raise Refused("'recording_msids' or 'recording_mbids' has no valid recordings.")
    keys = keys_of(services, mbids)
    with callers.reading(name) as listener:
        said = {each.key: each.value for each in services.listens.get_feedback(listener.listener_id, "recordings")}
    found = [
        {"user_id": listener.name, "recording_msid": msid, "recording_mbid": None, "score": said.get(msid, 0)}
        for msid in msids
    ] + [
        {"user_id": listener.name, "recording_msid": None, "recording_mbid": mbid, "score": said.get(keys[mbid], 0)}
        for mbid in mbids
    ]
    return answer({"feedback": found})


def _asked(given: dict[str, Any], name: str, what: str) -> list[UUID]:
    said = given.get(name) or []
    if isinstance(said, str):
        said = said.split(",")
    if not isinstance(said, list):
        raise Refused(f"{name} must be a list.")
    texts = [each.strip() if isinstance(each, str) else each for each in said if each]
    if len(texts) > MAX_ASKED:
        raise Refused(f"{name} may hold at most {MAX_ASKED} recordings.")
    return [identifier(each, f"{each} {what} format invalid.") for each in texts]


def rate(services: Services) -> Response:
    document = json_body()
    if set(document) != {"recording_mbid", "rating"}:
        raise Refused("JSON document must contain recording_mbid and rating top level keys.")
    rating = document["rating"]
    if not isinstance(rating, str) or rating.lower() not in RATINGS:
        raise Refused("Feedback can only have a value of like, love, dislike, hate, bad_recommendation")
    _set(services, document, RATINGS[rating.lower()])
    return answer(OK)


def take_rating_back(services: Services) -> Response:
    document = json_body()
    if set(document) != {"recording_mbid"}:
        raise Refused("JSON document must contain only recording_mbid.")
    _set(services, document, 0)
    return answer(OK)


def _set(services: Services, document: dict[str, Any], value: int) -> None:
    mbid = identifier(document["recording_mbid"], "recording_mbid MBID format invalid.")
    services.listens.set_feedback(me(), "recordings", keys_of(services, [mbid])[mbid], value)


def ratings_of(services: Services, callers: Callers, name: str) -> Response:
    count, offset = count_and_offset()
    rating = request.args.get("rating", "").lower()
    if rating and rating not in RATINGS:
        raise Refused("Feedback can only have a value of like, love, dislike, hate, bad_recommendation")
    with callers.reading(name) as listener:
        said = services.listens.get_feedback(listener.listener_id, "recordings", RATINGS.get(rating))
    page = said[offset : offset + count]
    mbids = mbids_of(services, [each.key for each in page])
    return answer(
        {
            "feedback": [
                {
                    "recording_mbid": mbids[each.key],
                    "rating": "love" if each.value > 0 else "hate",
                    "created": seconds(each.at),
                }
                for each in page
            ],
            "count": len(page),
            "total_count": len(said),
            "offset": offset,
            "user_name": listener.name,
        }
    )
