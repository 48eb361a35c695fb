"""Roll-ups of the log: plays by item, by item and month, and by quarter of an hour.

They are kept by following the log, which says in which months of whom something changed. Those months, or where it was
a few recordings these in them, are counted anew and what differs is written: in whatever order listens come and go, a
roll-up is what a recount gives, and a page that is applied again changes nothing. Keys and names are those that were
sent; corrections are applied when reading.

Months and quarters are of UTC. Every time zone since 2002 is whole quarters of an hour off it, through all its changes,
so days and hours of any zone are sums of quarters, and another zone needs no recount.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
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
# Plays in a month of a listener whose recordings are looked up in it one by one: each costs a walk of the index, which
# for so many is a third of reading the month.
FEW = 20

Month = tuple[UUID, date]
Play = tuple[UUID, int]  # of which recording, in which second

SPAN = """
    cast(month as timestamp) at time zone 'UTC' as start, (month + interval '1 month') at time zone 'UTC' as finish
"""
MONTHS = f"""
    dirty as (
        select listener_id, month, {SPAN}
        from unnest(cast(:listeners as uuid[]), cast(:months as date[])) as d (listener_id, month)
    )
"""  # noqa: S608
# Their items are looked up first: left to itself the planner, which takes a month of a listener for a row, walks that.
RECORDINGS = f"""
    dirty as (
        select listener_id, month, recording_key, {SPAN}
        from unnest(cast(:listeners as uuid[]), cast(:months as date[]), cast(:recordings as uuid[]))
             as d (listener_id, month, recording_key)
    ), known as materialized (
        select listener_id, month, item_id
        from dirty
        join item_total using (listener_id, recording_key)
    )
"""  # noqa: S608
QUARTERS = f"""
    dirty as (
        select listener_id, start, start + interval '{QUARTER_S} s' as finish
        from unnest(cast(:listeners as uuid[]), cast(:quarters as timestamptz[])) as d (listener_id, start)
    )
"""  # noqa: S608
# Items whose first or last play may have gone are told: a second statement, which sees what this one did, settles them.
# `changed` has an item in `played` for each row with plays: the join is a full one because such is never made by nested
# loops. Of a table that has just been filled the planner knows nothing and takes both for a row each: with an ordinary
# join a page of a new listener's import took a minute.
ITEMS = f"""
    with {{dirty}}, fresh as (
        select d.listener_id, d.month, l.recording_key, coalesce(l.release_key, '{NO_RELEASE}') as release_key,
               cast(min(cast(l.artist_key as text)) as uuid) as artist_key,
               max(l.artist) as artist, max(l.title) as title, max(l.release) as release,
               count(*) as plays, min(l.listened_at) as first_at, max(l.listened_at) as last_at
        from dirty d
        join listen l on l.listener_id = d.listener_id and l.listened_at >= d.start and l.listened_at < d.finish
                     {{and_recording}}
        where l.duplicate_of is null
        group by d.listener_id, d.month, l.recording_key, coalesce(l.release_key, '{NO_RELEASE}')
    ), old as (
        select m.*
        from {{known}}
        join item_month m using (listener_id, month{{item}})
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
RECOUNT_MONTHS = text(ITEMS.format(dirty=MONTHS, and_recording="", known="dirty", item=""))
RECOUNT_RECORDINGS = text(
    ITEMS.format(
        dirty=RECORDINGS, and_recording="and l.recording_key = d.recording_key", known="known", item=", item_id"
    )
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
PLAYS_BY_QUARTER = f"""
    with {{dirty}}, fresh as (
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
RECOUNT_QUARTERS_OF_MONTHS = text(PLAYS_BY_QUARTER.format(dirty=MONTHS))
RECOUNT_QUARTERS = text(PLAYS_BY_QUARTER.format(dirty=QUARTERS))
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
        rows, cursor = feed.read(database, after, limit, is_weighed=True, told=log.CHANGED)
        return FeedPage([log.CHANGES.decode(row) for row in rows], cursor)

    return Follower(NAME, database, changes, apply, reset, PAGE)


def apply(session: Session, changes: Sequence[Changed]) -> None:
    """Take in a page of the log."""
    forgotten = [change.listener_id for change in changes if change.type == "listener_forgotten"]
    if forgotten:
        for table in (*TABLES, "stamp"):
            session.execute(text(f"delete from {table} where listener_id = any(:ids)"), {"ids": forgotten})  # noqa: S608
    session.execute(STAMP, {"ids": list({change.listener_id for change in changes} - set(forgotten))})
    whole, partly = _dirty(changes)
    recount(session, whole)
    _recount_plays(session, partly)


def _dirty(changes: Iterable[Changed]) -> tuple[set[Month], dict[Month, set[Play]]]:
    """Return the months to count anew, and the plays told of those in which only theirs may have changed."""
    whole = set[Month]()
    partly = defaultdict[Month, set[Play]](set)
    for change in changes:
        months = [(change.listener_id, month) for month in months_of(change)]
        if change.recording_key is None or change.first is None:
            whole.update(months)
            continue
        for month in months:
            partly[month].add((change.recording_key, change.first))
    whole |= {month for month, plays in partly.items() if len(plays) > FEW}
    return whole, {month: plays for month, plays in partly.items() if month not in whole}


def recount(session: Session, dirty: Collection[Month]) -> None:
    """Count some months of listeners anew."""
    if not dirty:
        return
    listeners, months = zip(*sorted(dirty), strict=True)
    given = {"listeners": list(listeners), "months": list(months)}
    _recount_items(session, RECOUNT_MONTHS, given)
    session.execute(RECOUNT_QUARTERS_OF_MONTHS, given)


def _recount_plays(session: Session, dirty: Mapping[Month, Collection[Play]]) -> None:
    """Count the recordings and the quarters of an hour anew that some plays were of."""
    if not dirty:
        return
    items = sorted({(*month, recording) for month, plays in dirty.items() for recording, _ in plays})
    listeners, months, recordings = map(list, zip(*items, strict=True))
    given = {"listeners": listeners, "months": months, "recordings": recordings}
    _recount_items(session, RECOUNT_RECORDINGS, given)
    told = sorted({(listener, at - at % QUARTER_S) for (listener, _), plays in dirty.items() for _, at in plays})
    quarters = [datetime.fromtimestamp(at, UTC) for _, at in told]
    session.execute(RECOUNT_QUARTERS, {"listeners": [listener for listener, _ in told], "quarters": quarters})


def _recount_items(session: Session, statement: TextClause, given: dict[str, Any]) -> None:
    shrunk = session.execute(statement, given).all()
    if shrunk:
        session.execute(
            SETTLE, {"listeners": list({row.listener_id for row in shrunk}), "items": [row.item_id for row in shrunk]}
        )


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
