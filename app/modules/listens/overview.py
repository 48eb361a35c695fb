"""The figures of a span of time beside those of the span before."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.statistics import Bucket, Counts, Discovery, Overview, Run, Span
from app.modules.listens import aliases, plays, quarters
from app.modules.listens.periods import buckets, filled

SHOWN = 10
# What was played so often, and then not for so long, is a forgotten favourite.
OFTEN, LONG_AGO = 10, timedelta(days=180)

ARTISTS = """
    with {played}, by_artist as materialized (
        select artist_key, max(artist) as artist, min(first_at) as first_at, max(last_at) as last_at,
               sum(plays)::bigint as plays
        from {read}
        group by artist_key
        having sum(plays) > 0
    ), met as (
        select * from by_artist where first_at >= :start and first_at < :end
    )
    select 'met' as what, width_bucket(first_at, cast(:edges as timestamptz[])) as bucket, count(*) as plays,
           null::uuid as artist_key, null as artist, null::timestamptz as first_at, null::timestamptz as last_at
    from met
    group by 2
    union all
    select 'earlier', 0, count(*), null, null, null, null
    from by_artist
    where first_at >= :before_start and first_at < :before_end
    union all
    (select 'discovery', 0, plays, artist_key, artist, first_at, last_at
     from met
     order by plays desc, artist, artist_key
     limit :shown)
    union all
    (select 'forgotten', 0, plays, artist_key, artist, first_at, last_at
     from by_artist
     where last_at < :long_ago and plays >= :often
     order by plays desc, artist, artist_key
     limit :shown)
"""
VARIETY = """
    with {played}, by_artist as (
        select sum(plays) as plays from {read} group by artist_key having sum(plays) > 0
    ), shares as (
        select plays / sum(plays) over () as share from by_artist
    )
    select count(*), coalesce(exp(-sum(share * ln(share))), 0) from shares
"""


def overview(
    session: Session, listener_id: UUID, span: Span, before: Span | None, timezone: str, now: datetime
) -> Overview:
    first = quarters.first_listen(session, listener_id) or now
    start, end = span.start or first, span.end or max(now, first) + timedelta(seconds=1)
    so_far = _so_far(Span(start, end), before, now)
    cuts = buckets(start, end, timezone) if start < end else []
    days, pattern = _days_and_pattern(session, listener_id, span, timezone)
    earlier = _days_and_pattern(session, listener_id, before, timezone)[0] if before else {}
    artists = _artists(session, listener_id, Span(start, end), so_far, cuts, now)
    met = {cuts[row.bucket - 1][0]: row.plays for row in artists if row.what == "met" and 0 < row.bucket <= len(cuts)}
    runs = _runs(sorted(days))
    today = now.astimezone(ZoneInfo(timezone)).date()
    counts = _counts(session, listener_id, span, days, sum(met.values()))
    return Overview(
        counts=counts,
        before=_counts_before(session, listener_id, so_far, timezone, artists) if so_far else None,
        activity=_by_cut(days, cuts, timezone),
        activity_before=_by_cut(earlier, _cuts_of(before, timezone), timezone),
        pattern=pattern,
        longest_run=max(runs, key=lambda run: (run.days, run.last), default=None),
        run_now=next((run for run in runs if run.last >= today - timedelta(days=1)), None),
        discoveries=_discoveries(artists, "discovery"),
        discovered=filled(cuts, met),
        forgotten=_discoveries(artists, "forgotten"),
    )


def _so_far(span: Span, before: Span | None, now: datetime) -> Span | None:
    """Return as much of the span before as is over of a span that is under way."""
    if before is None or before.start is None or span.start is None or span.end is None:
        return before
    if not span.start < now < span.end:
        return before
    so_far = before.start + (now - span.start)
    return Span(before.start, min(before.end, so_far) if before.end else so_far)


def _cuts_of(span: Span | None, timezone: str) -> list[tuple[datetime, datetime]]:
    return buckets(span.start, span.end, timezone) if span and span.start and span.end else []


def _by_cut(days: dict[date, int], cuts: list[tuple[datetime, datetime]], timezone: str) -> list[Bucket]:
    """Sum days up to days, months or years of the same time zone."""
    if not cuts:
        return []
    zone = ZoneInfo(timezone)
    counts = [0] * len(cuts)
    edges = [cut[0].astimezone(zone).date() for cut in cuts]
    for day, count in days.items():
        counts[bisect_right(edges, day) - 1] += count
    return [Bucket(opens, closes, count) for (opens, closes), count in zip(cuts, counts, strict=True)]


def _artists(
    session: Session,
    listener_id: UUID,
    span: Span,
    before: Span | None,
    cuts: list[tuple[datetime, datetime]],
    now: datetime,
) -> Sequence[Any]:
    """Return by artist, of all time: who was met in the span and when, how many before, and who was forgotten."""
    read = aliases.tables(session, listener_id, credits_all=True)
    played = plays.of(session, listener_id, None, None)
    earliest = datetime(1970, 1, 1, tzinfo=UTC)
    return session.execute(
        text(ARTISTS.format(played=played.statement, read=read["plays"])),
        {
            **played.values,
            "start": span.start,
            "end": span.end,
            "edges": [cut[0] for cut in cuts] or [earliest],
            "before_start": (before and before.start) or earliest,
            "before_end": (before and before.end) or earliest,
            "long_ago": now - LONG_AGO,
            "often": OFTEN,
            "shown": SHOWN,
        },
    ).all()


def _discoveries(rows: Sequence[Any], what: str) -> list[Discovery]:
    return [
        Discovery(row.artist_key, row.artist, row.first_at, row.last_at, row.plays) for row in rows if row.what == what
    ]


def _counts(session: Session, listener_id: UUID, span: Span, days: dict[date, int], new_artists: int) -> Counts:
    read = aliases.tables(session, listener_id, credits_all=True)
    played = plays.of(session, listener_id, span.start, span.end)
    artists, variety = session.execute(
        text(VARIETY.format(played=played.statement, read=read["plays"])), played.values
    ).one()
    return Counts(sum(days.values()), artists, new_artists, len(days), round(float(variety), 1))


def _counts_before(session: Session, listener_id: UUID, span: Span, timezone: str, artists: Sequence[Any]) -> Counts:
    days, _ = _days_and_pattern(session, listener_id, span, timezone)
    return _counts(session, listener_id, span, days, sum(row.plays for row in artists if row.what == "earlier"))


def _days_and_pattern(
    session: Session, listener_id: UUID, span: Span, timezone: str
) -> tuple[dict[date, int], list[list[int]]]:
    """Return plays by day, and by weekday and hour, on the clocks of a time zone: one scan for both."""
    played = quarters.of(session, listener_id, span.start, span.end)
    rows = session.execute(
        text(
            f"""
            with {played.statement}, local as (
                select at at time zone :zone as at, plays from quarters
            ), by_hour as (
                select date_trunc('hour', at) as at, sum(plays) as plays from local group by 1
            ), parts as (
                select cast(at as date) as day, cast(extract(isodow from at) as integer) as weekday,
                       cast(extract(hour from at) as integer) as hour, plays
                from by_hour
            )
            select day, weekday, hour, sum(plays)::bigint as plays
            from parts
            group by grouping sets ((day), (weekday, hour))
            having sum(plays) > 0
            """  # noqa: S608
        ),
        {**played.values, "zone": timezone},
    )
    days: dict[date, int] = {}
    pattern = [[0] * 24 for _ in range(7)]
    for day, weekday, hour, count in rows:
        if day is None:
            pattern[weekday - 1][hour] = count
        else:
            days[day] = count
    return days, pattern


def _runs(days: Sequence[date]) -> list[Run]:
    """Return the days in a row, oldest first."""
    runs: list[Run] = []
    for day in days:
        if runs and day - runs[-1].last == timedelta(days=1):
            runs[-1] = Run(runs[-1].first, day, runs[-1].days + 1)
        else:
            runs.append(Run(day, day, 1))
    return runs
