"""Statistics in every range; figures are live, so there is nothing to wait for but the first listen."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

from flask import Response, request

from app.contracts.listens import Activity, Pattern, Range, Top, TopItem
from app.contracts.services import Services
from app.contracts.statistics import Bucket, Entity
from app.kernel.contract import DomainError
from app.protocols.callers import Callers
from app.protocols.listenbrainz.answers import Refused, answer, count_and_offset, me, nothing_yet
from app.protocols.listenbrainz.reading import mbids_of, seconds

RANGES: tuple[Range, ...] = get_args(Range)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS_BACK = {"month": 1, "this_month": 1, "quarter": 3, "half_yearly": 6, "year": 12, "this_year": 12}
LABELS = {"week": "%A %d %B %Y", "month": "%d %B %Y", "all_time": "%Y"}  # other ranges are cut into months


def asked_range() -> Range:
    said = request.args.get("range", "all_time")
    for known in RANGES:
        if said == known:
            return known
    raise Refused(f"Invalid range: {said[:50]}")


def tops(services: Services, callers: Callers, name: str, entity: Entity, key: str) -> Response:
    """The most played; `key` is what the protocol calls them."""
    wanted, (count, offset) = asked_range(), count_and_offset()
    with callers.reading(name) as listener:
        top = services.listens.top(listener.listener_id, entity, wanted, limit=max(1, count), offset=offset)
    if not top.total:
        return nothing_yet()
    payload = _tops(services, top, entity, key, count)
    return answer({"payload": {"user_id": listener.name, **payload, "range": wanted, "offset": offset}})


def tops_here(services: Services, entity: Entity, key: str) -> Response:
    me()
    wanted, (count, offset) = asked_range(), count_and_offset()
    top = services.listens.top_here(entity, wanted, max(1, count), offset)
    if not top.total:
        return nothing_yet()
    payload = _tops(services, top, entity, key, count)
    return answer({"payload": {**payload, "range": wanted, "offset": offset}})


def _tops(services: Services, top: Top, entity: Entity, key: str, count: int) -> dict[str, Any]:
    items = top.items[:count]
    entries = {"artists": _artists, "releases": _releases, "recordings": _recordings}[entity](services, items, key)
    return {
        key: entries,
        "count": len(entries),
        f"total_{key.removesuffix('s')}_count": top.total,
        "from_ts": seconds(top.start),
        "to_ts": seconds(top.end) or int(time.time()),
        "last_updated": int(time.time()),
    }


def _artists(services: Services, items: list[TopItem], key: str) -> list[dict[str, Any]]:
    return [{"artist_name": i.artist, "artist_mbid": i.key, "listen_count": i.plays} for i in items]


def _releases(services: Services, items: list[TopItem], key: str) -> list[dict[str, Any]]:
    what = key.removesuffix("s")  # release or release_group
    return [
        {
            f"{what}_name": i.title,
            "artist_name": i.artist,
            f"{what}_mbid": i.key,
            "artist_mbids": [i.artist_key],
            "listen_count": i.plays,
            "caa_id": None,
            "caa_release_mbid": None,
        }
        for i in items
    ]


def _recordings(services: Services, items: list[TopItem], key: str) -> list[dict[str, Any]]:
    keys = [i.key for i in items]
    mbids, releases = mbids_of(services, keys), _releases_of(services, keys)
    return [
        {
            "track_name": i.title,
            "artist_name": i.artist,
            "release_name": releases.get(i.key),
            "recording_mbid": mbids[i.key],
            "recording_msid": i.key,
            "release_mbid": None,
            "artist_mbids": [i.artist_key],
            "listen_count": i.plays,
        }
        for i in items
    ]


def _releases_of(services: Services, keys: list[UUID]) -> dict[UUID, str | None]:
    try:
        return {each.recording_key: each.release for each in services.catalog.get_recordings(keys)}
    except DomainError as error:
        if error.status < 500:
            raise
        return {}  # names of releases are an extra here


def listening_activity(services: Services, callers: Callers, name: str) -> Response:
    wanted = asked_range()
    with callers.reading(name) as listener:
        span = services.listens.top(listener.listener_id, "artists", wanted, limit=1)
        start = _start_before(span.start, wanted)
        activity = services.listens.activity(listener.listener_id, wanted, start, span.end)
    if not any(bucket.plays for bucket in activity.buckets):
        return nothing_yet()
    return answer({"payload": {"user_id": listener.name, **_activity(activity, wanted)}})


def activity_here(services: Services) -> Response:
    me()
    wanted = asked_range()
    activity = services.listens.activity_here(wanted)
    if not any(bucket.plays for bucket in activity.buckets):
        return nothing_yet()
    return answer({"payload": _activity(activity, wanted)})


def _activity(activity: Activity, wanted: Range) -> dict[str, Any]:
    buckets = _years(activity.buckets) if wanted == "all_time" else activity.buckets
    label = LABELS.get(wanted.removeprefix("this_"), "%B %Y")
    return {
        "listening_activity": [
            {
                "from_ts": seconds(b.start),
                "to_ts": seconds(b.end) - 1,
                "time_range": b.start.astimezone(UTC).strftime(label),
                "listen_count": b.plays,
            }
            for b in buckets
        ],
        "range": wanted,
        "from_ts": seconds(buckets[0].start),
        "to_ts": seconds(buckets[-1].end) - 1,
        "last_updated": int(time.time()),
    }


def _start_before(start: datetime | None, wanted: Range) -> datetime | None:
    """Return where the period before begins: the activity shows both."""
    if start is None:
        return None
    if wanted in {"week", "this_week"}:
        return start - timedelta(days=7)
    month = start.year * 12 + start.month - 1 - MONTHS_BACK[wanted]
    return start.replace(year=month // 12, month=month % 12 + 1)


def _years(buckets: list[Bucket]) -> list[Bucket]:
    """Sum days and months up to whole years."""
    years: dict[int, int] = {}
    for bucket in buckets:
        year = bucket.start.astimezone(UTC).year
        years[year] = years.get(year, 0) + bucket.plays
    return [Bucket(datetime(y, 1, 1, tzinfo=UTC), datetime(y + 1, 1, 1, tzinfo=UTC), n) for y, n in years.items()]


def daily_activity(services: Services, callers: Callers, name: str) -> Response:
    wanted = asked_range()
    with callers.reading(name) as listener:
        pattern = services.listens.pattern(listener.listener_id, wanted)
    if not any(map(any, pattern.plays)):
        return nothing_yet()
    hours = {
        day: [{"hour": hour, "listen_count": plays} for hour, plays in enumerate(pattern.plays[number])]
        for number, day in enumerate(DAYS)
    }
    payload = {"user_id": listener.name, "daily_activity": hours, "range": wanted, **_stamps(pattern)}
    return answer({"payload": payload})


def _stamps(pattern: Pattern) -> dict[str, int]:
    return {
        "from_ts": seconds(pattern.start),
        "to_ts": seconds(pattern.end) or int(time.time()),
        "last_updated": int(time.time()),
    }


def genre_activity(services: Services, callers: Callers, name: str) -> Response:
    """Plays by genre and hour of the day, as far as artists have tags here."""
    wanted = asked_range()
    with callers.reading(name) as listener:
        top = services.listens.top(listener.listener_id, "artists", wanted, limit=200)
    tags = {each.artist_key: each.tags for each in services.catalog.get_artists([i.key for i in top.items])}
    counts: dict[str, int] = {}
    for item in top.items:
        for tag in tags.get(item.key, []):
            counts[tag] = counts.get(tag, 0) + item.plays
    if not counts:
        return nothing_yet()
    most = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:100]
    payload = {"user_id": listener.name, "genre_activity": [{"genre": g, "listen_count": n} for g, n in most]}
    return answer({"payload": {**payload, "range": wanted, "last_updated": int(time.time())}})


def unknown_here(callers: Callers, name: str) -> Response:
    """What needs facts that Segue doesn't hold (where artists come from, when a release came out): none yet."""
    asked_range()
    with callers.reading(name):
        return nothing_yet()


def year_in_music(callers: Callers, name: str, year: int) -> Response:
    with callers.reading(name) as listener:
        raise Refused(f"Cannot find Year in Music report for user: {listener.name} for year: {year}", 404)


TOPS: dict[str, tuple[Entity, str]] = {
    "artists": ("artists", "artists"),
    "releases": ("releases", "releases"),
    "release-groups": ("releases", "release_groups"),
    "recordings": ("recordings", "recordings"),
}
OTHERS: dict[str, Callable[[Services, Callers, str], Response]] = {
    "listening-activity": listening_activity,
    "daily-activity": daily_activity,
    "genre-activity": genre_activity,
    "artist-map": lambda _services, callers, name: unknown_here(callers, name),
    "era-activity": lambda _services, callers, name: unknown_here(callers, name),
}
