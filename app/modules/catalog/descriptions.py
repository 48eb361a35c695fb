"""What items are like: how recordings sound, and telling of that and of tags to those who follow."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import AUDIO_FEATURES, AUDIO_GREATEST, Described, Description, Sound
from app.contracts.identity import EmptyName, identify
from app.contracts.listens import Kind
from app.kernel import feed
from app.kernel.contract import InvalidRequest
from app.modules.catalog.names import Names

AN_EVENT = 200  # descriptions


def add_sounds(session: Session, sounds: Sequence[Sound]) -> int:
    """Name recordings and store how they sound; return how many were new or changed. Empty names are passed over.

    Raises InvalidRequest where `audio` is neither empty nor complete.
    """
    found, rows = Names(), dict[UUID, dict[str, Any]]()
    for sound in sounds:
        _check(sound)
        try:
            identity = identify(sound.artist, sound.title)
        except EmptyName:
            continue
        found.recording(identity.recording_key, identity.artist_key, sound.artist, sound.title, None, 0)
        key = identity.recording_key
        rows[key] = {"key": key, "energy": sound.energy, "audio": sound.audio or None}
    found.store(session)
    found.correct(session)
    changed = session.execute(
        text(
            """
            insert into sound (recording_key, energy, audio)
            select key, energy, audio
            from jsonb_to_recordset(cast(:rows as jsonb)) as r (key uuid, energy real, audio real[])
            on conflict (recording_key) do update
                set energy = excluded.energy, audio = coalesce(excluded.audio, sound.audio)
                where (sound.energy, sound.audio)
                    is distinct from (excluded.energy, coalesce(excluded.audio, sound.audio))
            returning recording_key
            """
        ),
        {"rows": msgspec.json.encode([rows[key] for key in sorted(rows)]).decode()},
    ).scalars()
    keys = list(changed)
    tell(session, "recordings", keys)
    return len(keys)


def _check(sound: Sound) -> None:
    is_whole = len(sound.audio) == len(AUDIO_FEATURES) and all(abs(value) <= AUDIO_GREATEST for value in sound.audio)
    if sound.audio and not is_whole:
        raise InvalidRequest(
            f"audio of a recording: none, or {len(AUDIO_FEATURES)} numbers: {', '.join(AUDIO_FEATURES)}"
        )


def tell(session: Session, kind: Kind, keys: Sequence[UUID]) -> None:
    """Append to the feed what is known of items now."""
    if not keys:
        return
    rows = session.execute(
        text(
            """
            select asked.key, s.energy, s.audio, r.title, r.artist, r.artist_key,
                   coalesce((select array_agg(t.tag order by t.tag) from tag t where t.key = asked.key), '{}') as tags
            from unnest(cast(:keys as uuid[])) as asked (key)
            left join sound s on s.recording_key = asked.key
            left join recording r on r.recording_key = asked.key
            order by asked.key
            """
        ),
        {"keys": list(keys)},
    ).all()
    told = [
        Description(kind, row.key, row.tags, row.energy, row.audio or [], row.title, row.artist, row.artist_key)
        for row in rows
    ]
    feed.append(session, [Described(told[start : start + AN_EVENT]) for start in range(0, len(told), AN_EVENT)])
