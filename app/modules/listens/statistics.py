"""Counting what was played."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Activity, Entity, Kind, Pattern, Summary, Top, TopItem
from app.modules.listens import aliases
from app.modules.listens.periods import buckets, filled

# What each entity is grouped by, and how it is shown; identifiers come from here only.
ENTITIES = {
    "artists": ("artist_key", "max(artist)"),
    "releases": ("release_key", "max(release)"),
    "recordings": ("recording_key", "max(title)"),
}

# Nobody's listens are everybody's. Values are written into the statement, so the planner sees one condition only.
WITHIN = """
    (cast(:listener as uuid) is null or listener_id = :listener)
    and listened_at >= coalesce(cast(:start as timestamptz), '-infinity')
    and listened_at <  coalesce(cast(:end as timestamptz), 'infinity')
    and duplicate_of is null
"""

# Totals without timestamps belong to all time only; a recording's count for its artist too.
PLAYCOUNTS = {
    "artists": """
        union all
        select artist_key, artist_key, artist, artist, plays
        from {playcounts}
        where (cast(:listener as uuid) is null or listener_id = :listener)
    """,
    "recordings": """
        union all
        select item_key, artist_key, title, artist, plays
        from {playcounts}
        where (cast(:listener as uuid) is null or listener_id = :listener) and kind = 'recordings'
    """,
}


# Releases have keys by their artist: of artists that are one now, those of one title are one.
ONE_RELEASE = """
        ), counted as (
            select case when artist_key in (select to_key from {artists} a where a.from_key <> a.to_key)
                        then cast(min(cast(key as text)) over (partition by artist_key, lower(title)) as uuid)
                        else key
                   end as key,
                   artist_key, title, artist, plays
            from counted_apart
"""


def top(
    session: Session,
    listener_id: UUID | None,
    entity: Entity,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    offset: int,
) -> Top:
    """Return the most played of an entity between two times, of one listener or (None) of everybody.

    All-time figures include totals without timestamps.
    """
    key, title = ENTITIES[entity]
    read = aliases.tables(session, listener_id, credits_all=entity == "artists")
    playcounts = PLAYCOUNTS.get(entity, "").format(**read) if start is None and end is None else ""
    is_apart = entity == "releases" and read is not aliases.PLAIN
    one = ONE_RELEASE.format(artists=aliases.seen("artists", by_everyone=listener_id is None)) if is_apart else ""
    statement = f"""
        with {"counted_apart" if is_apart else "counted"} as (
            select {key} as key, max(artist_key::text)::uuid as artist_key, {title} as title, max(artist) as artist,
                   count(*) as plays
            from {read["listens"]}
            where {WITHIN} and {key} is not null
            group by {key}
            {playcounts}
            {one}
        ), summed as (
            select key, max(artist_key::text)::uuid as artist_key, max(title) as title, max(artist) as artist,
                   sum(plays)::bigint as plays
            from counted
            group by key
        )
        select key, title, artist, artist_key, plays, total
        from (select count(*) as total from summed) counting
        left join lateral (
            select * from summed order by plays desc, title, key limit :limit offset :offset
        ) page on true
        order by plays desc, title, key
        """  # noqa: S608
    rows = session.execute(
        text(statement),
        {"listener": listener_id, "start": start, "end": end, "limit": limit, "offset": offset},
    ).all()
    return Top([TopItem(*row[:5]) for row in rows if row.key is not None], rows[0].total, start, end)


def activity(
    session: Session,
    listener_id: UUID | None,
    start: datetime | None,
    end: datetime | None,
    timezone: str,
    now: datetime,
) -> Activity:
    """Return plays over time; an open start begins with the first listen, an open end is now."""
    if start is None or end is None:
        first = session.execute(
            text(f"select min(listened_at) from listen where {WITHIN}"),  # noqa: S608
            {"listener": listener_id, "start": start, "end": end},
        ).scalar()
        if first is None:
            return Activity([])
        start, end = start or first, end or max(now, first + timedelta(seconds=1))
    if start >= end:
        return Activity([])
    cuts = buckets(start, end, timezone)
    rows = session.execute(
        text(
            f"""
            select width_bucket(listened_at, cast(:edges as timestamptz[])) as bucket, count(*)
            from listen
            where {WITHIN}
            group by bucket
            """  # noqa: S608
        ),
        {"listener": listener_id, "start": start, "end": end, "edges": [cut[0] for cut in cuts]},
    ).all()
    counts = {cuts[number - 1][0]: count for number, count in rows if 0 < number <= len(cuts)}
    return Activity(filled(cuts, counts))


def pattern(
    session: Session, listener_id: UUID, start: datetime | None, end: datetime | None, timezone: str
) -> Pattern:
    """Return plays by day of the week and hour, on the clocks of a time zone."""
    rows = session.execute(
        text(
            f"""
            select extract(isodow from listened_at at time zone :zone)::integer as day,
                   extract(hour from listened_at at time zone :zone)::integer as hour,
                   count(*)
            from listen
            where {WITHIN}
            group by day, hour
            """  # noqa: S608
        ),
        {"listener": listener_id, "start": start, "end": end, "zone": timezone},
    )
    plays = [[0] * 24 for _ in range(7)]
    for day, hour, count in rows:
        plays[day - 1][hour] = count
    return Pattern(plays, start, end)


def summary(session: Session, listener_id: UUID, artist_key: UUID | None) -> Summary:
    read = aliases.tables(session, listener_id, credits_all=True) if artist_key else aliases.PLAIN
    row = session.execute(
        text(
            f"""
            select count(*), min(listened_at), max(listened_at)
            from {read["listens"]}
            where listener_id = :listener and duplicate_of is null
              and (cast(:artist as uuid) is null or artist_key = :artist)
            """  # noqa: S608
        ),
        {"listener": listener_id, "artist": artist_key},
    ).one()
    return Summary(*row)


def artist_top(session: Session, listener_id: UUID, artist_key: UUID, limit: int) -> list[TopItem]:
    read = aliases.tables(session, listener_id, credits_all=True)
    rows = session.execute(
        text(
            f"""
            select recording_key, max(title), max(artist), artist_key, count(*) as plays
            from {read["listens"]}
            where listener_id = :listener and artist_key = :artist and duplicate_of is null
            group by recording_key, artist_key
            order by plays desc, max(title), recording_key
            limit :limit
            """  # noqa: S608
        ),
        {"listener": listener_id, "artist": artist_key, "limit": limit},
    ).all()
    return [TopItem(*row) for row in rows]


def plays_of(session: Session, listener_id: UUID, kind: Kind, key: UUID) -> int:
    """Return how many listens are shown as an item to their listener."""
    read = aliases.tables(session, listener_id, credits_all=kind == "artists")
    column = "artist_key" if kind == "artists" else "recording_key"
    return int(
        session.execute(
            text(
                f"""
                select count(*)
                from {read["listens"]}
                where listener_id = :listener and {column} = :key and duplicate_of is null
                """  # noqa: S608
            ),
            {"listener": listener_id, "key": key},
        ).scalar_one()
    )
