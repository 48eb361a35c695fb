"""Tags, sound and names of items, as the feed of the catalog tells."""

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import CatalogEvent, Described, Description
from app.contracts.listens import Kind
from app.modules.recommendations import stamps


def apply(session: Session, events: Sequence[CatalogEvent]) -> None:
    """Take in a page of the feed of the catalog; the last word on an item holds."""
    found: dict[tuple[Kind, UUID], Description] = {}
    for event in events:
        if isinstance(event, Described):
            found |= {(each.kind, each.key): each for each in event.descriptions}
    if not found:
        return
    stamps.touch(session, [stamps.EVERYONE])
    session.execute(
        text(
            """
            insert into description (kind, key, tags, energy, audio, title, artist, artist_key)
            select kind, key, tags, energy, nullif(audio, '{}'), title, artist, artist_key
            from jsonb_to_recordset(cast(:rows as jsonb)) as r (
                     kind text, key uuid, tags text[], energy real, audio real[],
                     title text, artist text, artist_key uuid)
            on conflict (kind, key) do update
            set tags = excluded.tags, energy = excluded.energy, audio = excluded.audio,
                title = excluded.title, artist = excluded.artist, artist_key = excluded.artist_key
            """
        ),
        {"rows": msgspec.json.encode(list(found.values())).decode()},
    )


def reset(session: Session) -> None:
    """Forget what the feed told."""
    session.execute(text("delete from description"))


ENERGIES: dict[Kind, str] = {
    "recordings": "select key, energy from description "
    "where kind = 'recordings' and energy is not null and key = any(:keys)",
    "artists": """
        select i.artist_key as key, avg(d.energy) as energy
        from item i
        join description d on d.kind = 'recordings' and d.key = i.key and d.energy is not null
        where i.kind = 'recordings' and i.artist_key = any(:keys)
        group by i.artist_key
    """,
}

# A tag of an artist is one of what they play.
TAGGED: dict[Kind, str] = {
    "artists": "select key from description where kind = 'artists' and tags @> array[cast(:tag as text)]",
    "recordings": """
        select key from description where kind = 'recordings' and tags @> array[cast(:tag as text)]
        union
        select i.key
        from description d
        join item i on i.kind = 'recordings' and i.artist_key = d.key
        where d.kind = 'artists' and d.tags @> array[cast(:tag as text)]
    """,
}


def energies(session: Session, kind: Kind, keys: Collection[UUID]) -> dict[UUID, float]:
    """Return how loud items are, 0 to 1, of those of which it is known; an artist is as loud as the mean of theirs."""
    rows = session.execute(text(ENERGIES[kind]), {"keys": list(keys)})
    return {row.key: float(row.energy) for row in rows}


def tagged(session: Session, kind: Kind, tag: str) -> set[UUID]:
    """Return the items that have a tag."""
    return set(session.execute(text(TAGGED[kind]), {"tag": tag}).scalars())


def has_energies(session: Session) -> bool:
    """Say whether of anything here it is known how loud it is."""
    found = session.execute(text("select exists (select from description where energy is not null)"))
    return bool(found.scalar_one())


def tags_of_listener(session: Session, listener_id: UUID, limit: int) -> list[str]:
    """Return the tags of what a listener plays most."""
    rows = session.execute(
        text(
            """
            select tag
            from profile_item p
            join description d on d.kind = p.kind and d.key = p.key
            cross join lateral unnest(d.tags) as tag
            where p.listener_id = :id and p.kind = 'artists' and p.value >= 0
            group by tag
            order by sum(ln(1 + p.plays + p.playcount)) desc, tag
            limit :limit
            """
        ),
        {"id": listener_id, "limit": limit},
    )
    return list(rows.scalars())
