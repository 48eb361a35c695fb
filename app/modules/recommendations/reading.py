"""What an answer needs of the tables: a profile, names, what is popular, and which model serves."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.listens import Kind

# Beyond this many items a profile's strongest ones decide; the rest still counts as known.
MOST_WEIGHED = 1000


@dataclass(frozen=True)
class Profile:
    """`weighed` are the items that speak, strongest first: key, plays, whether loved. `hidden` are never shown."""

    weighed: list[tuple[UUID, int, bool]]
    known: set[UUID]
    hidden: set[UUID]


@dataclass(frozen=True)
class Names:
    title: str
    artist: str
    artist_key: UUID
    listeners: int


def profile(session: Session, listener_id: UUID, kind: Kind) -> Profile:
    """Return a listener's profile of a kind.

    A hidden artist hides and silences their recordings, a loved one lets those that were played speak louder.
    """
    rows = session.execute(
        text(
            """
            select key, plays + playcount as plays, value
            from profile_item
            where listener_id = :id and kind = :kind
            order by value desc, plays + playcount desc, last_at desc nulls last, key
            """
        ),
        {"id": listener_id, "kind": kind},
    ).all()
    hidden = {row.key for row in rows if row.value < 0}
    loved = {row.key for row in rows if row.value > 0}
    if kind == "recordings":
        for key, value in _by_opinion_of_artist(session, listener_id):
            (loved if value > 0 else hidden).add(key)
    weighed = [(row.key, row.plays, row.key in loved) for row in rows if row.key not in hidden]
    return Profile(weighed[:MOST_WEIGHED], {row.key for row in rows}, hidden)


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


def names(session: Session, kind: Kind, keys: Collection[UUID]) -> dict[UUID, Names]:
    """Return what items are called; those that nobody here plays have no name."""
    rows = session.execute(
        text(
            """
            select key, title, artist, artist_key, listeners
            from item
            where kind = :kind and key = any(:keys)
            """
        ),
        {"kind": kind, "keys": list(keys)},
    )
    return {row.key: Names(row.title, row.artist, row.artist_key, row.listeners) for row in rows}


def popular(session: Session, kind: Kind, excluded: Collection[UUID], limit: int) -> list[tuple[UUID, Names]]:
    """Return what most listeners here played, without `excluded`."""
    rows = session.execute(
        text(
            """
            select key, title, artist, artist_key, listeners
            from item
            where kind = :kind and listeners > 0 and not (key = any(:excluded))
            order by listeners desc, key
            limit :limit
            """
        ),
        {"kind": kind, "excluded": list(excluded), "limit": limit},
    )
    return [(row.key, Names(row.title, row.artist, row.artist_key, row.listeners)) for row in rows]


def champions(session: Session) -> dict[str, tuple[str, UUID]]:
    """Return by kind the hash and id of the model that serves."""
    rows = session.execute(text("select kind, sha256, model_id from champion")).all()
    return {row.kind: (row.sha256, row.model_id) for row in rows}


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
