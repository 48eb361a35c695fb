"""What items are like: how loud recordings are, and telling of that and of tags to those who follow."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import Described, Description, Sound
from app.contracts.identity import EmptyName, identify
from app.contracts.listens import Kind
from app.kernel import feed
from app.modules.catalog.names import Names

AN_EVENT = 200  # descriptions


def add_sounds(session: Session, sounds: Sequence[Sound]) -> int:
    """Name recordings and store how loud they are; return how many were new or changed. Empty names are passed over."""
    found, energies = Names(), dict[UUID, float]()
    for sound in sounds:
        try:
            identity = identify(sound.artist, sound.title)
        except EmptyName:
            continue
        found.recording(identity.recording_key, identity.artist_key, sound.artist, sound.title, None, 0)
        energies[identity.recording_key] = sound.energy
    found.store(session)
    found.correct(session)
    rows = [{"key": key, "energy": energies[key]} for key in sorted(energies)]
    changed = session.execute(
        text(
            """
            insert into sound (recording_key, energy)
            select key, energy from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, energy real)
            on conflict (recording_key) do update set energy = excluded.energy
                where sound.energy is distinct from excluded.energy
            returning recording_key
            """
        ),
        {"rows": msgspec.json.encode(rows).decode()},
    ).scalars()
    keys = list(changed)
    tell(session, "recordings", keys)
    return len(keys)


def tell(session: Session, kind: Kind, keys: Sequence[UUID]) -> None:
    """Append to the feed what is known of items now."""
    if not keys:
        return
    rows = session.execute(
        text(
            """
            select asked.key, s.energy,
                   coalesce((select array_agg(t.tag order by t.tag) from tag t where t.key = asked.key), '{}') as tags
            from unnest(cast(:keys as uuid[])) as asked (key)
            left join sound s on s.recording_key = asked.key
            order by asked.key
            """
        ),
        {"keys": list(keys)},
    ).all()
    told = [Description(kind, row.key, row.tags, row.energy) for row in rows]
    feed.append(session, [Described(told[start : start + AN_EVENT]) for start in range(0, len(told), AN_EVENT)])
