"""What players and scripts read: a person, their tracks, tops and loves, and what is similar."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.contracts.identity import EmptyName, artist_key, identify
from app.contracts.listens import Listen, PlayingNow, TopItem
from app.contracts.recommendations import ItemUnknown, Recommendation
from app.contracts.services import Services
from app.contracts.statistics import Entity
from app.kernel import context
from app.protocols.audioscrobbler.answers import PARAMETER, ApiError, Node
from app.protocols.audioscrobbler.parameters import required, whole
from app.protocols.audioscrobbler.scrobbles import me
from app.protocols.callers import Callers

DAYS = {"7day": 7, "1month": 30, "3month": 91, "6month": 182, "12month": 365}
SIZES = ("small", "medium", "large", "extralarge")


def whose(parameters: dict[str, str]) -> str:
    """Return whom a request asks for: the one it names, or the session's own. Raises ApiError."""
    name = parameters.get("user") or context.actor().name
    if not name:
        required(parameters, "user")
    return name.replace("\0", "")


def info(services: Services, callers: Callers, parameters: dict[str, str], public_url: str) -> Node:
    with callers.reading(whose(parameters), app=parameters.get("api_key", "")) as listener:
        plays = services.listens.summary(listener.listener_id).plays
    registered = {"unixtime": str(int(listener.created_at.timestamp()))}
    return Node(
        "user",
        children=[
            Node("name", listener.name),
            Node("realname", ""),
            Node("url", public_url),
            *images(),
            Node("country", ""),
            Node("age", "0"),
            Node("gender", "n"),
            Node("subscriber", "0"),
            Node("playcount", str(plays)),
            Node("playlists", "0"),
            Node("registered", listener.created_at.strftime("%Y-%m-%d %H:%M"), registered),
        ],
    )


def images() -> list[Node]:
    return [Node("image", "", {"size": size}) for size in SIZES]


def recent(services: Services, callers: Callers, parameters: dict[str, str]) -> Node:
    limit = whole(parameters, "limit", 50, most=200)
    page = whole(parameters, "page", 1, most=1_000_000)
    since, until = whole(parameters, "from", 0, least=0), whole(parameters, "to", 0, least=0)
    after, before = str(since - 1) if since else None, str(until + 1) if until else None
    is_extended = parameters.get("extended") == "1"
    with callers.reading(whose(parameters), app=parameters.get("api_key", "")) as listener:
        total = services.listens.count(listener.listener_id, before, after)
        found = services.listens.history(
            listener.listener_id, before, after, limit, offset=min((page - 1) * limit, 1_000_000)
        ).listens
        now = services.listens.get_playing_now(listener.listener_id)
    tracks = [_track(now, is_extended=is_extended)] if now else []
    tracks += [_track(each, is_extended=is_extended) for each in found]
    return collection("recenttracks", "track", tracks, listener.name, page, limit, total)


def _track(track: Listen | PlayingNow, *, is_extended: bool) -> Node:
    extra = track.extra or {}
    mbids = extra.get("artist_mbids")
    artist_mbid = mbids[0] if isinstance(mbids, list) and mbids else ""
    artist = (
        Node("artist", children=[Node("name", track.artist), Node("mbid", artist_mbid), Node("url", ""), *images()])
        if is_extended
        else Node("artist", track.artist, {"mbid": artist_mbid})
    )
    children = [
        artist,
        Node("name", track.title),
        Node("streamable", "0"),
        Node("mbid", extra.get("recording_mbid", "")),
        Node("album", track.release or "", {"mbid": extra.get("release_mbid", "")}),
        Node("url", ""),
        *images(),
    ]
    if is_extended:
        children.append(Node("loved", "0"))
    if isinstance(track, PlayingNow):
        return Node("track", attributes={"nowplaying": "true"}, children=children)
    return Node("track", children=[*children, _date(track.listened_at)])


def _date(at: datetime) -> Node:
    return Node("date", at.astimezone(UTC).strftime("%d %b %Y, %H:%M"), {"uts": str(int(at.timestamp()))})


def collection(name: str, item: str, nodes: Sequence[Node], user: str, page: int, limit: int, total: int) -> Node:
    attributes = {
        "user": user,
        "page": str(page),
        "perPage": str(limit),
        "totalPages": str(-(-total // limit)),
        "total": str(total),
    }
    return Node(name, attributes=attributes, children=list(nodes), always_lists=(item,))


def tops(services: Services, callers: Callers, parameters: dict[str, str], entity: Entity) -> Node:
    limit = whole(parameters, "limit", 50, most=1000)
    page = whole(parameters, "page", 1, most=100_000)
    period = parameters.get("period", "").strip().lower() or "overall"
    if period not in {"overall", *DAYS}:
        raise ApiError(PARAMETER, f"Invalid parameters - there is no period {period[:20]!r}")
    start = datetime.now(UTC) - timedelta(days=DAYS[period]) if period in DAYS else None
    with callers.reading(whose(parameters), app=parameters.get("api_key", "")) as listener:
        top = services.listens.top(
            listener.listener_id, entity, start=start, limit=limit, offset=min((page - 1) * limit, 1_000_000)
        )
    name, item = {"artists": ("topartists", "artist"), "releases": ("topalbums", "album")}.get(
        entity, ("toptracks", "track")
    )
    nodes = [_top(item, each, (page - 1) * limit + rank) for rank, each in enumerate(top.items, 1)]
    return collection(name, item, nodes, listener.name, page, limit, top.total)


def _top(item: str, each: TopItem, rank: int) -> Node:
    children = [
        Node("name", each.artist if item == "artist" else each.title),
        Node("playcount", str(each.plays)),
        Node("mbid", ""),
        Node("url", ""),
        *images(),
    ]
    if item != "artist":
        children.insert(3, Node("artist", children=[Node("name", each.artist), Node("mbid", ""), Node("url", "")]))
    return Node(item, attributes={"rank": str(rank)}, children=children)


def loved(services: Services, callers: Callers, parameters: dict[str, str]) -> Node:
    limit = whole(parameters, "limit", 50, most=1000)
    page = whole(parameters, "page", 1, most=100_000)
    with callers.reading(whose(parameters), app=parameters.get("api_key", "")) as listener:
        said = services.listens.get_feedback(listener.listener_id, "recordings", 1)
    nodes = [
        Node(
            "track",
            children=[
                Node("name", each.title),
                Node("mbid", ""),
                Node("url", ""),
                _date(each.at),
                Node("artist", children=[Node("name", each.artist), Node("mbid", ""), Node("url", "")]),
                *images(),
            ],
        )
        for each in said[(page - 1) * limit : page * limit]
    ]
    return collection("lovedtracks", "track", nodes, listener.name, page, limit, len(said))


def similar_artists(services: Services, parameters: dict[str, str]) -> Node:
    me()
    (name,) = required(parameters, "artist")
    try:
        found = services.recommendations.similar("artists", artist_key(name), whole(parameters, "limit", 50, most=200))
    except (EmptyName, ItemUnknown):
        raise ApiError(PARAMETER, "The artist you supplied could not be found") from None
    nodes = [Node("artist", children=_near(each, _best(found.items))) for each in found.items]
    return Node("similarartists", attributes={"artist": name}, children=nodes, always_lists=("artist",))


def similar_tracks(services: Services, parameters: dict[str, str]) -> Node:
    me()
    artist, track = required(parameters, "artist", "track")
    try:
        key = identify(artist, track).recording_key
        found = services.recommendations.similar("recordings", key, whole(parameters, "limit", 50, most=200))
    except (EmptyName, ItemUnknown):
        raise ApiError(PARAMETER, "Track not found") from None
    nodes = [
        Node(
            "track",
            children=[
                *_near(each, _best(found.items)),
                Node("artist", children=[Node("name", each.artist), Node("mbid", ""), Node("url", "")]),
            ],
        )
        for each in found.items
    ]
    return Node("similartracks", attributes={"artist": artist}, children=nodes, always_lists=("track",))


def _best(items: Sequence[Recommendation]) -> float:
    return max((each.score for each in items), default=1.0) or 1.0


def _near(each: Recommendation, best: float) -> list[Node]:
    match: Any = round(each.score / best, 6)
    return [Node("name", each.title), Node("mbid", ""), Node("match", str(match)), Node("url", ""), *images()]
