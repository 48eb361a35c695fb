"""Roll-ups of the log: plays by item, by item and month, and by quarter of an hour.

They are kept by following the log, which says in which months of whom something changed. Those months are counted
anew and what differs is written: in whatever order listens come and go, a roll-up is what a recount gives, and a page
that is applied again changes nothing. Keys and names are those that were sent; corrections are applied when reading.

Months and quarters are of UTC. Every time zone since 2002 is whole quarters of an hour off it, through all its changes,
so days and hours of any zone are sums of quarters, and another zone needs no recount.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.events import FeedPage
from app.kernel import feed
from app.kernel.db import Database
from app.kernel.feed import Follower
from app.modules.listens import log
from app.modules.listens.log import Changed

NAME = "rollups"
PAGE = 20_000  # listens in a step: its transaction holds back every feed of the server for as long as it writes
TABLES = ("item_total", "item_month", "quarter_hour")
STAMP = text(
    """
    insert into stamp (listener_id, changed_at)
    select id, clock_timestamp() from unnest(cast(:ids as uuid[])) as changed (id) order by id
    on conflict (listener_id) do update set changed_at = excluded.changed_at
    """
)
NO_RELEASE = UUID(int=0)
QUARTER_S = 900

Month = tuple[UUID, date]

DIRTY = """
    dirty as (
        select listener_id, month, cast(month as timestamp) at time zone 'UTC' as start,
               (month + interval '1 month') at time zone 'UTC' as finish
        from unnest(cast(:listeners as uuid[]), cast(:months as date[])) as d (listener_id, month)
    )
"""
# Items whose first or last play may have gone are told: a second statement, which sees what this one did, settles them.
# `changed` has an item in `played` for each row with plays: the join is a full one because such is never made by nested
# loops. Of a table that has just been filled the planner knows nothing and takes both for a row each: with an ordinary
# join a page of a new listener's import took a minute.
RECOUNT_ITEMS = text(
    f"""
    with {DIRTY}, fresh as (
        select d.listener_id, d.month, l.recording_key, coalesce(l.release_key, '{NO_RELEASE}') as release_key,
               cast(min(cast(l.artist_key as text)) as uuid) as artist_key,
               max(l.artist) as artist, max(l.title) as title, max(l.release) as release,
               count(*) as plays, min(l.listened_at) as first_at, max(l.listened_at) as last_at
        from dirty d
        join listen l on l.listener_id = d.listener_id and l.listened_at >= d.start and l.listened_at < d.finish
        where l.duplicate_of is null
        group by d.listener_id, d.month, l.recording_key, coalesce(l.release_key, '{NO_RELEASE}')
    ), old as (
        select m.*
        from dirty
        join item_month m using (listener_id, month)
    ), changed as materialized (
        select listener_id, month, recording_key, release_key, f.artist_key, f.artist, f.title, f.release,
               f.plays, f.first_at, f.last_at, o.item_id, o.plays as old_plays,
               o.first_at < coalesce(f.first_at, 'infinity') or o.last_at > coalesce(f.last_at, '-infinity') as is_less
        from fresh f
        full join old o using (listener_id, month, recording_key, release_key)
        where (f.plays, f.first_at, f.last_at) is distinct from (o.plays, o.first_at, o.last_at)
    ), delta as (
        select listener_id, recording_key, release_key,
               sum(coalesce(plays, 0) - coalesce(old_plays, 0)) as plays, count(plays) > 0 as is_played,
               min(first_at) as first_at, max(last_at) as last_at,
               cast(max(cast(artist_key as text)) as uuid) as artist_key,
               (array_agg(artist order by last_at desc nulls last))[1] as artist,
               (array_agg(title order by last_at desc nulls last))[1] as title,
               (array_agg(release order by last_at desc nulls last))[1] as release
        from changed
        group by listener_id, recording_key, release_key
    ), played as (
        insert into item_total as t (listener_id, recording_key, release_key, artist_key, artist, title, release,
                                     plays, first_at, last_at)
        select listener_id, recording_key, release_key, artist_key, artist, title, release, plays, first_at, last_at
        from delta
        where is_played
        on conflict (listener_id, recording_key, release_key) do update
        set plays = t.plays + excluded.plays,
            first_at = least(t.first_at, excluded.first_at),
            last_at = greatest(t.last_at, excluded.last_at),
            artist = case when excluded.last_at >= t.last_at then excluded.artist else t.artist end,
            title = case when excluded.last_at >= t.last_at then excluded.title else t.title end,
            release = case when excluded.last_at >= t.last_at then excluded.release else t.release end
        returning item_id, listener_id, recording_key, release_key
    ), taken as (
        update item_total t set plays = t.plays + d.plays
        from delta d
        where not d.is_played
          and (t.listener_id, t.recording_key, t.release_key) = (d.listener_id, d.recording_key, d.release_key)
    ), put as (
        insert into item_month (listener_id, month, item_id, plays, first_at, last_at, recording_key, release_key,
                                artist_key)
        select listener_id, c.month, p.item_id, c.plays, c.first_at, c.last_at, recording_key, release_key, c.artist_key
        from changed c
        full join played p using (listener_id, recording_key, release_key)
        where coalesce(c.plays, 0) > 0
        on conflict (listener_id, month, item_id) do update
        set plays = excluded.plays, first_at = excluded.first_at, last_at = excluded.last_at
    ), removed as (
        delete from item_month m
        using changed c
        where c.plays is null and (m.listener_id, m.month, m.item_id) = (c.listener_id, c.month, c.item_id)
    )
    select distinct listener_id, item_id from changed where is_less
    """  # noqa: S608
)
SETTLE = text(
    """
    with left_over as (
        select item_id, min(first_at) as first_at, max(last_at) as last_at
        from item_month
        where listener_id = any(cast(:listeners as uuid[])) and item_id = any(cast(:items as bigint[]))
        group by item_id
    ), emptied as (
        delete from item_total t
        where t.item_id = any(cast(:items as bigint[]))
          and not exists (select from left_over l where l.item_id = t.item_id)
    )
    update item_total t set first_at = l.first_at, last_at = l.last_at
    from left_over l
    where t.item_id = l.item_id
    """
)
RECOUNT_QUARTERS = text(
    f"""
    with {DIRTY}, fresh as (
        select d.listener_id, date_bin('{QUARTER_S} s', l.listened_at, timestamptz '2000-01-01 00:00+00') as at,
               count(*) as plays
        from dirty d
        join listen l on l.listener_id = d.listener_id and l.listened_at >= d.start and l.listened_at < d.finish
        where l.duplicate_of is null
        group by 1, 2
    ), old as (
        select q.*
        from dirty d
        join quarter_hour q on q.listener_id = d.listener_id and q.at >= d.start and q.at < d.finish
    ), changed as materialized (
        select listener_id, at, f.plays
        from fresh f
        full join old o using (listener_id, at)
        where f.plays is distinct from o.plays
    ), put as (
        insert into quarter_hour (listener_id, at, plays)
        select * from changed where plays is not null
        on conflict (listener_id, at) do update set plays = excluded.plays
    )
    delete from quarter_hour q
    using changed c
    where c.plays is null and (q.listener_id, q.at) = (c.listener_id, c.at)
    """  # noqa: S608
)
# Rows of the log behind the cursor: as many as the follower leaves there when it keeps up.
NOT_YET = text(
    f"""
    select {log.CHANGED}
    from (
        select payload
        from event
        where (xid, position) > (select cast(coalesce(max(split_part(cursor, ':', 2)), '0') as xid8),
                                        cast(coalesce(max(split_part(cursor, ':', 3)), '0') as bigint)
                                 from feed_cursor where name = '{NAME}' and cursor <> '')
        order by xid, position
        limit 200
    ) behind
    where payload->>'listener_id' = :listener
    """  # noqa: S608
)


def follower(database: Database) -> Follower[Changed]:
    def changes(after: str, limit: int) -> FeedPage[Changed]:
        with database.begin() as session:
            rows, cursor = feed.read(session, after, limit, is_weighed=True, told=log.CHANGED)
        return FeedPage([log.CHANGES.decode(row) for row in rows], cursor)

    return Follower(NAME, database, changes, apply, reset, PAGE)


def apply(session: Session, changes: Sequence[Changed]) -> None:
    """Take in a page of the log."""
    forgotten = [change.listener_id for change in changes if change.type == "listener_forgotten"]
    if forgotten:
        for table in (*TABLES, "stamp"):
            session.execute(text(f"delete from {table} where listener_id = any(:ids)"), {"ids": forgotten})  # noqa: S608
    session.execute(STAMP, {"ids": list({change.listener_id for change in changes} - set(forgotten))})
    recount(session, {(change.listener_id, month) for change in changes for month in months_of(change)})


def recount(session: Session, dirty: Collection[Month]) -> None:
    """Count some months of listeners anew."""
    if not dirty:
        return
    listeners, months = zip(*sorted(dirty), strict=True)
    given = {"listeners": list(listeners), "months": list(months)}
    shrunk = session.execute(RECOUNT_ITEMS, given).all()
    if shrunk:
        session.execute(
            SETTLE, {"listeners": list({row.listener_id for row in shrunk}), "items": [row.item_id for row in shrunk]}
        )
    session.execute(RECOUNT_QUARTERS, given)


def reset(session: Session) -> None:
    """Forget what the log told."""
    for table in (*TABLES, "stamp"):
        session.execute(text(f"delete from {table}"))  # noqa: S608


def months_of(change: Changed) -> Iterable[date]:
    """Return the months in which something changed."""
    if change.first is None or change.last is None:
        return []
    return months_between(datetime.fromtimestamp(change.first, UTC), datetime.fromtimestamp(change.last, UTC))


def months_between(first: datetime, last: datetime) -> list[date]:
    """Return the months of UTC from that of one time to that of another."""
    start, finish = (at.year * 12 + at.month - 1 for at in (first, last))
    return [date(month // 12, month % 12 + 1, 1) for month in range(start, finish + 1)]


def not_yet(session: Session, listener_id: UUID) -> list[date]:
    """Return the months of a listener that wait to be counted anew: a figure reads the log for them.

    So a listen is in the next answer at once. Where the follower is far behind, as while a long history comes in, it
    is there a moment later.
    """
    rows = session.execute(NOT_YET, {"listener": str(listener_id)}).scalars()
    return sorted({month for row in rows for month in months_of(Changed(*row))})


def is_behind(session: Session, listener_id: UUID) -> bool:
    """Say whether anything of a listener waits to be followed."""
    return session.execute(NOT_YET, {"listener": str(listener_id)}).first() is not None
