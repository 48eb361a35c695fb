"""What things are called without corrections, those included that only corrections speak of."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.modules.catalog.resolving import RecordingFacts, bare


def artists(session: Session, keys: Collection[UUID]) -> dict[UUID, str]:
    """Return names; what is known only by another correction is known too."""
    rows = session.execute(
        text(
            """
            select artist_key as key, name
            from artist
            where artist_key = any(:keys)
            union all
            select cast(known.key as uuid), known.value
            from correction, jsonb_each_text(facts->'artists') as known
            where keys && cast(:keys as uuid[]) and cast(known.key as uuid) = any(:keys)
            """
        ),
        {"keys": list(keys)},
    )
    names: dict[UUID, str] = {}
    for row in rows:
        names.setdefault(row.key, bare(row.name))
    return names


def recordings(session: Session, keys: Collection[UUID]) -> dict[UUID, RecordingFacts]:
    """Return titles and artists; nobody need have played what others are shown as."""
    rows = session.execute(
        text(
            """
            select recording_key as key, title, artist, artist_key
            from recording
            where recording_key = any(:keys)
            union all
            select a.to_key, r.title, coalesce(named.name, by.name, a.artist, r.artist),
                   coalesce(by.to_key, a.artist_key, r.artist_key)
            from alias a
            join recording r on r.recording_key = a.from_key
            left join alias by on by.scope = a.scope and by.kind = 'artists' and by.place = 0
                              and by.from_key = coalesce(a.artist_key, r.artist_key)
            left join artist named on named.artist_key = by.to_key
            where a.kind = 'recordings' and a.to_key = any(:keys) and a.from_key <> a.to_key
            """
        ),
        {"keys": list(keys)},
    )
    found: dict[UUID, RecordingFacts] = {}
    for row in rows:
        found.setdefault(row.key, RecordingFacts(row.title, row.artist, row.artist_key))
    return found
