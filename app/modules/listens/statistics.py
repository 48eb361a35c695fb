"""When and how much was played, from the roll-ups; what they do not hold yet is read from the log."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Activity, Kind, Pattern, Summary, TopItem
from app.modules.listens import aliases, plays, quarters
from app.modules.listens.periods import buckets, filled


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
        first = quarters.first_listen(session, listener_id, start, end)
        if first is None:
            return Activity([])
        start, end = start or first, end or max(now, first + timedelta(seconds=1))
    if start >= end:
        return Activity([])
    cuts = buckets(start, end, timezone)
    played = quarters.of(session, listener_id, start, end)
    rows = session.execute(
        text(
            f"""
            with {played.statement}
            select width_bucket(at, cast(:edges as timestamptz[])) as bucket, sum(plays)::bigint
            from quarters
            group by bucket
            """  # noqa: S608
        ),
        {**played.values, "edges": [cut[0] for cut in cuts]},
    ).all()
    counts = {cuts[number - 1][0]: count for number, count in rows if 0 < number <= len(cuts)}
    return Activity(filled(cuts, counts))


def pattern(
    session: Session, listener_id: UUID, start: datetime | None, end: datetime | None, timezone: str
) -> Pattern:
    """Return plays by day of the week and hour, on the clocks of a time zone."""
    played = quarters.of(session, listener_id, start, end)
    rows = session.execute(
        text(
            f"""
            with {played.statement}, local as (
                select at at time zone :zone as at, plays from quarters
            )
            select extract(isodow from at)::integer as day, extract(hour from at)::integer as hour,
                   sum(plays)::bigint as plays
            from local
            group by day, hour
            """  # noqa: S608
        ),
        {**played.values, "zone": timezone},
    )
    counts = [[0] * 24 for _ in range(7)]
    for day, hour, count in rows:
        counts[day - 1][hour] = count
    return Pattern(counts, start, end)


def summary(session: Session, listener_id: UUID, artist_key: UUID | None) -> Summary:
    if artist_key:
        count, first, last = _of_item(session, listener_id, "artist_key", artist_key)
        return Summary(count, first, last)
    played = quarters.of(session, listener_id, None, None)
    count = session.execute(
        text(f"with {played.statement} select coalesce(sum(plays), 0)::bigint from quarters"),  # noqa: S608
        played.values,
    ).scalar_one()
    return Summary(count, quarters.first_listen(session, listener_id), quarters.last_listen(session, listener_id))


def _of_item(
    session: Session, listener_id: UUID, column: str, key: UUID
) -> tuple[int, datetime | None, datetime | None]:
    """Return plays, first and last listen of an item, as corrections show it."""
    read = aliases.tables(session, listener_id, credits_all=column == "artist_key")
    played = plays.of(session, listener_id, None, None)
    row = session.execute(
        text(
            f"""
            with {played.statement}, counted as (
                select recording_key, sum(plays) as plays, min(first_at) as first_at, max(last_at) as last_at
                from {read["plays"]}
                where {column} = :key
                group by recording_key
                having sum(plays) > 0
            )
            select coalesce(sum(plays), 0)::bigint, min(first_at), max(last_at) from counted
            """  # noqa: S608
        ),
        {**played.values, "key": key},
    ).one()
    return row[0], row[1], row[2]


def artist_top(session: Session, listener_id: UUID, artist_key: UUID, limit: int) -> list[TopItem]:
    read = aliases.tables(session, listener_id, credits_all=True)
    played = plays.of(session, listener_id, None, None)
    rows = session.execute(
        text(
            f"""
            with {played.statement}
            select recording_key, max(title), max(artist), artist_key, sum(plays)::bigint as plays
            from {read["plays"]}
            where artist_key = :artist
            group by recording_key, artist_key
            having sum(plays) > 0
            order by plays desc, max(title), recording_key
            limit :limit
            """  # noqa: S608
        ),
        {**played.values, "artist": artist_key, "limit": limit},
    ).all()
    return [TopItem(*row) for row in rows]


def plays_of(session: Session, listener_id: UUID, kind: Kind, key: UUID) -> int:
    """Return how many listens are shown as an item to their listener."""
    column = "artist_key" if kind == "artists" else "recording_key"
    return _of_item(session, listener_id, column, key)[0]
