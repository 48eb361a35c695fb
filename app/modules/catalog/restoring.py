"""A person's corrections taken along: out with the names they go by, and in again where nobody knows these yet."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.catalog import (
    Act,
    AlreadyCorrected,
    CircularCorrection,
    InvalidCorrection,
    KeptCorrection,
    KeptRecording,
)
from app.contracts.identity import EmptyName, artist_key, recording_key
from app.modules.catalog import corrections
from app.modules.catalog.resolving import Facts, RecordingFacts, Stored


def kept(session: Session, listener_id: UUID) -> list[KeptCorrection]:
    """Return a person's corrections, oldest first."""
    rows = session.execute(
        text(
            """
            select act::text as act, facts::text as facts, created_at
            from correction
            where scope = :scope
            order by number
            """
        ),
        {"scope": listener_id},
    )
    found = []
    for row in rows:
        facts = msgspec.json.decode(row.facts, type=Facts)
        recordings = {key: KeptRecording(fact.artist, fact.title) for key, fact in facts.recordings.items()}
        found.append(KeptCorrection(msgspec.json.decode(row.act, type=Act), facts.artists, recordings, row.created_at))
    return found


def restore(session: Session, listener_id: UUID, given: Sequence[KeptCorrection]) -> list[bool]:
    """Keep corrections of a person; return for each whether it is new, and goes with those that hold."""
    corrections.begin(session, listener_id)
    return [_restore(session, listener_id, each) for each in given]


def _restore(session: Session, listener_id: UUID, given: KeptCorrection) -> bool:
    if _is_there(session, listener_id, given.act):
        return False
    try:
        corrections.check(given.act)
        stored = Stored(given.act, _facts(given))
        corrections.fit(session, listener_id, stored)
        corrections.keep(session, listener_id, stored, given.created_at)
    except (AlreadyCorrected, CircularCorrection, InvalidCorrection):
        return False
    return True


def _is_there(session: Session, listener_id: UUID, act: Act) -> bool:
    found = session.execute(
        text("select exists (select from correction where scope = :scope and act = cast(:act as jsonb))"),
        {"scope": listener_id, "act": msgspec.json.encode(act).decode()},
    )
    return bool(found.scalar_one())


def _facts(given: KeptCorrection) -> Facts:
    """Return the names that a correction goes by. A key is made of its name, so none is believed that is not its own.

    Raises InvalidCorrection.
    """
    try:
        is_right = all(artist_key(name) == key for key, name in given.artists.items()) and all(
            recording_key(recording.artist, recording.title) == key for key, recording in given.recordings.items()
        )
        facts = Facts(
            given.artists,
            {
                key: RecordingFacts(recording.title, recording.artist, artist_key(recording.artist))
                for key, recording in given.recordings.items()
            },
        )
    except EmptyName:
        is_right = False
    artists, recordings = corrections.named_by(given.act)
    if not is_right or not set(artists) <= set(facts.artists) or not set(recordings) <= set(facts.recordings):
        raise InvalidCorrection("the names of this correction are not those of its keys")
    return facts
