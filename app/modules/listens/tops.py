"""The most played, and how their ranks changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Top, TopItem
from app.contracts.statistics import Entity, Ranked, RankedPage, Span
from app.modules.listens import aliases, plays, rollups

# What each entity is grouped by, and how it is shown; identifiers come from here only.
ENTITIES: dict[Entity, tuple[str, str]] = {
    "artists": ("artist_key", "artist"),
    "releases": ("release_key", "release"),
    "recordings": ("recording_key", "title"),
}

# Totals without timestamps belong to all time only; a recording's count for its artist too.
PLAYCOUNTS: dict[Entity, str] = {
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
    select case when artist_key in (select to_key from {artists} a where a.from_key <> a.to_key)
                then cast(min(cast(key as text)) over (partition by artist_key, lower(title)) as uuid)
                else key
           end as key,
           artist_key, title, artist, plays
    from (
        select key, (array_agg(artist_key))[1] as artist_key, max(title) as title, max(artist) as artist,
               sum(plays) as plays
        from ({rows}) apart
        group by key
    ) apart
"""


@dataclass(frozen=True)
class Counted:
    """Common table expressions, the last of them `<name> (key, plays)`."""

    statement: str
    values: dict[str, Any]


def counted(session: Session, listener_id: UUID | None, entity: Entity, span: Span, name: str) -> Counted:
    """Return the plays of each item of an entity in a span, of one listener or (None) of everybody."""
    source = f"{name}_plays"
    played = plays.of(session, listener_id, span.start, span.end, name=source)
    rows = _rows(session, listener_id, entity, span, source)
    statement = f"""
        {played.statement}, {name} as materialized (
            select key, sum(plays)::bigint as plays from ({rows}) each group by key having sum(plays) > 0
        )
        """  # noqa: S608
    return Counted(statement, played.values)


def _rows(session: Session, listener_id: UUID | None, entity: Entity, span: Span, source: str) -> str:
    key, title = ENTITIES[entity]
    read = aliases.tables(session, listener_id, credits_all=entity == "artists", source=source)
    rows = f"""
        select {key} as key, artist_key, {title} as title, artist, plays
        from {read["plays"]}
        where {key} <> '{rollups.NO_RELEASE}'
        """  # noqa: S608
    if span.start is None and span.end is None:
        rows += PLAYCOUNTS.get(entity, "").format(**read)
    if entity == "releases" and read["plays"] != source:
        return ONE_RELEASE.format(rows=rows, artists=aliases.seen("artists", by_everyone=listener_id is None))
    return rows


# A page is found by numbers alone, with all that have as many plays as its first and its last; only those are named.
PAGE = """
    bounds as (
        select (select plays from counted order by plays desc limit 1 offset :offset) as most,
               coalesce((select plays from counted order by plays desc limit 1 offset :last), 0) as least
    ), ranks as (
        select plays, sum(count(*)) over (order by plays desc) - count(*) + 1 as rank from counted group by plays
    ), ranks_before as (
        select plays, sum(count(*)) over (order by plays desc) - count(*) + 1 as rank from earlier group by plays
    ), totals as (
        select (select count(*) from counted) as total, (select count(*) from earlier) as total_before
    )
    select counted.key, counted.plays, ranks.rank::bigint, coalesce(earlier.plays, 0) as plays_before,
           ranks_before.rank::bigint as rank_before, total, total_before,
           (select count(*) from counted where plays > (select most from bounds)) as above
    from totals
    left join counted
           on counted.plays <= (select most from bounds) and counted.plays >= (select least from bounds)
    left join ranks on ranks.plays = counted.plays
    left join earlier on earlier.key = counted.key
    left join ranks_before on ranks_before.plays = earlier.plays
"""
NO_EARLIER = Counted("earlier (key, plays) as (select null::uuid, null::bigint where false)", {})
MOST_NAMED = 2000  # more keys than these are not looked up: all are read


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
    page = ranked(session, listener_id, entity, Span(start, end), None, limit, offset)
    items = [TopItem(each.key, each.title, each.artist, each.artist_key, each.plays) for each in page.items]
    return Top(items, page.total, start, end)


def ranked(
    session: Session, listener_id: UUID | None, entity: Entity, span: Span, before: Span | None, limit: int, offset: int
) -> RankedPage:
    """Return the most played with their ranks, in a span and in the one before."""
    now = counted(session, listener_id, entity, span, "counted")
    then = counted(session, listener_id, entity, before, "earlier") if before else NO_EARLIER
    found = session.execute(
        text(f"with {now.statement}, {then.statement}, {PAGE}"),
        {**now.values, **then.values, "offset": offset, "last": offset + limit - 1},
    ).all()
    rows = {row.key: row for row in found if row.key is not None}
    # of one listener the totals have all names, and an index by key; those of everybody have none
    names_in = Span() if listener_id else span
    names = {name.key: name for name in _named(session, listener_id, entity, names_in, list(rows))}
    items = [
        Ranked(key, names[key].title, names[key].artist, names[key].artist_key, *row[1:5])
        for key, row in rows.items()
        if key in names
    ]
    items.sort(key=lambda item: (-item.plays, item.title, item.key))
    skipped = offset - found[0].above
    return RankedPage(items[skipped : skipped + limit], found[0].total, found[0].total_before)


def _named(
    session: Session, listener_id: UUID | None, entity: Entity, span: Span, keys: Sequence[UUID]
) -> Sequence[Any]:
    """Return what items are called that were played in a span."""
    if not keys:
        return []
    played = plays.of(session, listener_id, span.start, span.end)
    rows = _rows(session, listener_id, entity, span, "plays")
    asked = "where key = any(:keys)" if len(keys) <= MOST_NAMED else ""
    return session.execute(
        text(
            f"""
            with {played.statement}
            select key, max(title) as title, max(artist) as artist, (array_agg(artist_key))[1] as artist_key
            from ({rows}) each
            {asked}
            group by key
            """  # noqa: S608
        ),
        {**played.values, "keys": list(keys)},
    ).all()


def listed(session: Session, listener_id: UUID, entity: Entity, span: Span) -> Sequence[Any]:
    """Return all items of an entity with their names, the most played first."""
    played = plays.of(session, listener_id, span.start, span.end)
    rows = _rows(session, listener_id, entity, span, "plays")
    return session.execute(
        text(
            f"""
            with {played.statement}
            select key, max(title) as title, max(artist) as artist, sum(plays)::bigint as plays
            from ({rows}) each
            group by key
            having sum(plays) > 0
            order by plays desc, title, key
            """  # noqa: S608
        ),
        played.values,
    ).all()
