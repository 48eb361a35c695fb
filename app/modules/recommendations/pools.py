"""Items by what the tables say of them: by artists, forgotten, of some tag; with what the listener played of them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind
from app.contracts.recommendations import Because
from app.modules.recommendations import reading
from app.modules.recommendations.reading import Names


class Heard(NamedTuple):
    """What a listener played of an item."""

    names: Names
    plays: int
    last_at: datetime | None


BY_ARTISTS = """
    select key, title, artist, artist_key, listeners
    from (
        select i.*, row_number() over (partition by artist_key order by listeners desc, key) as place
        from item i
        where i.kind = 'recordings' and i.artist_key = any(:keys)
    ) ranked
    where place <= :each
"""
HEARD = """
    select i.key, i.title, i.artist, i.artist_key, i.listeners, p.plays + p.playcount as plays, p.last_at
    from profile_item p
    join item i on i.kind = p.kind and i.key = p.key
    where p.listener_id = :viewer and p.kind = :kind and p.value >= 0 and p.plays + p.playcount > 0
"""


def by_artists(session: Session, viewer: UUID, keys: Collection[UUID], each: int) -> dict[UUID, Names]:
    """Return recordings of artists, the `each` best known of each, by the keys they were played under."""
    rows = session.execute(text(BY_ARTISTS), {"keys": list(keys), "each": each}).all()
    return reading.named(session, viewer, "recordings", rows)


def most_played(session: Session, viewer: UUID, kind: Kind, limit: int) -> dict[UUID, Heard]:
    """Return what a listener played most, by the keys it was played under."""
    rows = session.execute(
        text(HEARD + " order by plays desc, p.last_at desc nulls last, i.key limit :limit"),
        {"viewer": viewer, "kind": kind, "limit": limit},
    ).all()
    return _heard(session, viewer, kind, rows)


def least_played(session: Session, viewer: UUID, kind: Kind, most: int, limit: int) -> dict[UUID, Heard]:
    """Return what a listener played at most so often, the latest first."""
    rows = session.execute(
        text(
            HEARD
            + " and p.plays + p.playcount <= :most order by p.last_at desc nulls last, plays desc, i.key limit :limit"
        ),
        {"viewer": viewer, "kind": kind, "most": most, "limit": limit},
    ).all()
    return _heard(session, viewer, kind, rows)


def forgotten(session: Session, viewer: UUID, before: datetime, least: int, limit: int) -> dict[UUID, Heard]:
    """Return recordings that a listener played at least so often, and none of it since."""
    rows = session.execute(
        text(
            HEARD
            + " and p.plays + p.playcount >= :least and p.last_at < :before order by plays desc, i.key limit :limit"
        ),
        {"viewer": viewer, "kind": "recordings", "before": before, "least": least, "limit": limit},
    ).all()
    return _heard(session, viewer, "recordings", rows)


def span(session: Session, viewer: UUID) -> tuple[datetime, datetime] | None:
    """Return the middle and the last of the times at which a listener played their recordings last."""
    row = session.execute(
        text(
            """
            select percentile_disc(0.5) within group (order by last_at) as middle, max(last_at) as last
            from profile_item
            where listener_id = :viewer and kind = 'recordings' and last_at is not null
            """
        ),
        {"viewer": viewer},
    ).one()
    return None if row.last is None else (row.middle, row.last)


def heard_of(session: Session, viewer: UUID, kind: Kind, keys: Collection[UUID]) -> dict[UUID, tuple[int, Any]]:
    """Return how often and when last a listener played some items."""
    rows = session.execute(
        text(
            """
            select key, plays + playcount as plays, last_at
            from profile_item
            where listener_id = :viewer and kind = :kind and key = any(:keys) and plays + playcount > 0
            """
        ),
        {"viewer": viewer, "kind": kind, "keys": list(keys)},
    )
    return {row.key: (row.plays, row.last_at) for row in rows}


def plays_by_artist(
    session: Session, viewer: UUID, artists: Collection[UUID], shown: int = 3
) -> dict[UUID, tuple[list[Because], float, int]]:
    """Return by artist what a listener played of them most, the share of the rest, and how often in all."""
    rows = session.execute(
        text(HEARD + " and i.artist_key = any(:artists) order by plays desc, i.key"),
        {"viewer": viewer, "kind": "recordings", "artists": list(artists)},
    ).all()
    named = reading.named(session, viewer, "recordings", rows)
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row.artist_key, []).append(row)
    answer = {}
    for artist, own in found.items():
        total = sum(row.plays for row in own)
        first = [_because(named[row.key], row.plays, total) for row in own[:shown]]
        answer[artist] = (first, max(0.0, 1.0 - sum(each.share for each in first)), int(total))
    return answer


def _because(names: Names, plays: int, total: int) -> Because:
    return Because(names.key, names.title, names.artist, plays / total, plays)


def _heard(session: Session, viewer: UUID, kind: Kind, rows: Sequence[Row[Any]]) -> dict[UUID, Heard]:
    named = reading.named(session, viewer, kind, rows)
    return {row.key: Heard(named[row.key], row.plays, row.last_at) for row in rows if row.key in named}
