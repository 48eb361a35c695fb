"""What an answer needs of the tables: a profile, names, what is popular, and which model serves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.experiments import Trial
from app.contracts.listens import Kind
from app.modules.recommendations import aliases

# Beyond this many items a profile's strongest ones decide; the rest still counts as known.
MOST_WEIGHED = 1000


class Weighed(NamedTuple):
    """An item that speaks; `keys` are those it was played under, most often first."""

    key: UUID
    plays: int
    is_loved: bool
    keys: list[UUID]


@dataclass(frozen=True)
class Profile:
    """`weighed` are the items that speak, strongest first. `hidden` are never shown.

    In `known` and `hidden` are the keys under which items were played as well as those they are shown under.
    """

    weighed: list[Weighed]
    known: set[UUID]
    hidden: set[UUID]


@dataclass(frozen=True)
class Names:
    """What an item is called to somebody, and the key that it is shown under to them."""

    key: UUID
    title: str
    artist: str
    artist_key: UUID
    listeners: int


PROFILE = """
    select key, plays + playcount as plays, value, cast(null as uuid[]) as keys
    from profile_item
    where listener_id = :viewer and kind = :kind
    order by value desc, plays + playcount desc, last_at desc nulls last, key
"""

# The same through corrections; `keys` are those that an item was played under, where it is not its own alone. What was
# said of an item itself counts, or else hiding before loving.
SEEN: dict[Kind, str] = {
    "recordings": f"""
        select coalesce(a.to_key, p.key) as key, sum(p.plays + p.playcount)::bigint as plays,
               coalesce(max(p.value) filter (where p.key = coalesce(a.to_key, p.key) and p.value <> 0),
                        min(p.value) filter (where p.value <> 0), 0) as value,
               case when bool_or(a.to_key is not null)
                    then array_agg(p.key order by p.plays + p.playcount desc, p.key)
               end as keys
        from profile_item p
        left join {aliases.seen("recordings")} a on a.from_key = p.key
        where p.listener_id = :viewer and p.kind = :kind
        group by coalesce(a.to_key, p.key)
        order by value desc, plays desc, max(p.last_at) desc nulls last, key
    """,  # noqa: S608
    # A recording that is by another artist than its listens say takes its plays along.
    "artists": f"""
        with moved as (
            select i.artist_key as was, r.artist_key as now, p.plays + p.playcount as plays, p.last_at
            from profile_item p
            join {aliases.seen("recordings")} r on r.from_key = p.key and r.artist_key is not null
            join item i on i.kind = 'recordings' and i.key = p.key
            where p.listener_id = :viewer and p.kind = 'recordings'
        ), counted as (
            select key, plays + playcount as plays, value, last_at
            from profile_item
            where listener_id = :viewer and kind = :kind
            union all
            select was, -plays, 0, null from moved
            union all
            select now, plays, 0, last_at from moved
        ), shown as (
            select coalesce(a.to_key, c.key) as key, c.key as source, c.plays, c.last_at,
                   case when coalesce(a.place, 0) = 0 then c.value else 0 end as value
            from counted c
            left join {aliases.seen("artists")} a on a.from_key = c.key
        )
        select key, sum(plays)::bigint as plays,
               coalesce(max(value) filter (where source = key and value <> 0),
                        min(value) filter (where value <> 0), 0) as value,
               case when bool_or(source <> key) then array_agg(source order by plays desc, source) end as keys
        from shown
        group by key
        having sum(plays) > 0 or bool_or(value <> 0)
        order by value desc, plays desc, max(last_at) desc nulls last, key
    """,  # noqa: S608
}


def profile(session: Session, listener_id: UUID, kind: Kind) -> Profile:
    """Return a listener's profile of a kind, as corrections show it.

    A hidden artist hides and silences their recordings, a loved one lets those that were played speak louder.
    """
    is_corrected = aliases.exist(session, listener_id)
    rows = session.execute(text(SEEN[kind] if is_corrected else PROFILE), {"viewer": listener_id, "kind": kind}).all()
    hidden = {key for row in rows if row.value < 0 for key in (row.key, *(row.keys or ()))}
    loved = {row.key for row in rows if row.value > 0}
    if kind == "recordings":
        by_artist = _seen_by_opinion if is_corrected else _by_opinion_of_artist
        for key, value in by_artist(session, listener_id):
            (loved if value > 0 else hidden).add(key)
    weighed = [
        Weighed(row.key, row.plays, row.key in loved, row.keys or [row.key]) for row in rows if row.key not in hidden
    ]
    known = {row.key for row in rows}.union(*(row.keys for row in rows if row.keys))
    return Profile(weighed[:MOST_WEIGHED], known, hidden)


def _by_opinion_of_artist(session: Session, listener_id: UUID) -> list[tuple[UUID, int]]:
    """Return the recordings of artists that the listener loves or hid, with which of both."""
    rows = session.execute(
        text(
            """
            select i.key, p.value
            from profile_item p
            join item i on i.kind = 'recordings' and i.artist_key = p.key
            where p.listener_id = :id and p.kind = 'artists' and p.value <> 0
            """
        ),
        {"id": listener_id},
    )
    return [(row.key, row.value) for row in rows]


def _seen_by_opinion(session: Session, listener_id: UUID) -> list[tuple[UUID, int]]:
    """Return the same as corrections show it: the keys of recordings as played, and as shown."""
    said = session.execute(text(SEEN["artists"]), {"viewer": listener_id, "kind": "artists"})
    opinions = {row.key: row.value for row in said if row.value}
    if not opinions:
        return []
    keys = [*opinions, *aliases.sources(session, listener_id, "artists", opinions)]
    rows = session.execute(
        text(
            f"""
            select i.key, coalesce(r.to_key, i.key) as shown, coalesce(a.to_key, r.artist_key, i.artist_key) as artist
            from item i
            left join {aliases.seen("recordings")} r on r.from_key = i.key
            left join {aliases.seen("artists")} a on a.place = 0 and a.from_key = coalesce(r.artist_key, i.artist_key)
            where i.kind = 'recordings'
              and (i.artist_key = any(:keys)
                   or i.key in (select from_key from alias where kind = 'recordings' and artist_key = any(:keys)))
            """  # noqa: S608
        ),
        {"viewer": listener_id, "keys": keys},
    )
    return [(key, opinions[row.artist]) for row in rows if row.artist in opinions for key in (row.key, row.shown)]


NAMES = """
    select key, title, artist, artist_key, listeners
    from item
    where kind = :kind and key = any(:keys)
"""
POPULAR = """
    select key, title, artist, artist_key, listeners
    from item
    where kind = :kind and listeners > 0 and not (key = any(:excluded))
    order by listeners desc, key
    limit :limit
"""


def names(session: Session, viewer: UUID | None, kind: Kind, keys: Collection[UUID]) -> dict[UUID, Names]:
    """Return what items are called to somebody, by the keys asked; those that nobody here plays have no name."""
    rows = session.execute(text(NAMES), {"kind": kind, "keys": list(keys)}).all()
    return named(session, viewer, kind, rows)


def popular(
    session: Session, viewer: UUID | None, kind: Kind, excluded: Collection[UUID], limit: int
) -> list[tuple[UUID, Names]]:
    """Return what most listeners here played, without `excluded`, each item once.

    Of one that goes by several names, the name that most know it by says how many that are.
    """
    rows = session.execute(text(POPULAR), {"kind": kind, "excluded": list(excluded), "limit": limit}).all()
    found: dict[UUID, Names] = {}
    for each in named(session, viewer, kind, rows).values():
        if each.key not in excluded:
            found.setdefault(each.key, each)
    return list(found.items())


def named(session: Session, viewer: UUID | None, kind: Kind, rows: Sequence[Row[Any]]) -> dict[UUID, Names]:
    """Return names by the keys of rows, in their order, as corrections show them."""
    whose = viewer or aliases.EVERYONE
    if not rows or not aliases.exist(session, whose):
        return {row.key: Names(row.key, row.title, row.artist, row.artist_key, row.listeners) for row in rows}
    own = aliases.of_keys(session, whose, "recordings", [row.key for row in rows]) if kind == "recordings" else {}
    by = {row.key: _raw_artist(row, own.get(row.key)) for row in rows}
    artists = aliases.of_keys(session, whose, "artists", {key for key, _ in by.values()})
    found = {}
    for row in rows:
        alias, (artist_key, artist) = own.get(row.key), by[row.key]
        if artist_key in artists:
            artist_key, artist = artists[artist_key].to_key, artists[artist_key].name
        key, title = (alias.to_key, alias.name) if alias else (row.key, row.title)
        if kind == "artists":
            key, title = artist_key, artist
        found[row.key] = Names(key, title, artist, artist_key, row.listeners)
    return found


def _raw_artist(row: Any, alias: Any) -> tuple[UUID, str]:
    return (alias.artist_key, alias.artist) if alias and alias.artist_key else (row.artist_key, row.artist)


class Champion(NamedTuple):
    """What serves a kind, what did before, and what is tried beside it."""

    model_id: UUID
    sha256: str
    previous_sha256: str | None
    trial: Trial | None


def champions(session: Session) -> dict[str, Champion]:
    """Return by kind what serves it."""
    rows = session.execute(text("select kind, model_id, sha256, previous_sha256, trial from champion")).all()
    return {
        row.kind: Champion(
            row.model_id, row.sha256, row.previous_sha256, msgspec.convert(row.trial, Trial) if row.trial else None
        )
        for row in rows
    }


def export(session: Session, listener_id: UUID) -> dict[str, Any]:
    """Return all that is kept of a person."""
    rows = session.execute(
        text(
            """
            select p.kind, p.key, i.title, i.artist, p.plays, p.playcount, p.value, p.last_at
            from profile_item p
            left join item i on i.kind = p.kind and i.key = p.key
            where p.listener_id = :id
            order by p.kind, p.key
            """
        ),
        {"id": listener_id},
    ).mappings()
    exported: dict[str, Any] = msgspec.to_builtins({"profile": [dict(row) for row in rows]})
    return exported
