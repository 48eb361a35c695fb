"""Listens as somebody sees them: through the corrections that the catalog tells of. The rows stay as they were sent.

A listener's own alias of a key is instead of everyone's. Where there is no alias at all, statements read the tables
themselves and cost what they did before.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import Alias, CatalogEvent, CorrectionsForgotten, Described
from app.contracts.listens import Kind, Listen, Sent

EVERYONE = UUID(int=0)


def apply(session: Session, events: Sequence[CatalogEvent]) -> None:
    """Take in a page of the feed of the catalog."""
    forgotten: set[UUID] = set()
    last: dict[tuple[UUID, Kind, UUID], list[Alias]] = {}
    for event in events:
        if isinstance(event, CorrectionsForgotten):
            forgotten.add(event.listener_id)
            last = {of: lines for of, lines in last.items() if of[0] != event.listener_id}
            continue
        if isinstance(event, Described):
            continue
        scope = event.listener_id or EVERYONE
        last.update({(scope, each.kind, each.key): [] for each in event.gone})
        last.update({(scope, each.kind, each.from_key): [] for each in event.aliases})
        for alias in event.aliases:
            last[scope, alias.kind, alias.from_key].append(alias)
    if forgotten:
        session.execute(text("delete from alias where scope = any(:scopes)"), {"scopes": list(forgotten)})
    stale = [{"scope": scope, "kind": kind, "key": key} for scope, kind, key in last]
    session.execute(
        text(
            """
            delete from alias a
            using jsonb_to_recordset(cast(:stale as jsonb)) as stale (scope uuid, kind text, key uuid)
            where a.scope = stale.scope and a.kind = stale.kind and a.from_key = stale.key
            """
        ),
        {"stale": msgspec.json.encode(stale).decode()},
    )
    rows = [{**structs.asdict(alias), "scope": of[0]} for of, lines in last.items() for alias in lines]
    session.execute(
        text("insert into alias select * from jsonb_populate_recordset(null::alias, cast(:rows as jsonb))"),
        {"rows": msgspec.json.encode(rows).decode()},
    )


def reset(session: Session) -> None:
    """Forget what the feed told."""
    session.execute(text("delete from alias"))


def seen(kind: Kind, *, by_everyone: bool = False) -> str:
    """Return the aliases of a kind that hold for `:listener`, or for everyone, as a table expression."""
    everyones = f"o.kind = '{kind}' and o.scope = '{EVERYONE}'"
    if by_everyone:
        return f"(select * from alias o where {everyones})"  # noqa: S608
    return f"""(
        select * from alias o where o.kind = '{kind}' and o.scope = :listener
        union all
        select * from alias o
        where {everyones}
          and not exists (
              select from alias m where m.scope = :listener and m.kind = o.kind and m.from_key = o.from_key)
    )"""  # noqa: S608


PLAIN = {"plays": "plays", "playcounts": "playcount"}
PLAYS = """(
    select l.listener_id, coalesce(r.to_key, l.recording_key) as recording_key,
           coalesce(a.to_key, r.artist_key, l.artist_key) as artist_key, l.release_key,
           coalesce(a.name, r.artist, l.artist) as artist, coalesce(r.name, l.title) as title, l.release,
           l.plays, l.first_at, l.last_at
    from {source} l
    left join {recordings} r on r.from_key = l.recording_key
    left join {artists} a on a.from_key = coalesce(r.artist_key, l.artist_key) {main}
) {source}"""

PLAYCOUNTS = """(
    select p.listener_id, p.kind, p.source, p.plays,
           case when p.kind = 'recordings' then coalesce(r.to_key, p.item_key) else coalesce(a.to_key, p.item_key) end
               as item_key,
           coalesce(a.to_key, r.artist_key, p.artist_key) as artist_key,
           coalesce(a.name, r.artist, p.artist) as artist, coalesce(r.name, p.title) as title
    from playcount p
    left join {recordings} r on p.kind = 'recordings' and r.from_key = p.item_key
    left join {artists} a on a.from_key = coalesce(r.artist_key, p.artist_key) {main}
) playcount"""


def tables(
    session: Session, listener_id: UUID | None, *, credits_all: bool = False, source: str = "plays"
) -> dict[str, str]:
    """Return what statements of a listener (None: of everybody) read as `{plays}` and `{playcounts}`.

    The plays are those of a common table expression, `source` (`app.modules.listens.plays`).

    With `credits_all` a play of several artists is there once for each of them, otherwise once.
    """
    if not exist(session, listener_id):
        return {**PLAIN, "plays": source}
    parts = {
        "source": source,
        "recordings": seen("recordings", by_everyone=listener_id is None),
        "artists": seen("artists", by_everyone=listener_id is None),
        "main": "" if credits_all else "and a.place = 0",
    }
    return {"plays": PLAYS.format(**parts), "playcounts": PLAYCOUNTS.format(**parts)}


def exist(session: Session, listener_id: UUID | None) -> bool:
    """Whether any correction concerns a listener; one look into an index."""
    return bool(
        session.execute(
            text("select exists (select from alias where scope = any(:scopes))"),
            {"scopes": [EVERYONE, *([listener_id] if listener_id else [])]},
        ).scalar_one()
    )


def of_keys(session: Session, listener_id: UUID, kind: Kind, keys: Collection[UUID]) -> dict[UUID, Any]:
    """Return the main aliases of some keys, as a listener sees them."""
    rows = session.execute(
        text(f"select * from {seen(kind)} a where a.place = 0 and a.from_key = any(:keys)"),  # noqa: S608
        {"listener": listener_id, "keys": list(keys)},
    )
    return {row.from_key: row for row in rows}


def sources(session: Session, listener_id: UUID, kind: Kind, key: UUID) -> list[UUID]:
    """Return all keys whose plays are plays of this one to a listener, itself included unless it is another now."""
    rows = session.execute(
        text(
            f"""
            select a.from_key, a.to_key = :key as is_it
            from {seen(kind)} a
            where a.to_key = :key or a.from_key = :key
            order by a.from_key, is_it desc
            """  # noqa: S608
        ),
        {"listener": listener_id, "key": key},
    ).all()
    found = {row.from_key for row in rows if row.is_it}
    return sorted(found if any(row.from_key == key for row in rows) else {key, *found})


def credited(session: Session, listener_id: UUID, artist_keys: list[UUID]) -> dict[str, list[UUID]]:
    """Return the keys of recordings that corrections give to artists, and of all that they gave to somebody."""
    rows = session.execute(
        text(f"select from_key, artist_key from {seen('recordings')} a where artist_key is not null"),  # noqa: S608
        {"listener": listener_id},
    ).all()
    return {
        "given": [row.from_key for row in rows if row.artist_key in artist_keys],
        "moved": [row.from_key for row in rows],
    }


def show(session: Session, listener_id: UUID, listens: list[Listen]) -> list[Listen]:
    """Return listens under the names and keys that they are shown as; `sent` says what they were sent as."""
    if not listens or not exist(session, listener_id):
        return listens
    recordings = of_keys(session, listener_id, "recordings", {each.recording_key for each in listens})
    raw = [_by(recordings.get(each.recording_key), each) for each in listens]
    artists = of_keys(session, listener_id, "artists", {key for key, _ in raw})
    return [
        _shown(each, recordings.get(each.recording_key), by, artists.get(by[0]))
        for each, by in zip(listens, raw, strict=True)
    ]


def _by(alias: Any, listen: Listen) -> tuple[UUID, str]:
    """Return the artist that a listen is by before corrections of artists."""
    return (alias.artist_key, alias.artist) if alias and alias.artist_key else (listen.artist_key, listen.artist)


def _shown(listen: Listen, recording: Any, by: tuple[UUID, str], artist: Any) -> Listen:
    artist_key, name = (artist.to_key, artist.name) if artist else by
    key, title = (recording.to_key, recording.name) if recording else (listen.recording_key, listen.title)
    if (key, artist_key, name, title) == (listen.recording_key, listen.artist_key, listen.artist, listen.title):
        return listen
    sent = Sent(listen.recording_key, listen.artist_key, listen.artist, listen.title)
    return structs.replace(listen, recording_key=key, artist_key=artist_key, artist=name, title=title, sent=sent)


def stored_key(session: Session, listener_id: UUID, listened_at: datetime, recording_key: UUID) -> UUID:
    """Return the key under which a listen is kept that is shown under another."""
    found = session.execute(
        text(
            f"""
            select l.recording_key
            from listen l
            left join {seen("recordings")} r on r.from_key = l.recording_key
            where l.listener_id = :listener and l.listened_at = :at
              and (l.recording_key = :key or r.to_key = :key)
            order by l.recording_key <> :key, l.duplicate_of is not null, l.recording_key
            limit 1
            """  # noqa: S608
        ),
        {"listener": listener_id, "at": listened_at, "key": recording_key},
    ).scalar()
    return found or recording_key


def named(session: Session, listener_id: UUID, pattern: str) -> dict[Kind, list[UUID]]:
    """Return the keys whose listens a search finds by the names that they are shown under."""
    kinds: tuple[Kind, ...] = ("recordings", "artists")
    if not exist(session, listener_id):
        return {kind: [] for kind in kinds}
    found = {}
    for kind in kinds:
        rows = session.execute(
            text(f"select from_key from {seen(kind)} a where a.name ilike :name or a.artist ilike :name"),  # noqa: S608
            {"listener": listener_id, "name": pattern},
        )
        found[kind] = list(rows.scalars())
    return found
