"""A listener's history of one artist, release or recording, and who else plays it."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.statistics import Bucket, Entity, ItemFigures, ItemNotPlayed, Ranked, Span
from app.modules.listens import aliases, plays, rollups, tops
from app.modules.listens.periods import buckets, filled

SHOWN = 15
BY_DAY = timedelta(days=62)  # longer spans are cut into months or years
MOST_FANS = 200
INSIDE_OF: dict[Entity, tuple[Entity, ...]] = {
    "artists": ("recordings", "releases"),
    "releases": ("recordings",),
    "recordings": ("releases",),
}

FACTS = """
    with {played}, counted as (
        select recording_key, max(title) as title, max(release) as release, max(artist) as artist,
               (array_agg(artist_key))[1] as artist_key, sum(plays)::bigint as plays,
               min(first_at) as first_at, max(last_at) as last_at
        from {read}
        where {column} = :key
        group by recording_key
        having sum(plays) > 0
    )
    select sum(plays)::bigint as plays, min(first_at) as first_at, max(last_at) as last_at, max(title) as title,
           max(release) as release, max(artist) as artist, (array_agg(artist_key))[1] as artist_key
    from counted
"""
RANK = """
    with {counted}
    select c.plays, (select count(*) + 1 from counted more where more.plays > c.plays) as rank
    from counted c
    where key = :key
"""
INSIDE = """
    with {played}
    select {key} as key, max({title}) as title, max(artist) as artist, (array_agg(artist_key))[1] as artist_key,
           sum(plays)::bigint as plays, rank() over (order by sum(plays) desc) as rank
    from {read}
    where {column} = :key and {key} <> '{none}'
    group by {key}
    having sum(plays) > 0
    order by plays desc, title, key
    limit :limit
"""
# Whole months from the roll-up, each at its beginning; the listens of short windows from the log, each at its time. The
# windows are looked up one by one: as a join they would be a scan of the whole history.
BY_MONTH = f"""
    with plays (listener_id, recording_key, release_key, artist_key, artist, title, release, plays, first_at, last_at)
    as (
        select {plays.MONTH}, m.plays, cast(m.month as timestamp) at time zone 'UTC', null::timestamptz
        from item_month m
        left join item_total i on i.item_id = m.item_id
        where m.listener_id = :listener
          and m.month >= :first and m.month < :after and m.month <> all(cast(:behind as date[]))
        union all
        select near.*
        from unnest(cast(:starts as timestamptz[]), cast(:finishes as timestamptz[])) as span (start, finish)
        cross join lateral (
            select l.listener_id, l.recording_key, coalesce(l.release_key, '{rollups.NO_RELEASE}'), l.artist_key,
                   l.artist, l.title, l.release, 1, l.listened_at, l.listened_at
            from listen l
            where l.listener_id = :listener and l.listened_at >= span.start and l.listened_at < span.finish
              and l.duplicate_of is null
            offset 0
        ) near
    )
    select first_at as at, last_at is null as is_month, sum(plays)::bigint as plays
    from {{read}}
    where {{column}} = :key
    group by 1, 2
"""  # noqa: S608


def item_figures(
    session: Session,
    listener_id: UUID,
    entity: Entity,
    key: UUID,
    span: Span,
    before: Span | None,
    timezone: str,
    now: datetime,
) -> ItemFigures:
    """Raises ItemNotPlayed."""
    column = tops.ENTITIES[entity][0]
    read = aliases.tables(session, listener_id, credits_all=entity == "artists")["plays"]
    played = plays.of(session, listener_id, None, None)
    facts = session.execute(
        text(FACTS.format(played=played.statement, read=read, column=column)), {**played.values, "key": key}
    ).one()
    if facts.plays is None:
        raise ItemNotPlayed
    counted = tops.counted(session, listener_id, entity, span, "counted")
    place = session.execute(text(RANK.format(counted=counted.statement)), {**counted.values, "key": key}).one_or_none()
    parts: dict[Entity, list[Ranked]] = {
        of: _inside(session, listener_id, read, column, key, span, of) for of in INSIDE_OF[entity]
    }
    title = {"artists": facts.artist, "releases": facts.release, "recordings": facts.title}[entity]
    begun = Span(span.start or facts.first_at, span.end or max(now, facts.last_at + timedelta(seconds=1)))
    return ItemFigures(
        key=key,
        title=title,
        artist=facts.artist,
        artist_key=facts.artist_key,
        all_plays=facts.plays,
        first_listened_at=facts.first_at,
        last_listened_at=facts.last_at,
        plays=place.plays if place else 0,
        plays_before=_plays_in(session, listener_id, read, column, key, before) if before else 0,
        rank=place.rank if place else None,
        activity=_activity(session, listener_id, read, column, key, begun, timezone),
        recordings=parts.get("recordings", []),
        releases=parts.get("releases", []),
    )


def _plays_in(session: Session, listener_id: UUID, read: str, column: str, key: UUID, span: Span) -> int:
    played = plays.of(session, listener_id, span.start, span.end)
    found: int = session.execute(
        text(f"with {played.statement} select coalesce(sum(plays), 0)::bigint from {read} where {column} = :key"),  # noqa: S608
        {**played.values, "key": key},
    ).scalar_one()
    return found


def _inside(
    session: Session, listener_id: UUID, read: str, column: str, key: UUID, span: Span, entity: Entity
) -> list[Ranked]:
    """Return what was played most of an item."""
    played = plays.of(session, listener_id, span.start, span.end)
    grouped, title = ("recording_key", "title") if entity == "recordings" else ("release_key", "release")
    statement = INSIDE.format(
        played=played.statement, read=read, column=column, key=grouped, title=title, none=rollups.NO_RELEASE
    )
    rows = session.execute(text(statement), {**played.values, "key": key, "limit": SHOWN})
    return [Ranked(*row) for row in rows]


def _activity(
    session: Session, listener_id: UUID, read: str, column: str, key: UUID, span: Span, timezone: str
) -> list[Bucket]:
    """Return an item's plays over time, cut in a time zone."""
    assert span.start
    assert span.end
    cuts = buckets(span.start, span.end, timezone)
    first, after = plays.whole_months(span.start, span.end)
    behind = rollups.not_yet(session, listener_id)
    if span.end - span.start <= BY_DAY:
        first = after
    windows = plays.edges(span.start, span.end, first, after)
    if first < after:
        windows += [plays.month_span(month) for month in behind if first <= month < after]
        shifts = _shifts([cut[0] for cut in cuts], plays.month_span(first)[0], plays.month_span(after)[0])
        windows += [shift for shift in shifts if shift[0].astimezone(UTC).date().replace(day=1) not in behind]
    rows = session.execute(
        text(BY_MONTH.format(read=read, column=column)),
        {
            "listener": listener_id,
            "key": key,
            "first": first,
            "after": after,
            "behind": behind,
            "starts": [window[0] for window in windows],
            "finishes": [window[1] for window in windows],
        },
    ).all()
    counts = [0] * len(cuts)
    edges = [cut[0] for cut in cuts]
    for at, is_month, count in rows:
        month = at.astimezone(UTC).date().replace(day=1)
        if is_month:
            counts[_cut_of(edges, at)] += count
        else:
            counts[bisect_right(edges, at) - 1] += count
            if first <= month < after and month not in behind:  # its month counted it already, where that belongs
                counts[_cut_of(edges, plays.month_span(month)[0])] -= count
    return filled(cuts, dict(zip(edges, counts, strict=True)))


def _cut_of(edges: Sequence[datetime], month: datetime) -> int:
    """Return in which cut most of a month of UTC lies."""
    return bisect_right(edges, month + timedelta(days=14)) - 1


def _shifts(edges: Sequence[datetime], opens: datetime, closes: datetime) -> plays.Spans:
    """Return the windows in which the months of a time zone are not those of UTC."""
    found = []
    for edge in edges:
        nearest = plays.month_span((edge + timedelta(days=1)).astimezone(UTC).date().replace(day=1))[0]
        start, finish = max(min(edge, nearest), opens), min(max(edge, nearest), closes)
        if start < finish:
            found.append((start, finish))
    return found


def listeners_of(session: Session, entity: Entity, key: UUID, artist_key: UUID | None) -> list[tuple[UUID, int]]:
    """Return who plays an item most."""
    nobody = aliases.EVERYONE
    kind: Any = "artists" if entity == "artists" else "recordings"
    keys = [key] if entity == "releases" else aliases.sources(session, nobody, kind, key)
    artists = keys if entity == "artists" else aliases.sources(session, nobody, "artists", artist_key or key)
    rows = session.execute(
        text(
            f"""
            select listener_id, sum(plays)::bigint as plays
            from item_total
            where artist_key = any(:artists) and {tops.ENTITIES[entity][0]} = any(:keys)
            group by listener_id
            order by plays desc, listener_id
            limit :limit
            """  # noqa: S608
        ),
        {"artists": artists, "keys": keys, "limit": MOST_FANS},
    )
    return [(row.listener_id, row.plays) for row in rows]
