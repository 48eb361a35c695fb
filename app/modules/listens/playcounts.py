"""Totals without timestamps: a library's play counts, public data sets."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.identity import EmptyName, artist_key, identify
from app.contracts.listens import NewPlaycount, PlaycountSet, Rejection
from app.kernel import feed
from app.modules.listens.validation import Rejected, check_text

UPSERT = text(
    """
    with changed as (
        insert into playcount (listener_id, kind, item_key, source, artist_key, artist, title, plays)
        select listener_id, kind, item_key, :source, artist_key, artist, title, plays
        from jsonb_to_recordset(cast(:rows as jsonb)) as r (
                 listener_id uuid, kind text, item_key uuid, artist_key uuid, artist text, title text, plays bigint)
        on conflict (listener_id, kind, item_key, source) do update set plays = excluded.plays
        where playcount.plays <> excluded.plays
        returning *
    )
    select c.listener_id, c.kind, c.item_key, c.artist_key, c.artist, c.title,
           (c.plays + coalesce(sum(o.plays), 0))::bigint as plays
    from changed c
    left join playcount o
           on o.listener_id = c.listener_id and o.kind = c.kind and o.item_key = c.item_key and o.source <> c.source
    group by c.listener_id, c.kind, c.item_key, c.artist_key, c.artist, c.title, c.plays
    """
)
DROP = text(
    """
    with gone as (
        delete from playcount where listener_id = :listener and source = :source
        returning listener_id, kind, item_key, artist_key, artist, title
    )
    select g.listener_id, g.kind, g.item_key, g.artist_key, g.artist, g.title,
           coalesce(sum(o.plays), 0)::bigint as plays
    from gone g
    left join playcount o on o.listener_id = g.listener_id and o.kind = g.kind and o.item_key = g.item_key
                          and o.source <> :source
    group by g.listener_id, g.kind, g.item_key, g.artist_key, g.artist, g.title
    """
)


def checked(playcounts: Sequence[NewPlaycount]) -> tuple[list[tuple[int, dict[str, Any]]], list[Rejection]]:
    """Return the rows of totals that can be stored, by index, and which can't."""
    valid, rejected = [], []
    for index, each in enumerate(playcounts):
        try:
            valid.append((index, _row(each)))
        except Rejected as error:
            rejected.append(Rejection(index, str(error)))
    return valid, rejected


def put(session: Session, rows: Sequence[dict[str, Any]], source: str) -> tuple[int, int]:
    """Store totals and tell followers; return how many changed and how many stood already.

    Two rows that fall on one item add up.
    """
    totals: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        total = totals.setdefault((row["listener_id"], row["kind"], row["item_key"]), {**row, "plays": 0})
        total["plays"] += row["plays"]
    if not totals:
        return 0, 0
    given = msgspec.json.encode(list(totals.values())).decode()
    changed = session.execute(UPSERT, {"rows": given, "source": source})
    told = _tell(session, changed)
    return told, len(totals) - told


def drop(session: Session, listener_id: UUID, source: str) -> None:
    """Delete what a source told of a listener, and tell followers what is left."""
    _tell(session, session.execute(DROP, {"listener": listener_id, "source": source}))


def _tell(session: Session, changed: Iterable[Row[Any]]) -> int:
    """Tell followers of totals as they now stand; return how many."""
    events = [
        PlaycountSet(
            row.listener_id,
            row.artist_key,
            row.item_key if row.kind == "recordings" else None,
            row.artist,
            row.title,
            row.plays,
        )
        for row in changed
    ]
    feed.append(session, events)
    return len(events)


def _row(each: NewPlaycount) -> dict[str, Any]:
    check_text("artist", each.artist)
    check_text("title", each.title)
    try:
        if each.title is None:
            kind, key, artist = "artists", artist_key(each.artist), artist_key(each.artist)
        else:
            identity = identify(each.artist, each.title)
            kind, key, artist = "recordings", identity.recording_key, identity.artist_key
    except EmptyName:
        raise Rejected("artist or title is empty") from None
    return {
        "listener_id": each.listener_id,
        "kind": kind,
        "item_key": key,
        "artist_key": artist,
        "artist": each.artist.strip(),
        "title": each.title.strip() if each.title is not None else None,
        "plays": each.plays,
    }


def read(session: Session, listener_id: UUID) -> list[dict[str, Any]]:
    """Return a listener's totals, for the export."""
    rows = session.execute(
        text("select artist, title, source, plays from playcount where listener_id = :id order by plays desc"),
        {"id": listener_id},
    )
    return [dict(row._mapping) for row in rows]
